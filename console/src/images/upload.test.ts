import { expect, it } from "vitest";

import { nameOf } from "./upload";

it("a file's name becomes one that the API takes", () => {
  expect(nameOf("Debian 12 (x86).qcow2")).toBe("debian-12-x86");
  expect(nameOf("tiny.raw")).toBe("tiny");
  expect(nameOf(`${"a".repeat(80)}.img`)).toHaveLength(63);
});
