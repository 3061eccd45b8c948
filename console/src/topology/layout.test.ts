import { describe, expect, it } from "vitest";

import { type Topology, pictureOf, spread, withoutDetours } from "./layout";

const node = (id: string, kind: string) => ({ id, kind, name: id, status: "active" });
const link = (from: string, to: string, role = "") => ({ from, to, role });

const lan: Topology = {
  nodes: [
    node("vm-1", "vm"),
    node("net", "network"),
    node("sub", "subnet"),
    node("port", "port"),
    node("alone", "zebra"),
  ],
  links: [link("sub", "net"), link("port", "net"), link("port", "sub"), link("vm-1", "port")],
  truncated: false,
};

it("kinds stand in columns, from networks on, unknown ones last", () => {
  const picture = pictureOf(lan);
  expect(picture.columns.map(({ kind }) => kind)).toEqual(["network", "subnet", "port", "vm", "zebra"]);
  expect(picture.columns.map(({ x }) => x)).toEqual([0, 196, 392, 588, 784]);
});

it("a port's network is left out where its subnet says it", () => {
  expect(withoutDetours(lan.links)).not.toContainEqual(link("port", "net"));
  expect(withoutDetours([link("port", "net")])).toHaveLength(1);
});

describe("a project of three hundred", () => {
  const count = 100;
  const many: Topology = {
    nodes: [
      node("net", "network"),
      ...Array.from({ length: count }, (_, index) => node(`port-${index}`, "port")),
      ...Array.from({ length: count }, (_, index) => node(`vm-${index}`, "vm")),
      ...Array.from({ length: count }, (_, index) => node(`vol-${index}`, "volume")),
    ],
    links: Array.from({ length: count }, (_, index) => [
      link(`port-${index}`, "net"),
      link(`vm-${index}`, `port-${(index * 7) % count}`),
      link(`vm-${index}`, `vol-${(index * 3) % count}`),
    ]).flat(),
    truncated: false,
  };
  const { nodes } = pictureOf(many);
  const at = new Map(nodes.map(({ node: { id }, x, y }) => [id, { x, y }]));

  it("is without two at one place", () => {
    for (const x of new Set(nodes.map((placed) => placed.x))) {
      const rows = nodes
        .filter((placed) => placed.x === x)
        .map(({ y }) => y)
        .sort((one, other) => one - other);
      expect(rows.every((y, index) => index === 0 || y - (rows[index - 1] ?? 0) > 37.9)).toBe(true);
    }
  });

  it("has machines beside what they use", () => {
    const apart = Array.from({ length: count }, (_, index) =>
      Math.abs((at.get(`vm-${index}`)?.y ?? 0) - (at.get(`port-${(index * 7) % count}`)?.y ?? 0)),
    );
    expect(apart.reduce((sum, each) => sum + each, 0) / count).toBeLessThan(2 * 38);
  });
});

it("what crowds is spread around where it wants to be", () => {
  expect(spread([0, 5])).toEqual([0, 5]);
  expect(spread([5, 5, 5])).toEqual([4, 5, 6]);
  expect(spread([])).toEqual([]);
});
