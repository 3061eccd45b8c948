import { describe, expect, it } from "vitest";

import type { Span } from "./job";
import { barOf, rowsOf, ticksOf, time } from "./waterfall";

const span = (name: string, start_ms: number, duration_ms: number, children: Span[] = []): Span => ({
  span_id: "",
  name,
  service: "worker",
  start_ms,
  duration_ms,
  status: "ok",
  error: null,
  attributes: {},
  children,
});

const tree = [span("job", 0, 100, [span("create", 10, 80, [span("ensure vm", 20, 5)]), span("done", 100, 0)])];

describe("the rows of a waterfall", () => {
  it("are all spans, in order, with their levels", () => {
    expect(rowsOf(tree, new Set()).map((row) => [row.span.name, row.level, row.key])).toEqual([
      ["job", 1, "/0"],
      ["create", 2, "/0/0"],
      ["ensure vm", 3, "/0/0/0"],
      ["done", 2, "/0/1"],
    ]);
  });

  it("are without those below one that is closed", () => {
    expect(rowsOf(tree, new Set(["/0/0"])).map((row) => row.span.name)).toEqual(["job", "create", "done"]);
  });
});

describe("a bar", () => {
  it("stands where its span was", () => {
    expect(barOf(span("create", 10, 80), 100)).toEqual({ left: 10, width: 80 });
  });

  it("is seen however short, and stays within", () => {
    expect(barOf(span("done", 100, 0), 100)).toEqual({ left: 99.5, width: 0.5 });
    expect(barOf(span("nothing", 0, 0), 0)).toEqual({ left: 0, width: 100 });
  });
});

it("the scale has round numbers", () => {
  expect(ticksOf(209)).toEqual([0, 50, 100, 150, 200]);
  expect(ticksOf(0)).toEqual([0]);
  expect([time(0.3), time(209.4), time(1250), time(90_000)]).toEqual(["0.3 ms", "209 ms", "1.25 s", "1.5 min"]);
});
