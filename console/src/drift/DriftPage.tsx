/** Where what is differs from what should be, both sides field by field, and what becomes of it. */

import Button from "@cloudscape-design/components/button";
import Link from "@cloudscape-design/components/link";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import type { TableProps } from "@cloudscape-design/components/table";
import { useState } from "react";

import { type Catalog, useCatalog } from "../api/catalog";
import { usePermissions } from "../api/me";
import { PLATFORM, type Place, usePlace } from "../api/place";
import { keys } from "../api/queries";
import type { components } from "../api/tenant";
import { homeOfJob, jobAddress } from "../jobs/job";
import { isRecord } from "../kinds/schema";
import { ResourceLink } from "../parts/ResourceLink";
import { Time } from "../parts/Time";
import { moment } from "../parts/words";
import { MOMENTS, filter } from "../records/filters";
import { RecordTable } from "../records/RecordTable";
import { useHeading } from "../shell/heading";
import { DecisionDialog } from "./DecisionDialog";

type Drift = components["schemas"]["DriftView"];

export default function DriftPage() {
  const place = usePlace();
  const catalog = useCatalog();
  const may = usePermissions(PLATFORM);
  const [chosen, setChosen] = useState<Drift | null>(null);
  const isDecided = place.scope === "platform" && may("reconciler.drift.decide");
  useHeading({ title: "Drift" });
  return (
    <>
      <RecordTable<Drift>
        title="Drift"
        description="Where an engine holds something other than what should be. What can be corrected is, by a job."
        noun="difference"
        path={place.scope === "project" ? `/api/tenant/v1/projects/${place.id}/drift` : "/api/ops/v1/drift"}
        queryKey={(query) => keys.whole(place, "drift", query)}
        presets={{ open_only: "true" }}
        always={{ open_only: false }}
        filters={[
          filter("open_only", "Only open ones", [
            { value: "true", label: "Yes" },
            { value: "false", label: "No" },
          ]),
          filter(
            "kind",
            "Kind",
            catalog.kinds.map(({ name, title }) => ({ value: name, label: title })),
          ),
          filter("difference", "Difference", Object.keys(DIFFERENCES)),
          filter("resource", "Resource (its id)"),
          ...MOMENTS,
        ]}
        columns={[...columnsOf(place, catalog), ...(isDecided ? [decisionColumn(setChosen)] : [])]}
        empty="No drift"
        untold
      />
      {chosen && <DecisionDialog drift={chosen} onClose={() => setChosen(null)} />}
    </>
  );
}

const DIFFERENCES: Record<string, string> = {
  missing: "It is not there",
  orphan: "Nobody asked for it",
  modified: "It is otherwise",
  wrong_state: "It is in another state",
};

const DECISIONS: Record<Drift["decision"], string> = {
  correct: "It is corrected",
  alert: "Operators decide",
  ignore: "It is left as it is",
};

function columnsOf(place: Place, catalog: Catalog): TableProps.ColumnDefinition<Drift>[] {
  return [
    {
      id: "resource",
      header: "Resource",
      isRowHeader: true,
      cell: (drift) => (
        <>
          {catalog.named(drift.resource_kind)?.title ?? drift.resource_kind}{" "}
          <ResourceLink id={drift.resource_id} name={drift.resource_name ?? undefined} place={homeOfJob(drift)} />
        </>
      ),
      width: 220,
    },
    { id: "difference", header: "Difference", cell: (drift) => <Difference drift={drift} />, width: 200 },
    { id: "fields", header: "Should be, and is", cell: (drift) => <Sides fields={drift.fields} />, width: 300 },
    {
      id: "decision",
      header: "What becomes of it",
      cell: (drift) => <Decision drift={drift} />,
      width: 200,
    },
    { id: "job", header: "Correction", cell: (drift) => <Correction drift={drift} place={place} />, width: 150 },
    { id: "detected", header: "Noticed", cell: (drift) => <Time at={drift.detected_at} />, width: 140 },
    {
      id: "resolved",
      header: "Resolved",
      cell: (drift) => (drift.resolved_at ? <Time at={drift.resolved_at} /> : "Not yet"),
      width: 140,
    },
  ];
}

function decisionColumn(onDecide: (drift: Drift) => void): TableProps.ColumnDefinition<Drift> {
  return {
    id: "decide",
    header: "Actions",
    width: 110,
    cell: (drift) =>
      drift.resolved_at ? (
        "–"
      ) : (
        <Button
          variant="inline-link"
          ariaLabel={`Decide about ${drift.resource_name ?? drift.resource_id}`}
          onClick={() => onDecide(drift)}
        >
          Decide
        </Button>
      ),
  };
}

function Difference({ drift }: { drift: Drift }) {
  return (
    <StatusIndicator type={drift.resolved_at ? "success" : "warning"}>
      {DIFFERENCES[drift.difference] ?? drift.difference}
    </StatusIndicator>
  );
}

function Decision({ drift: { decision, reason, until } }: { drift: Drift }) {
  return (
    <>
      <div>{DECISIONS[decision]}</div>
      {reason && <div className="fine">{reason}</div>}
      {until && <div className="fine">Until {moment(until)}</div>}
    </>
  );
}

function Sides({ fields }: { fields: Drift["fields"] }) {
  const entries = Object.entries(fields);
  if (!entries.length) return <>–</>;
  return (
    <ul className="plain">
      {entries.map(([name, sides]) => (
        <li key={name}>
          {name}: {side(sides, "wanted")} → {side(sides, "observed")}
        </li>
      ))}
    </ul>
  );
}

function side(sides: unknown, which: "wanted" | "observed"): string {
  const value = isRecord(sides) ? sides[which] : undefined;
  if (value === undefined || value === null) return "nothing";
  return typeof value === "string" ? value : JSON.stringify(value);
}

function Correction({ drift, place }: { drift: Drift; place: Place }) {
  if (!drift.job_id) return <>–</>;
  return <Link href={jobAddress(place, drift.job_id)}>{drift.attempts > 1 ? `Try ${drift.attempts}` : "Its job"}</Link>;
}
