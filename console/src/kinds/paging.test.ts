import { expect, test } from "vitest";

import { cursorOf, pagingOf, walked } from "./paging";

test("the way forward is remembered, and leads back", () => {
  const first = walked([""], "", "b");
  expect(pagingOf(first, "", "b")).toEqual({ page: 1, count: 2, open: true });
  const second = walked(first, "b", "c");
  expect(pagingOf(second, "b", "c")).toEqual({ page: 2, count: 3, open: true });
  const last = walked(second, "c", null);
  expect(pagingOf(last, "c", null)).toEqual({ page: 3, count: 3, open: false });
  expect([1, 2, 3].map((page) => cursorOf(last, page))).toEqual(["", "b", "c"]);
});

test("while the next page is read, the pages that are known stay", () => {
  expect(walked(["", "b"], "b", undefined)).toEqual(["", "b"]);
});

test("rows that came or went change what follows", () => {
  expect(walked(["", "b", "c"], "", "b2")).toEqual(["", "b2"]);
});

test("a cursor from a link begins anew: behind the first page there is this one", () => {
  const trail = walked([""], "x", "y");
  expect(trail).toEqual(["", "x", "y"]);
  expect(pagingOf(trail, "x", "y").page).toBe(2);
  expect(cursorOf(trail, 1)).toBe("");
});
