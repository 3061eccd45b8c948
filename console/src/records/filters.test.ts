import { expect, it } from "vitest";

import { MOMENTS, filter, filtersIn, readToken, tokensOf } from "./filters";

const filters = [filter("state", "State", ["FAILED"]), ...MOMENTS];

it("the address says the filter; what it leaves out is preset, and an empty value takes the preset away", () => {
  expect(filtersIn(new URLSearchParams("state=FAILED&other=1"), filters, {})).toEqual({ state: "FAILED" });
  expect(filtersIn(new URLSearchParams(""), filters, { state: "FAILED" })).toEqual({ state: "FAILED" });
  expect(filtersIn(new URLSearchParams("state="), filters, { state: "FAILED" })).toEqual({});
});

it("tokens and parameters say the same", () => {
  const said = { state: "FAILED", created_after: "2026-11-26T00:00:00Z" };
  const tokens = tokensOf(said, filters);
  expect(tokens.map(({ propertyKey, operator }) => [propertyKey, operator])).toEqual([
    ["state", "="],
    ["created", ">="],
  ]);
  expect(Object.fromEntries(tokens.flatMap((token) => readToken(token, filters)))).toEqual(said);
});

it("a day means its beginning", () => {
  const token = { propertyKey: "created", operator: "<", value: "2026-11-26" };
  expect(readToken(token, filters)).toEqual([["created_before", "2026-11-26T00:00:00Z"]]);
});
