/** Jobs that have not ended, and those that failed within a day. */

import Box from "@cloudscape-design/components/box";
import Header from "@cloudscape-design/components/header";
import Link from "@cloudscape-design/components/link";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import { useQueries, useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { call } from "../api/call";
import { useCatalog } from "../api/catalog";
import { type Place, placePath } from "../api/place";
import { keys } from "../api/queries";
import { JobResource } from "../jobs/JobsPage";
import { type Job, doing, jobAddress, jobsPath } from "../jobs/job";
import { Refusal } from "../parts/Refusal";
import { Status } from "../parts/Status";
import { Time } from "../parts/Time";

const MOST = 6;
const DAY_MS = 86_400_000;
const OPEN: Job["state"][] = ["RETRYING", "RUNNING", "PENDING"];

interface Page {
  items: Job[];
}

export function GoingOn({ place }: { place: Place }) {
  const lists = useQueries({
    queries: OPEN.map((state) => ({
      queryKey: keys.list(place, "job", "open", state),
      queryFn: ({ signal }: { signal: AbortSignal }) =>
        call<Page>(jobsPath(place), { query: { state, limit: MOST }, signal }),
    })),
  });
  const jobs = lists.flatMap(({ data }) => data?.items ?? []).slice(0, MOST);
  const error = lists.find((list) => list.error && !list.data)?.error;
  return (
    <section className="card" aria-label="Going on">
      <Header variant="h2" actions={<Link href={`${placePath(place)}/jobs`}>All jobs</Link>}>
        Going on
      </Header>
      {error ? <Refusal error={error} /> : <Entries jobs={jobs} place={place} none="No job is under way." />}
    </section>
  );
}

export function LatelyFailed({ place }: { place: Place }) {
  const [since] = useState(() => new Date(Date.now() - DAY_MS).toISOString());
  const failed = useQuery({
    queryKey: keys.list(place, "job", "failed", since),
    queryFn: ({ signal }) =>
      call<Page>(jobsPath(place), { query: { state: "FAILED", created_after: since, limit: MOST }, signal }),
  });
  return (
    <section className="card" aria-label="Lately failed">
      <Header variant="h2" actions={<Link href={`${placePath(place)}/jobs?state=FAILED`}>All that failed</Link>}>
        Lately failed
      </Header>
      {failed.error ? (
        <Refusal error={failed.error} />
      ) : (
        <Entries jobs={failed.data?.items ?? []} place={place} none="No job failed within a day." />
      )}
    </section>
  );
}

function Entries({ jobs, place, none }: { jobs: Job[]; place: Place; none: string }) {
  const catalog = useCatalog();
  if (!jobs.length) return <StatusIndicator type="success">{none}</StatusIndicator>;
  return (
    <ul className="entries">
      {jobs.map((job) => (
        <li key={job.id}>
          <div className="entry-line">
            <span>
              <Link href={jobAddress(place, job.id)}>{doing(job, catalog)}</Link> <JobResource job={job} />
            </span>
            <Status value={job.state} />
          </div>
          <Box color="text-body-secondary" fontSize="body-s">
            {job.error?.message ?? job.step} · <Time at={job.created_at} />
          </Box>
        </li>
      ))}
    </ul>
  );
}
