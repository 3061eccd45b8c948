import { describe, expect, it } from "vitest";

import { permissionOptions } from "./permissions";

describe("scopes to choose from", () => {
  it("are each service as a whole, and its permissions", () => {
    const [, compute, jobs] = permissionOptions(["compute.vm.read", "compute.vm.list", "jobs.job.read"]);
    expect(compute?.options.map(({ value }) => value)).toEqual(["compute.*", "compute.vm.read", "compute.vm.list"]);
    expect(jobs?.label).toBe("jobs");
  });
  it("are none while none are known", () => expect(permissionOptions([])).toEqual([]));
});
