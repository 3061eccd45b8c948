/** What the fleet's pages read. Silence and claims come about without any change of a host, so they are asked for again. */

import { useQuery } from "@tanstack/react-query";

import { call } from "../api/call";
import { answer, ops } from "../api/client";
import { PLATFORM } from "../api/place";
import { keys } from "../api/queries";
import type { HostHealth } from "./health";

const AGAIN_MS = 10_000;
const PAGE = 200;
/** More hosts than that are not drawn. */
export const MOST = 2000;

interface Pages<Item> {
  items: Item[];
  next: string | null;
}

export interface Fleet {
  hosts: HostHealth[];
  /** There are more than these. */
  truncated: boolean;
}

export function useFleet() {
  return useQuery({
    queryKey: keys.list(PLATFORM, "host", "health"),
    queryFn: ({ signal }) => wholeFleet(signal),
    refetchInterval: AGAIN_MS,
  });
}

async function wholeFleet(signal: AbortSignal): Promise<Fleet> {
  const hosts: HostHealth[] = [];
  let cursor: string | undefined;
  do {
    const query = { limit: PAGE, cursor };
    const page: Pages<HostHealth> = await call("/api/ops/v1/hosts-health", { query, signal });
    hosts.push(...page.items);
    cursor = page.next ?? undefined;
  } while (cursor && hosts.length < MOST);
  return { hosts, truncated: cursor !== undefined };
}

/** By the host's name, which is unique. */
export function useHostHealth(name: string) {
  return useQuery({
    queryKey: keys.whole(PLATFORM, "host-health", name),
    queryFn: async () => (await answer(ops.GET("/hosts-health", { params: { query: { name } } }))).items[0] ?? null,
    refetchInterval: AGAIN_MS,
  });
}

/** Names by id. */
export function useClusterNames() {
  return useQuery({
    queryKey: keys.list(PLATFORM, "cluster", "names"),
    queryFn: async ({ signal }) => {
      const query = { limit: PAGE };
      const page: Pages<{ id: string; name: string }> = await call("/api/ops/v1/clusters", { query, signal });
      return new Map(page.items.map(({ id, name }) => [id, name]));
    },
  });
}

/** All agents, those too that serve no host now or never came. */
export function useAgents(enabled: boolean) {
  return useQuery({
    queryKey: keys.list(PLATFORM, "agent", "health"),
    queryFn: async () => (await answer(ops.GET("/system"))).processes.filter(({ kind }) => kind === "agent"),
    refetchInterval: AGAIN_MS,
    enabled,
  });
}
