import { expect, test } from "vitest";

import { ago, amount, duration } from "./words";

test("amounts go up a unit where nothing is lost", () => {
  expect(amount(2048, "MiB")).toBe("2 GiB");
  expect(amount(1500, "MiB")).toBe("1,500 MiB");
  expect(amount(1_500_000_000, "bytes")).toBe("1.4 GiB");
  expect(amount(1442, null)).toBe("1,442");
});

test("times and durations", () => {
  const now = Date.parse("2026-11-26T08:00:00Z");
  expect(ago("2026-11-26T07:57:00Z", now)).toBe("3 minutes ago");
  expect(ago("2026-11-26T07:59:50Z", now)).toBe("just now");
  expect(duration(0.424)).toBe("0.42 s");
  expect(duration(185)).toBe("3 min 5 s");
});
