/** One job: how it stands, each step as it happens, its faults, its children, where its time went. Retry and cancel. */

import "./jobs.css";

import Alert from "@cloudscape-design/components/alert";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "react-router";

import { call } from "../api/call";
import { useCatalog } from "../api/catalog";
import { type Place, placePath, usePlace } from "../api/place";
import { keys } from "../api/queries";
import { Refusal } from "../parts/Refusal";
import { moment } from "../parts/words";
import { Splash } from "../login/Entrance";
import { useHeading } from "../shell/heading";
import { Children } from "./Children";
import { Faults } from "./Faults";
import { JobActions } from "./JobActions";
import { JobFacts } from "./JobFacts";
import { Timeline } from "./Timeline";
import { TracePanel } from "./TracePanel";
import { type Job, classSentence, doing, hasEnded, jobsPath, waiting } from "./job";

export default function JobPage() {
  const place = usePlace();
  const { id = "" } = useParams();
  const catalog = useCatalog();
  const { data: job, error, refetch } = useJob(place, id);
  useHeading({
    title: job ? doing(job, catalog) : "Job",
    trail: [{ text: "Jobs", href: `${placePath(place)}/jobs` }],
  });
  if (!job) return error ? <Refusal error={error} onRetry={() => void refetch()} /> : <Splash />;
  return (
    <SpaceBetween size="l">
      <Header variant="h1" description={job.id} actions={<JobActions job={job} place={place} />}>
        {doing(job, catalog)}
      </Header>
      <Standing job={job} />
      <Container header={<Header variant="h2">Overview</Header>}>
        <JobFacts job={job} place={place} />
      </Container>
      {job.verb === "bulk" && <Children parent={job} place={place} />}
      <Container
        header={
          <Header variant="h2" description="Each line as it happens; the times are from the request on.">
            Steps
          </Header>
        }
      >
        <Timeline steps={job.steps} since={job.created_at} />
      </Container>
      {job.errors.length > 0 && <Faults errors={job.errors} />}
      <TracePanel job={job} place={place} />
    </SpaceBetween>
  );
}

function useJob(place: Place, id: string) {
  return useQuery({
    queryKey: keys.item(place, "job", id),
    queryFn: ({ signal }) => call<Job>(jobsPath(place, id), { signal }),
    // Heartbeat of what waits for its next try: the stream tells of moves, and there may be none for long.
    refetchInterval: ({ state: { data } }) => (data && hasEnded(data) ? false : 5_000),
  });
}

/** What is to be known first: why it failed, or what it waits for. */
function Standing({ job }: { job: Job }) {
  const fault = job.error;
  const why = waiting(job);
  return (
    <div aria-live="polite">
      {why && <Alert type="info">{why}</Alert>}
      {fault && job.state === "FAILED" && (
        <Alert type="error" header={fault.message}>
          <code>{fault.code}</code> · {classSentence(fault.fault_class)}
        </Alert>
      )}
      {fault && job.state === "RETRYING" && (
        <Alert type="warning" header={fault.message}>
          <code>{fault.code}</code> · {classSentence(fault.fault_class)}.
          {job.next_at && ` It is tried again at ${moment(job.next_at)}.`}
        </Alert>
      )}
    </div>
  );
}
