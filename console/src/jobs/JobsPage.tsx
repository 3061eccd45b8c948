/** The jobs of a project, or for operators of all: what is going on, what went wrong. */

import Link from "@cloudscape-design/components/link";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import type { TableProps } from "@cloudscape-design/components/table";

import { type Catalog, useCatalog } from "../api/catalog";
import { type Place, usePlace } from "../api/place";
import { keys } from "../api/queries";
import { ResourceLink } from "../parts/ResourceLink";
import { Status } from "../parts/Status";
import { Time } from "../parts/Time";
import { duration } from "../parts/words";
import { MOMENTS, filter } from "../records/filters";
import { RecordTable } from "../records/RecordTable";
import { useHeading } from "../shell/heading";
import { type Job, STATES, VERBS, doing, homeOfJob, jobAddress, jobsPath, secondsOf } from "./job";

export default function JobsPage() {
  const place = usePlace();
  const catalog = useCatalog();
  useHeading({ title: "Jobs" });
  return (
    <RecordTable<Job>
      title="Jobs"
      description="Whatever is made, changed, corrected or deleted is a job, with steps that can be followed."
      noun="job"
      path={jobsPath(place)}
      queryKey={(query) => keys.list(place, "job", query)}
      filters={[
        filter("state", "State", STATES),
        filter("verb", "Verb", VERBS),
        filter("kind", "Kind", kindsOf(catalog)),
        filter("resource", "Resource (its id)"),
        filter("parent", "Parent (its id)"),
        ...MOMENTS,
      ]}
      columns={jobColumns(place, catalog)}
      empty="No jobs yet"
    />
  );
}

function kindsOf(catalog: Catalog): { value: string; label: string }[] {
  return catalog.kinds.map(({ name, title }) => ({ value: name, label: title }));
}

export function jobColumns(place: Place, catalog: Catalog): TableProps.ColumnDefinition<Job>[] {
  return [
    {
      id: "what",
      header: "Job",
      cell: (job) => <Link href={jobAddress(place, job.id)}>{doing(job, catalog)}</Link>,
      isRowHeader: true,
      width: 220,
    },
    { id: "state", header: "State", cell: (job) => <Status value={job.state} />, width: 150 },
    { id: "resource", header: "Resource", cell: (job) => <JobResource job={job} />, width: 180 },
    { id: "step", header: "Step", cell: (job) => job.step, width: 120 },
    { id: "tries", header: "Tries", cell: (job) => job.attempt, width: 80 },
    { id: "fault", header: "Last fault", cell: (job) => <Fault job={job} />, width: 260 },
    { id: "created", header: "Asked for", cell: (job) => <Time at={job.created_at} />, width: 140 },
    { id: "took", header: "Took", cell: (job) => took(job), width: 110 },
  ];
}

export function JobResource({ job }: { job: Job }) {
  return job.verb === "bulk" ? <>–</> : <ResourceLink id={job.resource_id} place={homeOfJob(job)} />;
}

function Fault({ job }: { job: Job }) {
  const fault = job.error;
  if (!fault) return <>–</>;
  return job.state === "FAILED" ? (
    <StatusIndicator type="error">{fault.message}</StatusIndicator>
  ) : (
    <>{fault.message}</>
  );
}

function took(job: Job): string {
  const seconds = job.ended_at ? secondsOf(job, 0) : null;
  return seconds === null ? "–" : duration(seconds);
}
