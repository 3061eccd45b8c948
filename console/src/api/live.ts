/**
 * The stream of changes of the place that is open (contract: server-sent events, resumable by cursor). A change makes the
 * answers stale that it is about, and what is on the screen is read again: in well under a second, and at most thrice a second.
 */

import { useEffect, useSyncExternalStore } from "react";

import { apiFetch } from "./call";
import { EventParser, type ServerEvent } from "./events";
import type { Place } from "./place";
import { keys, queries } from "./queries";

/** A change of a resource or a job, as the stream tells it. */
export interface Change {
  entity: "resource" | "job";
  id: string;
  kind: string;
  name?: string;
  status?: string;
  state?: string;
  workflow?: string;
  step?: string;
  resource_id?: string;
  job_id?: string | null;
  revision: number;
  at: string;
  deleted?: boolean;
}

const GATHER_MS = 120;
const PAUSE_MS = 350;
const LONGEST_WAIT_MS = 60_000;

let open = false;
const watchers = new Set<() => void>();
const listeners = new Set<(change: Change) => void>();

export const live = {
  get: (): boolean => open,
  subscribe: (watcher: () => void): (() => void) => {
    watchers.add(watcher);
    return () => watchers.delete(watcher);
  },
};

/** Whether changes are told as they happen. */
export const useIsLive = (): boolean => useSyncExternalStore(live.subscribe, live.get);

/** Be told each change of the open place, for what reading again does not do: a job's steps, a flash. */
export function useChanges(listener: (change: Change) => void): void {
  useEffect(() => {
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  }, [listener]);
}

/** Follow the place's stream for as long as the page is there. Called once, by the shell. */
export function useLiveUpdates(place: Place): void {
  useEffect(() => {
    if (place.scope === "organization") return undefined; // organizations have no stream; they are read again
    const ending = new AbortController();
    const stale = new Stale(place);
    void follow(streamPath(place), ending.signal, (event) => take(event, place, stale));
    return () => {
      ending.abort();
      stale.end();
      tell(false);
    };
  }, [place.scope, place.id]); // eslint-disable-line react-hooks/exhaustive-deps -- a place is its scope and id
}

function streamPath(place: Place): string {
  return place.scope === "project" ? `/api/tenant/v1/projects/${place.id}/events` : "/api/ops/v1/events";
}

/** Read the stream, for ever: whatever ends it, go on behind the last cursor, after a pause that grows. */
async function follow(path: string, signal: AbortSignal, onEvent: (event: ServerEvent) => void): Promise<void> {
  let cursor: string | null = null;
  for (let failures = 0; ; failures++) {
    try {
      const query: string = cursor ? `?cursor=${encodeURIComponent(cursor)}` : "";
      const request = new Request(path + query, { headers: { Accept: "text/event-stream" }, signal });
      for await (const event of eventsOf(await apiFetch(request))) {
        failures = 0;
        tell(true);
        cursor = event.id ?? cursor;
        onEvent(event);
      }
    } catch {
      // Refused, or cut off: it is tried again, and until then pages read by themselves.
    }
    if (signal.aborted) return;
    tell(false);
    await pause(Math.min(LONGEST_WAIT_MS, 500 * 2 ** failures), signal);
  }
}

async function* eventsOf(response: Response): AsyncGenerator<ServerEvent> {
  if (!response.body) return;
  const parser = new EventParser();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) yield* parser.push(piece.value);
}

function take(event: ServerEvent, place: Place, stale: Stale): void {
  if (event.event === "reset") {
    void queries.invalidateQueries({ queryKey: [place.scope, place.id] });
    return;
  }
  if (event.event !== "resource" && event.event !== "job") return;
  const change = JSON.parse(event.data) as Change;
  stale.add(change);
  for (const listener of listeners) listener(change);
}

/** Gathers changes for a moment, and then makes the answers stale that they are about. */
class Stale {
  private readonly kinds = new Set<string>();
  private readonly items = new Map<string, string>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private last = 0;

  constructor(private readonly place: Place) {}

  add(change: Change): void {
    this.kinds.add(change.kind);
    this.items.set(change.id, change.kind);
    this.timer ??= setTimeout(() => this.flush(), Math.max(GATHER_MS, this.last + PAUSE_MS - Date.now()));
  }

  end(): void {
    clearTimeout(this.timer);
  }

  private flush(): void {
    for (const kind of this.kinds) void queries.invalidateQueries({ queryKey: keys.list(this.place, kind) });
    for (const [id, kind] of this.items) void queries.invalidateQueries({ queryKey: keys.item(this.place, kind, id) });
    void queries.invalidateQueries({ queryKey: [this.place.scope, this.place.id, "whole"] });
    this.kinds.clear();
    this.items.clear();
    this.timer = undefined;
    this.last = Date.now();
  }
}

function tell(next: boolean): void {
  if (open === next) return;
  open = next;
  for (const watcher of watchers) watcher();
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
