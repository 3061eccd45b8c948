/** Shows the notices; a job's follows it to its end. */

import Flashbar, { type FlashbarProps } from "@cloudscape-design/components/flashbar";
import Link from "@cloudscape-design/components/link";
import { useQueries } from "@tanstack/react-query";
import { useEffect } from "react";

import { call } from "../api/call";
import { live } from "../api/live";
import { placePath } from "../api/place";
import { keys } from "../api/queries";
import { type Flash, flash, useFlashes } from "./flashes";

type JobFlash = Extract<Flash, { is: "job" }>;
interface Job {
  state: string;
  error: { message?: string } | null;
  held?: { reason: string } | null;
}

const READ_AGAIN_MS = 1_500;
const GONE_MS = 8_000;

export function Flashes() {
  const flashes = useFlashes();
  const jobs = flashes.filter((each) => each.is === "job");
  const states = useQueries({
    queries: jobs.map(({ place, job }) => ({
      queryKey: keys.item(place, "job", job.id),
      queryFn: ({ signal }: { signal: AbortSignal }) => call<Job>(job.href, { signal }),
      refetchInterval: ({ state: { data } }: { state: { data: Job | undefined } }) =>
        hasEnded(data) ? false : live.get() ? 10_000 : READ_AGAIN_MS,
    })),
  });
  const stateOf = new Map(jobs.map((each, index) => [each.id, states[index]?.data]));
  const succeeded = jobs.filter((each) => stateOf.get(each.id)?.state === "SUCCEEDED").map((each) => each.id);
  useGone([...succeeded, ...flashes.filter((each) => each.is === "done").map((each) => each.id)]);
  return <Flashbar stackItems items={flashes.map((each) => item(each, stateOf.get(each.id)))} />;
}

function hasEnded(job: Job | undefined): boolean {
  return job?.state === "SUCCEEDED" || job?.state === "FAILED";
}

/** What needs nobody any more goes by itself. */
function useGone(ids: string[]): void {
  const text = ids.join(" ");
  useEffect(() => {
    const timers = text ? text.split(" ").map((id) => setTimeout(() => flash.dismiss(id), GONE_MS)) : [];
    return () => timers.forEach(clearTimeout);
  }, [text]);
}

function item(each: Flash, job: Job | undefined): FlashbarProps.MessageDefinition {
  const common = {
    id: each.id,
    dismissible: true,
    dismissLabel: "Dismiss",
    onDismiss: () => flash.dismiss(each.id),
    ariaRole: "status" as const,
  };
  if (each.is === "done") return { ...common, type: "success", content: each.text };
  if (each.is === "refused")
    return { ...common, ariaRole: "alert", type: "error", header: each.header, content: each.text };
  return { ...common, ...jobItem(each, job) };
}

function jobItem({ text, job: { id }, place }: JobFlash, job: Job | undefined): FlashbarProps.MessageDefinition {
  const link = (
    <Link color="inverted" href={`${placePath(place)}/jobs/${id}`}>
      Show the job
    </Link>
  );
  if (job?.state === "SUCCEEDED")
    return {
      type: "success",
      content: (
        <>
          {text}: done. {link}
        </>
      ),
    };
  if (job?.state === "FAILED") {
    return {
      type: "error",
      header: `${text}: failed`,
      content: (
        <>
          {job.error?.message} {link}
        </>
      ),
    };
  }
  if (job?.held)
    return {
      type: "warning",
      header: `${text}: waits`,
      content: (
        <>
          A rule of the operators holds it: {job.held.reason} {link}
        </>
      ),
    };
  const doing = job?.state === "RETRYING" ? "failed, and is tried again" : "under way";
  return {
    type: "in-progress",
    loading: true,
    content: (
      <>
        {text}: {doing}. {link}
      </>
    ),
  };
}
