/** The heat map's reading of the fleet: what a cell's colour stands for, and what it says to those who do not see colours. */

import { type HostHealth, isSilent, troubleOf } from "./health";

export type Dimension = keyof HostHealth["capacity"];
export type Measure = Dimension | "health";
export type State = "healthy" | "closed" | "unreachable" | "silent";

/** What cells may be coloured by; `of` follows "62 %". */
export const MEASURES: { id: Measure; title: string; of: string }[] = [
  { id: "vcpus", title: "vCPUs", of: "of vCPUs" },
  { id: "memory_mib", title: "Memory", of: "of memory" },
  { id: "disk_gib", title: "Disk", of: "of disk" },
  { id: "health", title: "Health", of: "" },
];
export const DIMENSIONS: Dimension[] = ["vcpus", "memory_mib", "disk_gib"];

export const STATES: Record<State, { title: string; mark: string }> = {
  healthy: { title: "Healthy", mark: "✓" },
  closed: { title: "Closed to new machines", mark: "–" },
  unreachable: { title: "Its agent cannot reach it", mark: "!" },
  silent: { title: "Not heard of", mark: "×" },
};

/** Where each level begins. From the last on, hardly a machine finds room. */
export const LEVELS = [0, 25, 50, 75, 90];
export const NEARLY_GONE = 0.9;

/** The worst of what holds. */
export function stateOf(host: HostHealth): State {
  if (isSilent(host)) return "silent";
  if (troubleOf(host) !== null) return "unreachable";
  return host.open ? "healthy" : "closed";
}

/** How much is claimed, from 0 to 1; null where there is nothing to be claimed. */
export function shareOf({ claimed, total }: { claimed: number; total: number }): number | null {
  return total > 0 ? claimed / total : null;
}

/** In whole per cent, and 100 only if nothing is left. */
export function percentOf(share: number): number {
  return share >= 1 ? 100 : Math.min(99, Math.round(share * 100));
}

/** From 0 to 4, as the legend has them. */
export function levelOf(share: number): number {
  return LEVELS.filter((from) => percentOf(share) >= from).length - 1;
}

/** "host-3: 62 % of vCPUs claimed, healthy". */
export function cellText(host: HostHealth, measure: Measure): string {
  const state = STATES[stateOf(host)].title.toLowerCase();
  if (measure === "health") return `${host.host_name}: ${state}`;
  const share = shareOf(host.capacity[measure]);
  const of = MEASURES.find(({ id }) => id === measure)?.of ?? "";
  const claimed = share === null ? `has nothing ${of}` : `${percentOf(share)} % ${of} claimed`;
  return `${host.host_name}: ${claimed}, ${state}`;
}

export interface ClusterHosts {
  id: string;
  hosts: HostHealth[];
}

const naturally = new Intl.Collator("en", { numeric: true });

/** The hosts by cluster, host-2 before host-10; clusters in the order in which their first host was made. */
export function byCluster(hosts: HostHealth[]): ClusterHosts[] {
  const groups = new Map<string, HostHealth[]>();
  for (const host of hosts) {
    const id = host.cluster_id ?? "";
    groups.set(id, [...(groups.get(id) ?? []), host]);
  }
  return [...groups].map(([id, all]) => ({
    id,
    hosts: all.sort((one, other) => naturally.compare(one.host_name, other.host_name)),
  }));
}

/** What is claimed, and what there is, of many hosts together. */
export function totalOf(hosts: HostHealth[], dimension: Dimension): { claimed: number; total: number } {
  const sum = (of: "claimed" | "total") => hosts.reduce((before, host) => before + host.capacity[dimension][of], 0);
  return { claimed: sum("claimed"), total: sum("total") };
}

/** The same of all dimensions. */
export function capacityOf(hosts: HostHealth[]): HostHealth["capacity"] {
  return {
    vcpus: totalOf(hosts, "vcpus"),
    memory_mib: totalOf(hosts, "memory_mib"),
    disk_gib: totalOf(hosts, "disk_gib"),
  };
}

/** Where the arrow keys lead from a cell, in rows of `columns`; null for other keys, and where there is nothing. */
export function stepFrom(at: number, key: string, count: number, columns: number): number | null {
  const to = { ArrowLeft: at - 1, ArrowRight: at + 1, ArrowUp: at - columns, ArrowDown: at + columns }[key];
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  return to !== undefined && to >= 0 && to < count ? to : null;
}
