import { describe, expect, it } from "vitest";

import { BEGINNING, type Draft, lacking, requestOf, stepOf } from "./draft";

const draft: Draft = { ...BEGINNING, name: "web", image: "img_1" };

describe("the request", () => {
  it("of one machine from an image leaves out what was not said", () => {
    expect(requestOf(draft)).toEqual({
      name: "web",
      labels: {},
      spec: {
        vcpus: 1,
        memory_mib: 1024,
        root_volume: { image: "img_1", size_gib: 10 },
        volumes: [],
        nics: [],
        ssh_keys: [],
      },
    });
  });

  it("of many, with cards and user data, says them", () => {
    const nics = [
      { network: "net_1", securityGroups: ["sg_1"], address: " 10.0.0.9 " },
      { network: undefined, securityGroups: [], address: "" },
    ];
    const request = requestOf({ ...draft, count: 3, nics, userData: "#cloud-config", root: "volume", volume: "vol_1" });
    expect(request.count).toBe(3);
    expect(request.spec.root_volume).toEqual({ volume: "vol_1" });
    expect(request.spec.nics).toEqual([{ network: "net_1", security_groups: ["sg_1"], address: "10.0.0.9" }]);
    expect(request.spec.user_data).toBe("#cloud-config");
  });
});

it("a refusal is told at the step of its field", () => {
  expect(
    ["/name", "/spec/root_volume/image", "/spec/root_volume/size_gib", "/spec/nics/0/address", "/spec/hostname"].map(
      stepOf,
    ),
  ).toEqual(["image", "image", "disks", "network", "access"]);
  expect(stepOf("/query/x")).toBe("review");
});

it("a step says what it lacks", () => {
  expect([...lacking(BEGINNING, "image").keys()]).toEqual(["/name", "/spec/root_volume/image"]);
  expect([...lacking({ ...draft, vcpus: 1.5, memoryMib: 32 }, "size").keys()]).toEqual([
    "/spec/vcpus",
    "/spec/memory_mib",
  ]);
  expect(lacking(draft, "image").size + lacking(draft, "disks").size).toBe(0);
});
