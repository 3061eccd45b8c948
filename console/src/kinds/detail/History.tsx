/** How a resource came to be what it is: each change with who, why and what was different after it. */

import Header from "@cloudscape-design/components/header";
import Link from "@cloudscape-design/components/link";
import Table from "@cloudscape-design/components/table";

import { placePath } from "../../api/place";
import { Raw } from "../../parts/Raw";
import { Refusal } from "../../parts/Refusal";
import { Requester } from "../../parts/Requester";
import { Time } from "../../parts/Time";
import { useItemPart } from "../item";
import { titleOf } from "../schema";
import type { About } from "./about";

interface Entry {
  at: string;
  revision: number;
  changed_by: string | null;
  changed_by_name: string | null;
  job_id: string | null;
  reason: string;
  state: Record<string, unknown>;
}

export default function History({ kind, place, item }: About) {
  const history = useItemPart<Entry[]>(kind, place, item.id, "history");
  if (history.error && !history.data) return <Refusal error={history.error} onRetry={() => void history.refetch()} />;
  return (
    <Table
      header={<Header variant="h2">History</Header>}
      wrapLines
      loading={history.isPending}
      loadingText="Loading the history"
      items={[...(history.data ?? [])].reverse()}
      empty="Nothing has changed yet."
      ariaLabels={{ tableLabel: "History" }}
      columnDefinitions={[
        { id: "revision", header: "Revision", isRowHeader: true, cell: (entry) => entry.revision },
        { id: "at", header: "When", minWidth: 150, cell: (entry) => <Time at={entry.at} /> },
        { id: "reason", header: "Why", cell: (entry) => entry.reason },
        { id: "by", header: "By", cell: (entry) => <Requester id={entry.changed_by} name={entry.changed_by_name} /> },
        {
          id: "job",
          header: "Job",
          cell: (entry) => (entry.job_id ? <Link href={`${placePath(place)}/jobs/${entry.job_id}`}>Show</Link> : "–"),
        },
        {
          id: "state",
          header: "After it",
          cell: (entry) => <Raw summary={briefly(Object.keys(entry.state))} value={entry.state} />,
        },
      ]}
    />
  );
}

function briefly(names: string[]): string {
  const shown = names.slice(0, 3).map((name) => titleOf(name).toLowerCase());
  return [...shown, ...(names.length > 3 ? [`${names.length - 3} more`] : [])].join(", ") || "nothing else";
}
