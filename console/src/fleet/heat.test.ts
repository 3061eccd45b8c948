import { expect, it, test } from "vitest";

import { concernsOf } from "./concerns";
import { host } from "./example";
import { byCluster, cellText, levelOf, percentOf, stateOf, stepFrom, totalOf } from "./heat";

const FULL = { claimed: 16, total: 16 };
const capacity = (vcpus: { claimed: number; total: number }) => ({ ...host("any").capacity, vcpus });

test.each([
  [host("a"), "healthy"],
  [host("a", { open: false }), "closed"],
  [host("a", { facts: { reachable: false } }), "unreachable"],
  [host("a", { open: false, silent_seconds: 91 }), "silent"],
  [host("a", { silent_seconds: null }), "silent"],
])("the worst of a host is its state: %#", (seen, state) => {
  expect(stateOf(seen)).toBe(state);
});

it("a cell says in words what its colour says", () => {
  expect(cellText(host("host-3", { capacity: capacity({ claimed: 10, total: 16 }) }), "vcpus")).toBe(
    "host-3: 63 % of vCPUs claimed, healthy",
  );
  expect(cellText(host("host-3", { open: false }), "disk_gib")).toBe(
    "host-3: 50 % of disk claimed, closed to new machines",
  );
  expect(cellText(host("host-3", { capacity: capacity({ claimed: 0, total: 0 }) }), "vcpus")).toBe(
    "host-3: has nothing of vCPUs, healthy",
  );
  expect(cellText(host("host-3", { silent_seconds: 200 }), "health")).toBe("host-3: not heard of");
});

it("only what is full reads as full", () => {
  expect([0, 0.249, 0.25, 0.749, 0.9, 1].map(levelOf)).toEqual([0, 1, 1, 3, 4, 4]);
  expect([percentOf(0.999), percentOf(1)]).toEqual([99, 100]);
});

it("hosts stand by cluster, and as people count", () => {
  const hosts = [host("host-10"), host("host-2"), host("far", { cluster_id: "clu_2" })];
  expect(byCluster(hosts).map(({ id, hosts: own }) => [id, own.map((each) => each.host_name)])).toEqual([
    ["clu_1", ["host-2", "host-10"]],
    ["clu_2", ["far"]],
  ]);
  expect(totalOf(hosts, "vcpus")).toEqual({ claimed: 24, total: 48 });
});

test.each([
  [0, "ArrowRight", 1],
  [0, "ArrowLeft", null],
  [1, "ArrowDown", 5],
  [5, "ArrowUp", 1],
  [5, "ArrowDown", null],
  [5, "Home", 0],
  [0, "End", 6],
  [0, "x", null],
])("from cell %i, %s leads to %s", (at, key, to) => {
  expect(stepFrom(at, key, 7, 4)).toBe(to);
});

it("concerns are the silent, the full and the closed, and nothing else", () => {
  const agents = [
    { id: "agt_1", name: "fine", alive: true, last_seen: "2026-01-01T00:00:00Z" },
    { id: "agt_2", name: "lost", alive: false, last_seen: null },
  ];
  expect(concernsOf([host("fine")], agents.slice(0, 1), String)).toEqual([]);
  const hosts = [
    host("full", { capacity: capacity(FULL) }),
    host("shut", { open: false, cluster_id: "clu_2" }),
    host("mute", { silent_seconds: 100, cluster_id: "clu_3" }),
  ];
  expect(concernsOf(hosts, agents, (id) => `hall ${id.slice(-1)}`).map(({ name, text }) => `${name}: ${text}`)).toEqual(
    [
      "lost: The agent was never heard of",
      "mute: Is not heard of",
      "hall 1: vCPUs: 100 % is claimed",
      "hall 2: No host takes new machines",
      "shut: Is closed to new machines",
    ],
  );
});
