/** What a resource uses, and what uses it: the latter keeps it from being deleted. */

import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";

import { useCatalog } from "../../api/catalog";
import type { Place } from "../../api/place";
import { Refusal } from "../../parts/Refusal";
import { ResourceLink } from "../../parts/ResourceLink";
import { Status } from "../../parts/Status";
import { useItemPart } from "../item";
import { titleOf } from "../schema";
import type { About } from "./about";

interface Linked {
  role: string;
  resource: { id: string; kind: string; name: string; status: string };
}

export default function Links({ kind, place, item }: About) {
  const links = useItemPart<{ uses: Linked[]; used_by: Linked[] }>(kind, place, item.id, "links");
  if (links.error && !links.data) return <Refusal error={links.error} onRetry={() => void links.refetch()} />;
  const { uses, used_by: usedBy } = links.data ?? {};
  return (
    <SpaceBetween size="l">
      <LinkTable title="Uses" empty={`${item.name} uses nothing.`} links={uses} place={place} />
      <LinkTable title="Used by" empty={`Nothing uses ${item.name}.`} links={usedBy} place={place} />
    </SpaceBetween>
  );
}

interface Props {
  title: string;
  empty: string;
  links: Linked[] | undefined;
  place: Place;
}

function LinkTable({ title, empty, links, place }: Props) {
  const catalog = useCatalog();
  return (
    <Table
      header={
        <Header variant="h2" counter={links && `(${links.length})`}>
          {title}
        </Header>
      }
      loading={!links}
      loadingText="Loading"
      items={links ?? []}
      empty={empty}
      ariaLabels={{ tableLabel: title }}
      columnDefinitions={[
        {
          id: "name",
          header: "Name",
          isRowHeader: true,
          cell: ({ resource }) => <ResourceLink id={resource.id} name={resource.name} place={place} />,
        },
        {
          id: "kind",
          header: "Kind",
          cell: ({ resource }) => catalog.named(resource.kind)?.title ?? titleOf(resource.kind),
        },
        { id: "role", header: "As", cell: ({ role }) => titleOf(role) },
        { id: "status", header: "Status", cell: ({ resource }) => <Status value={resource.status} /> },
      ]}
    />
  );
}
