/** What a job's record says, side by side. */

import KeyValuePairs, { type KeyValuePairsProps } from "@cloudscape-design/components/key-value-pairs";
import Link from "@cloudscape-design/components/link";
import { useEffect, useState } from "react";

import type { Place } from "../api/place";
import { Requester } from "../parts/Requester";
import { Status } from "../parts/Status";
import { Time } from "../parts/Time";
import { duration } from "../parts/words";
import { type Job, hasEnded, jobAddress, secondsOf } from "./job";
import { JobResource } from "./JobsPage";

const TICK_MS = 1000;

export function JobFacts({ job, place }: { job: Job; place: Place }) {
  const isOpen = !hasEnded(job);
  const items: KeyValuePairsProps.Item[] = [
    { label: "State", value: <Status value={job.state} /> },
    { label: "Resource", value: <JobResource job={job} /> },
    { label: "Step", value: job.step },
    { label: "Try", value: job.attempt },
    { label: "Asked for", value: <Time at={job.created_at} /> },
    { label: isOpen ? "Takes so far" : "Took", value: <Took job={job} /> },
    ...(isOpen && job.next_at ? [{ label: "Looked at again", value: <Time at={job.next_at} /> }] : []),
    ...(isOpen ? [{ label: "Deadline", value: <Time at={job.deadline} /> }] : []),
    { label: "Requested by", value: <Requester id={job.requested_by} name={job.requested_by_name} /> },
    { label: "Why", value: job.reason || "–" },
    { label: "Workflow", value: job.workflow },
    ...(job.parent_id
      ? [{ label: "Part of", value: <Link href={jobAddress(place, job.parent_id)}>Many at once</Link> }]
      : []),
  ];
  return <KeyValuePairs columns={4} items={items} />;
}

function Took({ job }: { job: Job }) {
  const [now, setNow] = useState(Date.now);
  const isOpen = !hasEnded(job);
  useEffect(() => {
    if (!isOpen) return undefined;
    const timer = setInterval(() => setNow(Date.now()), TICK_MS);
    return () => clearInterval(timer);
  }, [isOpen]);
  const seconds = secondsOf(job, now);
  return <>{seconds === null ? "Not begun" : duration(Math.max(0, seconds))}</>;
}
