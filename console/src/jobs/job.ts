/** Jobs, as the API shows them, and what is said of them. */

import type { components } from "../api/tenant";
import type { Catalog } from "../api/catalog";
import { PLATFORM, type Place, placePath } from "../api/place";

export type Job = Required<components["schemas"]["JobView"]>;
export type Step = components["schemas"]["JobStep"];
export type Trace = components["schemas"]["TraceView"];
export type Span = components["schemas"]["SpanView"];

export const STATES: Job["state"][] = ["PENDING", "RUNNING", "RETRYING", "SUCCEEDED", "FAILED"];
export const VERBS: Job["verb"][] = ["create", "update", "delete", "correct", "bulk"];

/** The path of a place's jobs, or of one of them, in the API. */
export function jobsPath(place: Place, ...more: string[]): string {
  const namespace = place.scope === "project" ? `/api/tenant/v1/projects/${place.id}` : "/api/ops/v1";
  return [namespace, "jobs", ...more].join("/");
}

/** The address of a job's page. */
export function jobAddress(place: Place, id: string): string {
  return `${placePath(place)}/jobs/${id}`;
}

/** Where a job's resource is: operators see jobs of all projects. */
export function homeOfJob(job: Pick<Job, "project_id" | "organization_id">): Place {
  if (job.project_id) return { scope: "project", id: job.project_id };
  return job.organization_id ? { scope: "organization", id: job.organization_id } : PLATFORM;
}

export function hasEnded({ state }: Pick<Job, "state">): boolean {
  return state === "SUCCEEDED" || state === "FAILED";
}

/** "Create virtual machine"; of the parent of many: "Many at once". */
export function doing({ verb, resource_kind }: Pick<Job, "verb" | "resource_kind">, catalog: Catalog): string {
  if (verb === "bulk") return "Many at once";
  const kind = catalog.named(resource_kind)?.title ?? resource_kind.replaceAll("_", " ");
  const action = verb.charAt(0).toUpperCase() + verb.slice(1);
  // Abbreviations keep their capitals: "SSH key".
  return `${action} ${/^[A-Z][A-Z]/.test(kind) ? kind : kind.toLowerCase()}`;
}

/** How long it has taken, or takes so far, in seconds. */
export function secondsOf({ started_at, ended_at }: Pick<Job, "started_at" | "ended_at">, now: number): number | null {
  if (!started_at) return null;
  return ((ended_at ? Date.parse(ended_at) : now) - Date.parse(started_at)) / 1000;
}

const CLASSES: Record<string, string> = {
  transient: "Transient: another try may mend it",
  permanent: "Permanent: every further try would meet it again",
};

export function classSentence(name: string): string {
  return CLASSES[name] ?? name;
}

/** What the platform waits for, if it waits. */
export function waiting(job: Job): string | null {
  if (job.held) return `A rule of the operators holds it: ${job.held.reason}`;
  if (job.undoing) return "It was cancelled, and what it had done is being undone.";
  if (job.cancel_requested_at && !hasEnded(job)) return "It is being cancelled.";
  return null;
}
