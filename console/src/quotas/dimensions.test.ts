import { expect, it } from "vitest";

import { amountOf, inOrder, shareOf, titleOfDimension } from "./dimensions";

it("dimensions have titles and units, those too that nobody named", () => {
  expect(titleOfDimension("memory_mib")).toBe("Memory");
  expect(titleOfDimension("floating_addresses")).toBe("Floating addresses");
  expect(amountOf("memory_mib", 6144)).toBe("6 GiB");
  expect(amountOf("vms", 1500)).toBe("1,500");
});

it("a share is of the limit, if there is one", () => {
  expect(shareOf({ used: 5, limit: 20 })).toBe(0.25);
  expect(shareOf({ used: 5, limit: null })).toBeNull();
  expect(shareOf({ used: 0, limit: 0 })).toBe(1);
});

it("machines stand first, what is new last", () => {
  expect(inOrder({ zebras: 1, volumes: 2, vms: 3 }).map(([name]) => name)).toEqual(["vms", "volumes", "zebras"]);
});
