/** Who did, or tried, what to which resource, and how it ended. */

import CopyToClipboard from "@cloudscape-design/components/copy-to-clipboard";
import Popover from "@cloudscape-design/components/popover";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import type { TableProps } from "@cloudscape-design/components/table";

import { type Place, usePlace } from "../api/place";
import { keys } from "../api/queries";
import type { components } from "../api/tenant";
import { homeOfJob } from "../jobs/job";
import { Code } from "../parts/Code";
import { Requester } from "../parts/Requester";
import { ResourceLink } from "../parts/ResourceLink";
import { Status } from "../parts/Status";
import { Time } from "../parts/Time";
import { MOMENTS, filter } from "../records/filters";
import { RecordTable } from "../records/RecordTable";
import { useHeading } from "../shell/heading";

type Event = components["schemas"]["AuditEventView"];

export default function AuditPage() {
  const place = usePlace();
  useHeading({ title: "Audit trail" });
  return (
    <RecordTable<Event>
      title="Audit trail"
      description="Who did, or tried, what, and how it ended. It cannot be changed."
      noun="event"
      path={auditPath(place)}
      queryKey={(query) => keys.whole(place, "audit", query)}
      filters={[
        filter("outcome", "Outcome", ["allowed", "denied", "failed"]),
        filter("action", "Action"),
        filter("actor", "Who (an id)"),
        filter("resource", "Resource (its id)"),
        ...MOMENTS,
      ]}
      columns={COLUMNS}
      empty="Nothing has happened yet"
    />
  );
}

function auditPath(place: Place): string {
  return place.scope === "project" ? `/api/tenant/v1/projects/${place.id}/audit-events` : "/api/ops/v1/audit-events";
}

const COLUMNS: TableProps.ColumnDefinition<Event>[] = [
  { id: "at", header: "When", cell: (event) => <Time at={event.at} />, width: 140 },
  { id: "who", header: "Who", cell: (event) => <Requester id={event.actor_id} name={event.actor_name} />, width: 250 },
  { id: "action", header: "Action", cell: (event) => <code>{event.action}</code>, isRowHeader: true, width: 240 },
  { id: "outcome", header: "Outcome", cell: (event) => <Outcome event={event} />, width: 180 },
  { id: "resource", header: "Resource", cell: (event) => <Subject event={event} />, width: 200 },
  { id: "address", header: "From", cell: (event) => event.address ?? "–", width: 120 },
  { id: "request", header: "Request", cell: (event) => <Request id={event.request_id} />, width: 130 },
  { id: "detail", header: "Detail", cell: (event) => <Detail event={event} />, width: 110 },
];

function Outcome({ event }: { event: Event }) {
  if (event.outcome === "denied" || event.outcome === "failed")
    return <StatusIndicator type="error">{event.code ?? event.outcome}</StatusIndicator>;
  return <Status value={event.outcome} />;
}

function Subject({ event }: { event: Event }) {
  if (!event.resource_id) return <>{event.resource_kind?.replaceAll("_", " ") ?? "–"}</>;
  const name = event.detail["name"];
  return (
    <ResourceLink id={event.resource_id} place={homeOfJob(event)} name={typeof name === "string" ? name : undefined} />
  );
}

/** Operators find a request's traces and logs by its id. */
function Request({ id }: { id: string | null }) {
  if (!id) return <>–</>;
  return (
    <CopyToClipboard
      variant="icon"
      textToCopy={id}
      copyButtonAriaLabel={`Copy the request's id ${id}`}
      copySuccessText="Copied"
      copyErrorText="Copying failed"
    />
  );
}

function Detail({ event }: { event: Event }) {
  return (
    <Popover
      size="large"
      fixedWidth
      header={event.action}
      dismissAriaLabel="Close"
      content={<Code title="The whole event" text={JSON.stringify(event, null, 2)} />}
    >
      Show
    </Popover>
  );
}
