/** Notices at the top of the page: jobs that were begun, things that were done or refused. */

import { useSyncExternalStore } from "react";

import type { JobReference } from "../api/catalog";
import type { Place } from "../api/place";
import { problemIn } from "../api/problem";

export type Flash =
  | { id: string; is: "done"; text: string }
  | { id: string; is: "refused"; header: string; text: string }
  | { id: string; is: "job"; text: string; job: JobReference; place: Place };

const MOST = 20;
let flashes: Flash[] = [];
let count = 0;
const watchers = new Set<() => void>();

function set(next: Flash[]): void {
  flashes = next.slice(0, MOST);
  for (const watcher of watchers) watcher();
}

const fresh = (): string => `flash-${++count}`;

export const flash = {
  done: (text: string): void => set([{ id: fresh(), is: "done", text }, ...flashes]),

  /** What an error says, when there is no field beside which to say it. */
  refused: (error: unknown): void => {
    const { title, detail, errors } = problemIn(error);
    const text = [detail, ...(errors ?? []).map((each) => each.detail)].join(" ");
    set([{ id: fresh(), is: "refused", header: title, text }, ...flashes]);
  },

  /** A job that was begun: shown until it ends, and how. `text`: "Create volume data". */
  job: (text: string, job: JobReference, place: Place): void =>
    set([
      { id: fresh(), is: "job", text, job, place },
      ...flashes.filter((each) => each.is !== "job" || each.job.id !== job.id),
    ]),

  dismiss: (id: string): void => set(flashes.filter((each) => each.id !== id)),
};

export function useFlashes(): Flash[] {
  return useSyncExternalStore(
    (watcher) => {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
    () => flashes,
  );
}
