import { expect, test } from "vitest";

import { type View, filterQuery, listQuery, searchOf, tokenOf, viewOf } from "./filters";

const VIEW: View = {
  tokens: [
    { property: "name", operator: "^", value: "web" },
    { property: "status", operator: "=", value: "error" },
    { property: "created", operator: ">=", value: "2026-11-01T00:00:00Z" },
    { property: "label", operator: "=", value: "env=prod" },
    { property: "label", operator: "!=", value: "tier=db" },
    { property: "label", operator: "!=", value: "old" },
    { property: "label", operator: "=", value: "zone in (a,b)" },
  ],
  sort: "name",
  cursor: "vol_1",
};

test("a view is the API's own parameters", () => {
  expect(listQuery(VIEW, 50)).toEqual({
    name_prefix: "web",
    status: "error",
    created_after: "2026-11-01T00:00:00Z",
    label: "env=prod,tier!=db,!old,zone in (a,b)",
    sort: "name",
    limit: 50,
    cursor: "vol_1",
  });
});

test("what stands in the address is read again as it was", () => {
  expect(viewOf(searchOf(VIEW))).toEqual(VIEW);
});

test("what nobody chose is not in the address", () => {
  const plain = viewOf(new URLSearchParams());
  expect(plain).toEqual({ tokens: [], sort: "-created_at", cursor: "" });
  expect(searchOf(plain).toString()).toBe("");
});

test("an order that there is not is not asked for", () => {
  expect(viewOf(new URLSearchParams("sort=size")).sort).toBe("-created_at");
});

test("what is said twice holds as it was said last", () => {
  const name = (value: string) => ({ property: "name", operator: "=", value });
  expect(filterQuery([name("a"), name("b")])).toEqual({ name: "b" });
});

test("free text is the beginning of a name, or a label", () => {
  expect(tokenOf("web")).toEqual({ property: "name", operator: "^", value: "web" });
  expect(tokenOf("env=prod")).toEqual({ property: "label", operator: "=", value: "env=prod" });
  expect(tokenOf("env!=prod")).toEqual({ property: "label", operator: "!=", value: "env=prod" });
});
