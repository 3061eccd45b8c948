import { expect, it } from "vitest";

import { narrowed, unlinked } from "./narrowed";

const node = (id: string, kind: string) => ({ id, kind, name: id, status: "active" });
const lan = {
  nodes: [
    node("lan", "network"),
    node("range", "subnet"),
    node("port", "port"),
    node("web", "vm"),
    node("key", "secret"),
  ],
  links: [
    { from: "range", to: "lan", role: "network" },
    { from: "port", to: "range", role: "subnet" },
    { from: "web", to: "port", role: "nic0" },
  ],
  truncated: false,
};

it("what is looked for is shown with what hangs on it, two links far", () => {
  expect(narrowed(lan, "web", []).nodes.map(({ id }) => id)).toEqual(["range", "port", "web"]);
  expect(narrowed(lan, "", ["port"]).links).toEqual([{ from: "range", to: "lan", role: "network" }]);
});

it("kinds that nothing hangs on tell nothing, unless they are all there is", () => {
  expect(unlinked(lan)).toEqual(["secret"]);
  expect(unlinked({ ...lan, links: [] })).toEqual([]);
});
