/** Where a job's time went. */

import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import Spinner from "@cloudscape-design/components/spinner";
import { useQuery } from "@tanstack/react-query";

import { call } from "../api/call";
import type { Place } from "../api/place";
import { keys } from "../api/queries";
import { Refusal } from "../parts/Refusal";
import { Waterfall } from "./Waterfall";
import { type Job, type Trace, hasEnded, jobsPath } from "./job";
import { time } from "./waterfall";

const READ_AGAIN_MS = 3_000;

export function TracePanel({ job, place }: { job: Job; place: Place }) {
  const trace = useQuery({
    queryKey: keys.item(place, "job", job.id, "trace"),
    queryFn: ({ signal }) => call<Trace>(jobsPath(place, job.id, "trace"), { signal }),
    refetchInterval: hasEnded(job) ? false : READ_AGAIN_MS,
  });
  return (
    <Container
      header={
        <Header
          variant="h2"
          counter={trace.data ? `(${time(trace.data.duration_ms)})` : ""}
          description={trace.data?.sentence}
        >
          Trace
        </Header>
      }
    >
      {trace.data ? (
        <Waterfall trace={trace.data} />
      ) : trace.error ? (
        <Refusal error={trace.error} onRetry={() => void trace.refetch()} />
      ) : (
        <Spinner />
      )}
    </Container>
  );
}
