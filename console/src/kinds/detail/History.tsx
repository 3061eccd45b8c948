/** How a resource came to be what it is: each change with who, why and what was different after it. */

import Container from "@cloudscape-design/components/container";
import ExpandableSection from "@cloudscape-design/components/expandable-section";
import Header from "@cloudscape-design/components/header";
import Link from "@cloudscape-design/components/link";
import Table from "@cloudscape-design/components/table";

import { placePath } from "../../api/place";
import { Refusal } from "../../parts/Refusal";
import { Time } from "../../parts/Time";
import { useItemPart } from "../item";
import type { About } from "./about";

interface Entry {
  at: string;
  revision: number;
  changed_by: string | null;
  job_id: string | null;
  reason: string;
  state: Record<string, unknown>;
}

export default function History({ kind, place, item }: About) {
  const history = useItemPart<Entry[]>(kind, place, item.id, "history");
  if (history.error && !history.data) return <Refusal error={history.error} onRetry={() => void history.refetch()} />;
  return (
    <Container disableContentPaddings header={<Header variant="h2">History</Header>}>
      <Table
        variant="embedded"
        wrapLines
        loading={history.isPending}
        loadingText="Loading the history"
        items={[...(history.data ?? [])].reverse()}
        empty="Nothing has changed yet."
        ariaLabels={{ tableLabel: "History" }}
        columnDefinitions={[
          { id: "revision", header: "Revision", isRowHeader: true, cell: (entry) => entry.revision },
          { id: "at", header: "When", cell: (entry) => <Time at={entry.at} /> },
          { id: "reason", header: "Why", cell: (entry) => entry.reason },
          { id: "by", header: "By", cell: (entry) => entry.changed_by ?? "The platform" },
          {
            id: "job",
            header: "Job",
            cell: (entry) => (entry.job_id ? <Link href={`${placePath(place)}/jobs/${entry.job_id}`}>Show</Link> : "–"),
          },
          { id: "state", header: "After it", cell: (entry) => <State state={entry.state} /> },
        ]}
      />
    </Container>
  );
}

function State({ state }: { state: Record<string, unknown> }) {
  return (
    <ExpandableSection variant="footer" headerText={Object.keys(state).join(", ") || "Nothing else"}>
      <pre className="state">{JSON.stringify(state, null, 2)}</pre>
    </ExpandableSection>
  );
}
