/** What the platform could not put right by itself, and has not yet. */

import Box from "@cloudscape-design/components/box";
import Header from "@cloudscape-design/components/header";
import Link from "@cloudscape-design/components/link";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import { useQuery } from "@tanstack/react-query";

import { answer, ops } from "../api/client";
import { PLATFORM } from "../api/place";
import { UNTOLD_MS, keys } from "../api/queries";
import { Refusal } from "../parts/Refusal";
import { Time } from "../parts/Time";

const MOST = 6;

export function IncidentsCard() {
  const incidents = useQuery({
    queryKey: keys.whole(PLATFORM, "incidents", "open"),
    queryFn: () => answer(ops.GET("/incidents", { params: { query: { open_only: true, limit: MOST } } })),
    refetchInterval: UNTOLD_MS,
  });
  return (
    <section className="card" aria-label="Incidents">
      <Header variant="h2" actions={<Link href="/console/ops/incidents">All incidents</Link>}>
        Waiting for a person
      </Header>
      {incidents.error && !incidents.data && <Refusal error={incidents.error} />}
      {incidents.data?.items.length === 0 && <StatusIndicator type="success">No incident is open.</StatusIndicator>}
      <ul className="entries">
        {incidents.data?.items.map(({ id, code, detail, opened_at: at }) => (
          <li key={id}>
            <StatusIndicator type="error">{code}</StatusIndicator>
            <Box color="text-body-secondary" fontSize="body-s">
              {detail} · <Time at={at} />
            </Box>
          </li>
        ))}
      </ul>
    </section>
  );
}
