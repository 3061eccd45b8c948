import { expect, test } from "vitest";

import { inDays } from "./expiry";
import { type BuiltInRole, type OwnRole, roleOptions, roleTitle } from "./roles";

const role = (name: string, levels: BuiltInRole["levels"]): BuiltInRole => ({
  name,
  levels,
  summary: "",
  permissions: [],
});
const own: OwnRole = {
  id: "role_1",
  organization_id: "org_1",
  name: "network_reader",
  description: "",
  permissions: ["network.*"],
  created_at: "",
  updated_at: "",
};
const builtIn = [
  role("admin", ["platform"]),
  role("owner", ["organization"]),
  role("viewer", ["organization", "project"]),
];

test("what is offered can be given there, and roles of one's own everywhere", () => {
  expect(roleOptions(builtIn, [own], false).map(({ value }) => value)).toEqual(["owner", "viewer", "network_reader"]);
  expect(roleOptions(builtIn, [own], true).map(({ value }) => value)).toEqual(["viewer", "network_reader"]);
});

test("a role is called as people would", () => {
  expect(roleTitle("project_operator")).toBe("Project operator");
});

test("so many days from now, or for ever", () => {
  expect(inDays("")).toBeNull();
  const days = (Date.parse(inDays("7") ?? "") - Date.now()) / 86_400_000;
  expect(days).toBeCloseTo(7, 3);
});
