/** What a quota's dimensions are called, and how their amounts read. */

import { amount } from "../parts/words";

const TITLES: Record<string, string> = {
  vms: "Virtual machines",
  vcpus: "vCPUs",
  memory_mib: "Memory",
  volumes: "Volumes",
  volume_gib: "Volume space",
  disk_gib: "Disk",
  images: "Images",
  networks: "Networks",
  security_groups: "Security groups",
  ports: "Ports",
  ssh_keys: "SSH keys",
  secrets: "Secrets",
};
/** In which order they are looked for. */
const ORDER = Object.keys(TITLES);

export function titleOfDimension(name: string): string {
  const words = name.replaceAll("_", " ");
  return TITLES[name] ?? words.charAt(0).toUpperCase() + words.slice(1);
}

/** In what it is counted; null for things. */
export function unitOfDimension(name: string): string | null {
  return name.endsWith("_mib") ? "MiB" : name.endsWith("_gib") ? "GiB" : null;
}

/** "2 GiB" of what ends in `_mib`, "33" of what is counted. */
export function amountOf(name: string, value: number): string {
  return amount(value, unitOfDimension(name));
}

export interface Use {
  used: number;
  limit: number | null;
}

/** From 0; null without a limit. Of a limit of nothing, everything is used. */
export function shareOf({ used, limit }: Use): number | null {
  if (limit === null) return null;
  return limit === 0 ? 1 : used / limit;
}

/** The dimensions in their usual order; those that we have no name for stand last. */
export function inOrder<T>(dimensions: Record<string, T>): [string, T][] {
  const rank = (name: string) => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);
  return Object.entries(dimensions).sort(([one], [other]) => rank(one) - rank(other) || one.localeCompare(other));
}
