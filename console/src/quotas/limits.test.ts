import { expect, it } from "vitest";

import { ownLimits, requestFor } from "./limits";

const own = { vms: 5, vcpus: null };

it("a limit is changed alone, and follows the default by being left out", () => {
  expect(requestFor("vms", "amount", "12", own)).toEqual({ method: "PATCH", body: { vms: 12 } });
  expect(requestFor("vms", "none", "", own)).toEqual({ method: "PATCH", body: { vms: null } });
  expect(requestFor("vms", "default", "", own)).toEqual({ method: "PUT", body: { vcpus: null } });
});

it("own limits are those that were set, no limit among them", () => {
  const dimensions = {
    vms: { used: 1, limit: 5, own: true },
    vcpus: { used: 1, limit: null, own: true },
    ports: { used: 0, limit: 9, own: false },
  };
  expect(ownLimits({ organization_id: "org_1", project_id: null, dimensions })).toEqual(own);
});
