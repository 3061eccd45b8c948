/** What the wizard holds of a machine to be, the request that it is, and at which step each of its fields stands. */

import type { components } from "../api/tenant";

export type CreateVm = components["schemas"]["CreateVm"];

export interface NicDraft {
  network: string | undefined;
  securityGroups: string[];
  address: string;
}

export interface Draft {
  name: string;
  count: number;
  labels: Record<string, string>;
  /** Boots from a copy of an image, or from a volume that is there. */
  root: "image" | "volume";
  image: string | undefined;
  volume: string | undefined;
  vcpus: number;
  memoryMib: number;
  rootGib: number;
  volumes: string[];
  nics: NicDraft[];
  sshKeys: string[];
  userData: string;
  hostname: string;
}

export const EMPTY_NIC: NicDraft = { network: undefined, securityGroups: [], address: "" };

export const BEGINNING: Draft = {
  name: "",
  count: 1,
  labels: {},
  root: "image",
  image: undefined,
  volume: undefined,
  vcpus: 1,
  memoryMib: 1024,
  rootGib: 10,
  volumes: [],
  nics: [EMPTY_NIC],
  sshKeys: [],
  userData: "",
  hostname: "",
};

/** The request. A card without a network is none. */
export function requestOf(draft: Draft): CreateVm {
  const nics = draft.nics.filter(({ network }) => network !== undefined);
  return {
    name: draft.name,
    ...(draft.count > 1 ? { count: draft.count } : {}),
    labels: draft.labels,
    spec: {
      vcpus: draft.vcpus,
      memory_mib: draft.memoryMib,
      root_volume:
        draft.root === "image"
          ? { image: draft.image ?? null, size_gib: draft.rootGib }
          : { volume: draft.volume ?? null },
      volumes: draft.volumes,
      nics: nics.map(({ network, securityGroups, address }) => ({
        network: network ?? null,
        security_groups: securityGroups,
        ...(address.trim() ? { address: address.trim() } : {}),
      })),
      ssh_keys: draft.sshKeys,
      ...(draft.userData ? { user_data: draft.userData } : {}),
      ...(draft.hostname ? { hostname: draft.hostname } : {}),
    },
  };
}

export const STEPS = ["image", "size", "disks", "network", "access", "review"] as const;
export type Step = (typeof STEPS)[number];

const PLACES: [RegExp, Step][] = [
  [/^\/(name|count|labels)/, "image"],
  [/^\/spec\/root_volume\/size_gib/, "disks"],
  [/^\/spec\/root_volume/, "image"],
  [/^\/spec\/(vcpus|memory_mib)/, "size"],
  [/^\/spec\/volumes/, "disks"],
  [/^\/spec\/nics/, "network"],
  [/^\/spec\/(ssh_keys|user_data|hostname)/, "access"],
];

/** The step at which the field is that a problem's pointer names; the review for what is nowhere. */
export function stepOf(pointer: string): Step {
  return PLACES.find(([pattern]) => pattern.test(pointer))?.[1] ?? "review";
}

/** What is missing at a step, by pointer, before anybody is asked. */
export function lacking(draft: Draft, step: Step): Map<string, string> {
  const found = new Map<string, string>();
  const check = (isGood: boolean, pointer: string, sentence: string) => {
    if (!isGood) found.set(pointer, sentence);
  };
  if (step === "image") {
    check(draft.name !== "", "/name", "A name is needed.");
    check(isWhole(draft.count, 1, 1000), "/count", "Between 1 and 1,000 can be made at once.");
    if (draft.root === "image") check(draft.image !== undefined, "/spec/root_volume/image", "Choose an image.");
    else check(draft.volume !== undefined, "/spec/root_volume/volume", "Choose a volume.");
  }
  if (step === "size") {
    check(isWhole(draft.vcpus, 1), "/spec/vcpus", "A whole number, at least 1.");
    check(isWhole(draft.memoryMib, 64), "/spec/memory_mib", "A whole number of MiB, at least 64.");
  }
  if (step === "disks" && draft.root === "image") {
    check(isWhole(draft.rootGib, 1), "/spec/root_volume/size_gib", "A whole number of GiB, at least 1.");
  }
  return found;
}

function isWhole(value: number, least: number, most = Infinity): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}
