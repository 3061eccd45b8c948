/** What is in error, and why. */

import Box from "@cloudscape-design/components/box";
import Header from "@cloudscape-design/components/header";
import Link from "@cloudscape-design/components/link";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import { useQueries } from "@tanstack/react-query";

import { call } from "../api/call";
import { type Kind, type Resource, apiPath, kindPath, useCatalog } from "../api/catalog";
import type { Place } from "../api/place";
import { keys } from "../api/queries";
import type { ResourcePage } from "../kinds/list";
import { inSentence } from "../parts/words";
import type { Summary } from "./summary";

/** Of each kind so many are told, with why; the others are counted. */
const MOST = 4;

export function Wrong({ summary, place }: { summary: Summary; place: Place }) {
  const catalog = useCatalog();
  const broken = summary.kinds.flatMap(({ kind: name, statuses }) => {
    const kind = catalog.named(name);
    const count = statuses["error"] ?? 0;
    return kind && count ? [{ kind, count }] : [];
  });
  const lists = useQueries({
    queries: broken.map(({ kind }) => ({
      enabled: kind.scope === place.scope,
      queryKey: keys.list(place, kind.name, "wrong"),
      queryFn: ({ signal }: { signal: AbortSignal }) =>
        call<ResourcePage>(apiPath(kind, place), {
          query: { status: "error", limit: MOST, sort: "-created_at" },
          signal,
        }),
    })),
  });
  return (
    <section className="card" id="wrong" aria-label="What is wrong">
      <Header variant="h2">What is wrong</Header>
      {!broken.length && <StatusIndicator type="success">Nothing is in error.</StatusIndicator>}
      <ul className="entries">
        {broken.map(({ kind, count }, index) =>
          kind.scope === place.scope ? (
            <KindWrong
              key={kind.name}
              kind={kind}
              place={place}
              count={count}
              items={lists[index]?.data?.items ?? []}
            />
          ) : (
            <Elsewhere key={kind.name} kind={kind} count={count} />
          ),
        )}
      </ul>
    </section>
  );
}

/** What is wrong in places below this one. */
function Elsewhere({ kind, count }: { kind: Kind; count: number }) {
  return (
    <li>
      <StatusIndicator type="error">
        {count.toLocaleString("en")} {inSentence(count === 1 ? kind.title : kind.title_plural)} in error, in projects
      </StatusIndicator>
    </li>
  );
}

interface Props {
  kind: Kind;
  place: Place;
  count: number;
  items: Resource[];
}

function KindWrong({ kind, place, count, items }: Props) {
  const reasons = useQueries({
    queries: items.map((item) => ({
      queryKey: keys.item(place, kind.name, item.id, "why", "shortly"),
      queryFn: ({ signal }: { signal: AbortSignal }) =>
        call<{ summary: string }>(apiPath(kind, place, item.id, "why"), { query: { limit: 1 }, signal }),
    })),
  });
  return (
    <>
      {items.map((item, index) => (
        <li key={item.id}>
          <StatusIndicator type="error">
            {kind.title} <Link href={`${kindPath(kind, place, item.id)}?tab=why`}>{item.name}</Link>
          </StatusIndicator>
          <Box color="text-body-secondary" fontSize="body-s">
            {reasons[index]?.data?.summary ?? "Looking why"}
          </Box>
        </li>
      ))}
      {count > items.length && items.length > 0 && (
        <li>
          <Link href={`${kindPath(kind, place)}?status=error`}>
            All {count} {kind.title_plural.toLowerCase()} in error
          </Link>
        </li>
      )}
    </>
  );
}
