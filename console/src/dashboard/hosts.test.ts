import { expect, test } from "vitest";

import { type HostHealth, troubleOf } from "./hosts";

const host = (silent: number | null, facts: HostHealth["facts"] = { reachable: true }): HostHealth => ({
  host_id: "hst_1",
  host_name: "host-1",
  cluster_id: null,
  seen_at: null,
  silent_seconds: silent,
  facts,
  agent: null,
});

test.each([
  [host(3), null],
  [host(3, null), null],
  [host(91), "Is not heard of"],
  [host(null, null), "Was never heard of: does its agent run?"],
  [host(3, { reachable: false, reason: "libvirt does not answer" }), "libvirt does not answer"],
  [host(3, { reachable: false, reason: "" }), "Its agent cannot reach it"],
])("what is wrong with a host is told from what was heard of it: %#", (heard, trouble) => {
  expect(troubleOf(heard)).toBe(trouble);
});
