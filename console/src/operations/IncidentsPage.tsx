/** What a person should look at: failed corrections, broken brakes, jobs past their deadline. */

import StatusIndicator from "@cloudscape-design/components/status-indicator";

import type { components } from "../api/ops";
import { PLATFORM } from "../api/place";
import { keys } from "../api/queries";
import { ResourceLink } from "../parts/ResourceLink";
import { Time } from "../parts/Time";
import { MOMENTS, filter } from "../records/filters";
import { RecordTable } from "../records/RecordTable";
import { useHeading } from "../shell/heading";

type Incident = components["schemas"]["IncidentView"];

export default function IncidentsPage() {
  useHeading({ title: "Incidents" });
  return (
    <RecordTable<Incident>
      title="Incidents"
      description="What the platform could not put right by itself. One is closed when its cause is gone."
      noun="incident"
      untold
      path="/api/ops/v1/incidents"
      queryKey={(query) => keys.whole(PLATFORM, "incidents", query)}
      presets={{ open_only: "true" }}
      filters={[
        filter("open_only", "Only open ones", [
          { value: "true", label: "Yes" },
          { value: "false", label: "No" },
        ]),
        filter("code", "Code"),
        ...MOMENTS,
      ]}
      columns={[
        {
          id: "code",
          header: "Incident",
          isRowHeader: true,
          width: 220,
          cell: ({ code, closed_at: closed }) => (
            <StatusIndicator type={closed ? "success" : "error"}>{code}</StatusIndicator>
          ),
        },
        { id: "detail", header: "What happened", width: 420, cell: ({ detail }) => detail },
        {
          id: "subject",
          header: "About",
          width: 200,
          cell: ({ subject_id: id }) => (id ? <ResourceLink id={id} place={PLATFORM} /> : "–"),
        },
        { id: "opened", header: "Since", width: 140, cell: ({ opened_at: at }) => <Time at={at} /> },
        {
          id: "closed",
          header: "Until",
          width: 140,
          cell: ({ closed_at: at }) => (at ? <Time at={at} /> : "It lasts"),
        },
      ]}
      empty="No incidents"
    />
  );
}
