import { expect, test } from "vitest";

import { host } from "./example";
import { type HostHealth, troubleOf } from "./health";

const heard = (silent: number | null, facts: HostHealth["facts"] = { reachable: true }): HostHealth =>
  host("host-1", { silent_seconds: silent, facts });

test.each([
  [heard(3), null],
  [heard(3, null), null],
  [heard(91), "Is not heard of"],
  [heard(null, null), "Was never heard of: does its agent run?"],
  [heard(3, { reachable: false, reason: "libvirt does not answer" }), "libvirt does not answer"],
  [heard(3, { reachable: false, reason: "" }), "Its agent cannot reach it"],
])("what is wrong with a host is told from what was heard of it: %#", (seen, trouble) => {
  expect(troubleOf(seen)).toBe(trouble);
});
