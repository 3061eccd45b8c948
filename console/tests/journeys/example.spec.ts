/** A kind that nobody has heard of gets its pages from its description alone. */

import type { Page, Route } from "@playwright/test";

import { enter, expect, expectAccessible, test } from "./house";

const GADGET = {
  name: "gadget",
  plural: "gadgets",
  title: "Gadget",
  title_plural: "Gadgets",
  summary: "Something that is only declared.",
  service: "workshop",
  namespace: "tenant",
  scope: "project",
  collection: "/projects/{project_id}/gadgets",
  prefix: "gad",
  columns: [{ path: "spec.power.watts", title: "Power", unit: "W" }],
  actions: [{ verb: "polish", summary: "Polish it." }],
  permissions: Object.fromEntries(
    ["list", "read", "create", "update", "delete", "polish"].map((verb) => [verb, `workshop.gadget.${verb}`]),
  ),
  create: {
    type: "object",
    required: ["source"],
    $defs: {
      Battery: {
        type: "object",
        title: "Battery",
        required: ["kind", "cells"],
        properties: { kind: { const: "battery" }, cells: { type: "integer", minimum: 1, title: "Cells" } },
      },
      Mains: {
        type: "object",
        title: "Mains",
        required: ["kind"],
        properties: { kind: { const: "mains" }, plug: { enum: ["f", "g"], default: "f", title: "Plug" } },
      },
    },
    properties: {
      source: {
        title: "Source",
        oneOf: [{ $ref: "#/$defs/Battery" }, { $ref: "#/$defs/Mains" }],
        discriminator: { propertyName: "kind" },
      },
      network: { anyOf: [{ type: "string", "x-kind": "network" }, { type: "null" }], default: null, title: "Network" },
      notes: { type: "object", additionalProperties: { type: "string" }, default: {}, title: "Notes" },
      loud: { type: "boolean", default: false, title: "Loud" },
    },
  },
  update: null,
  spec: {
    type: "object",
    properties: {
      power: { type: "object", title: "Power", properties: { watts: { type: "integer", title: "Watts" } } },
      network: { type: "string", title: "Network", "x-kind": "network" },
    },
  },
  observed: { type: "object", properties: { temperature: { type: "number", title: "Temperature" } } },
};

const shared = {
  status: "active",
  wanted: "present",
  labels: {},
  provider_reference: null,
  generation: 1,
  observed_generation: 1,
  revision: 1,
  job: null,
};

/** An installation that has the kind: what the platform of a newer version would answer. */
async function declare(page: Page, network: string): Promise<unknown[]> {
  const asked: unknown[] = [];
  const made = {
    ...shared,
    id: "gad_1",
    kind: "gadget",
    name: "lamp",
    organization_id: null,
    project_id: null,
    created_at: new Date().toISOString(),
    updated_at: new Date().toISOString(),
    spec: { power: { watts: 1500 }, network },
    observed: { temperature: 21.5 },
  };
  await page.route("**/api/common/v1/kinds", async (route) => {
    const answer = (await (await route.fetch()).json()) as { kinds: unknown[] };
    await route.fulfill({ json: { kinds: [...answer.kinds, GADGET] } });
  });
  await page.route("**/me/permissions*", async (route) => {
    const answer = (await (await route.fetch()).json()) as { permissions: string[] };
    await route.fulfill({ json: { permissions: [...answer.permissions, ...Object.values(GADGET.permissions)] } });
  });
  await page.route(/\/gadgets(\/|\?|$)/, async (route: Route) => {
    const request = route.request();
    if (request.resourceType() === "document") return route.continue();
    if (request.method() !== "GET")
      asked.push(request.postDataJSON() ?? new URL(request.url()).pathname.split("/").pop());
    const isOne = new URL(request.url()).pathname.endsWith("/gadgets") && request.method() === "GET";
    return route.fulfill({ json: isOne ? { items: [made], next: null } : made });
  });
  return asked;
}

test("table, detail, form and verbs come from the declaration", async ({ page, api, project }) => {
  const network = await api.post(`${project.path}/networks`, { name: "lan", spec: {} });
  const asked = await declare(page, network.id);
  await enter(page, project.address);
  await page.getByRole("link", { name: "Gadgets" }).click();
  await expect(page.getByText("Something that is only declared.")).toBeVisible();
  await expect(page.getByRole("gridcell", { name: "1,500 W" })).toBeVisible();
  await expectAccessible(page);

  await page.getByRole("link", { name: "lamp" }).click();
  await expect(page.getByRole("heading", { name: "lamp", exact: true })).toBeVisible();
  await expect(page.getByText("21.5")).toBeVisible();
  await expect(page.getByRole("link", { name: "lan", exact: true })).toBeVisible(); // a reference, called by its name
  await page.getByRole("button", { name: "Actions" }).click();
  await page.getByRole("menuitem", { name: "Polish" }).click();
  await expect(page.getByText("Polish gadget lamp: done.")).toBeVisible();

  await page.getByRole("link", { name: "Gadgets" }).first().click();
  await page.getByRole("link", { name: "Create gadget" }).click();
  await page.getByRole("textbox", { name: "Name", exact: true }).fill("lamp");
  await page.getByRole("button", { name: "Which" }).click();
  await page.getByRole("option", { name: "Mains" }).click();
  await page.getByRole("button", { name: "Plug" }).click();
  await page.getByRole("option", { name: "G", exact: true }).click();
  await page.getByRole("button", { name: "Add entry" }).click();
  await page.getByLabel("Key of entry 1").fill("made in");
  await page.getByLabel("Value of entry 1").fill("1926");
  await expectAccessible(page);
  await page.getByRole("button", { name: "Create gadget" }).click();
  await expect
    .poll(() => asked)
    .toEqual([
      "polish",
      { name: "lamp", spec: { source: { kind: "mains", plug: "g" }, notes: { "made in": "1926" } } },
    ]);
});
