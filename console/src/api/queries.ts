/** The cache of answers: how its keys are built, and how long an answer is believed. */

import { QueryClient, type QueryKey } from "@tanstack/react-query";

import { live } from "./live";
import type { Place } from "./place";
import { problemIn } from "./problem";

/** How often is read again what the stream of changes does not tell of; without the stream, everything on the screen. */
export const UNTOLD_MS = 5_000;

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 2_000,
      refetchInterval: () => (live.get() ? false : UNTOLD_MS),
      retry: (failures, error) => failures < 2 && isPassing(error),
    },
  },
});

/** Whether it is worth another try: nobody answered, or the fault was not ours. */
function isPassing(error: unknown): boolean {
  const { status, code } = problemIn(error);
  return code === "unreachable" || status >= 500;
}

/**
 * Keys. What is about resources begins with where and which kind, so that a change that the stream tells finds what it made
 * stale: `list` and `item` of that kind. A hand-made page that reads a kind's resources uses these too.
 */
export const keys = {
  catalog: ["catalog"] as const,
  projects: ["me", "projects"] as const,
  permissions: (place: Place): QueryKey => ["me", "permissions", place.scope, place.id],
  /** `params`: whatever else the answer depends on. */
  list: (place: Place, kind: string, ...params: unknown[]): QueryKey => [
    place.scope,
    place.id,
    kind,
    "list",
    ...params,
  ],
  item: (place: Place, kind: string, reference: string, ...part: string[]): QueryKey => [
    place.scope,
    place.id,
    kind,
    "item",
    reference,
    ...part,
  ],
  /** Everything else of a place, by a name of its own; read again with any change there. */
  whole: (place: Place, name: string, ...params: unknown[]): QueryKey => [
    place.scope,
    place.id,
    "whole",
    name,
    ...params,
  ],
};
