/** Every fault that a job met: when, at which step and try, of which class, in which words. */

import Header from "@cloudscape-design/components/header";
import Table from "@cloudscape-design/components/table";

import { Time } from "../parts/Time";
import { type Job, classSentence } from "./job";

export function Faults({ errors }: { errors: Job["errors"] }) {
  return (
    <Table
      variant="container"
      wrapLines
      items={errors}
      trackBy={({ at, step, attempt }) => `${at} ${step} ${attempt}`}
      ariaLabels={{ tableLabel: "Faults" }}
      header={
        <Header variant="h2" counter={`(${errors.length})`}>
          Faults
        </Header>
      }
      columnDefinitions={[
        { id: "message", header: "What it said", cell: ({ message }) => message, isRowHeader: true, minWidth: 220 },
        { id: "code", header: "Code", cell: ({ code }) => <code>{code}</code> },
        { id: "class", header: "Class", cell: ({ fault_class }) => classSentence(fault_class), minWidth: 160 },
        { id: "step", header: "Step", cell: ({ step }) => step },
        { id: "try", header: "Try", cell: ({ attempt }) => attempt },
        { id: "at", header: "When", cell: ({ at }) => <Time at={at} /> },
      ]}
    />
  );
}
