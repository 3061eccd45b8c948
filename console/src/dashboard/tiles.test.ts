import { expect, it } from "vitest";

import type { Summary } from "./summary";
import { tilesOf } from "./Tiles";

const summary: Summary = {
  kinds: [
    { kind: "vm", total: 3, statuses: { active: 2, error: 1 } },
    { kind: "volume", total: 2, statuses: { error: 2 } },
  ],
  vms: { running: 2, stopped: 1, other: 0 },
  jobs: { PENDING: 1, RUNNING: 2, RETRYING: 0, failed_last_day: 0 },
  drift_open: 0,
};

it("the figures are of all kinds together", () => {
  expect(tilesOf(summary, "/p").map(({ title, figure, mood }) => [title, figure, mood])).toEqual([
    ["Machines running", 2, "good"],
    ["In error", 3, "bad"],
    ["Jobs going on", 3, "busy"],
    ["Jobs failed", 0, "calm"],
    ["Drift", 0, "calm"],
  ]);
});

it("what may not be read has no tile", () => {
  expect(tilesOf({ kinds: [], vms: null, jobs: null, drift_open: null }, "/p").map(({ title }) => title)).toEqual([
    "In error",
  ]);
});
