/** The fleet: what is claimed of which host, whose machines are there, and what is wrong. */

import { type Api, bootMachine, enter, expect, expectAccessible, ownerOf, test } from "./house";

interface Host {
  id: string;
  name: string;
}

test("an operator picks a host from the heat map, and sees whose machines are on it", async ({
  page,
  api,
  project,
}) => {
  await bootMachine(api, project, "web");
  const { items: hosts } = await api.get<{ items: Host[] }>("/api/ops/v1/hosts");
  const on = await hostOf(api, hosts, project.id);
  await enter(page, "/console/ops");
  await page.getByRole("region", { name: "Hosts" }).getByRole("link", { name: "The fleet" }).click();
  await expect(page.getByRole("heading", { name: /^Fleet/ })).toBeVisible();
  const map = page.getByRole("list", { name: /^Hosts of / });
  await expect(map.getByRole("link")).toHaveCount(hosts.length);
  await expect(page.getByRole("list", { name: "Legend" }).getByText("90 % or more")).toBeVisible();
  await expect(page.getByRole("region", { name: "Agents" }).getByRole("listitem")).not.toHaveCount(0);
  await expectAccessible(page);

  await page.getByRole("button", { name: "Health" }).click();
  await expect(map.getByRole("link", { name: `${on.name}: healthy` })).toBeVisible();
  expect(page.url()).toContain("by=health");
  await expectAccessible(page);
  await page.getByRole("button", { name: "Memory" }).click();
  const cell = map.getByRole("link", { name: new RegExp(`^${on.name}: \\d+ % of memory claimed, healthy$`) });
  await map.getByRole("link").first().focus();
  await page.keyboard.press("End");
  await expect(map.getByRole("link").last()).toBeFocused();
  await page.keyboard.press("ArrowLeft");
  await expect(map.getByRole("link").nth(hosts.length - 2)).toBeFocused();

  await cell.focus();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: on.name, exact: true })).toBeVisible();
  await expect(page.getByRole("meter", { name: "vCPUs" })).toHaveAttribute("aria-valuetext", /^\d+ of \d+$/);
  const row = page.getByRole("grid", { name: "Machines" }).getByRole("row", { name: new RegExp(project.name) });
  await expect(row.getByText("2 vCPUs, 512 MiB")).toBeVisible();
  await expect(row.getByText("Running")).toBeVisible();
  await expectAccessible(page);
  await row.getByRole("link", { name: "web" }).click();
  await expect(page.getByRole("heading", { name: "web", exact: true })).toBeVisible();
});

test("a host that is closed to new machines is told of, by colour, sign and word", async ({ page, api }) => {
  const { items } = await api.get<{ items: Host[] }>("/api/ops/v1/hosts");
  const name = items[0]?.name ?? "";
  await api.patch(`/api/ops/v1/hosts/${name}`, { spec: { open: false } });
  try {
    await enter(page, "/console/ops/fleet");
    const wrong = page.getByRole("region", { name: "What is wrong" }).getByRole("listitem").filter({ hasText: name });
    await expect(wrong.getByText("Is closed to new machines")).toBeVisible();
    await expect(
      page.getByRole("link", { name: new RegExp(`^${name}: .* claimed, closed to new machines$`) }),
    ).toBeVisible();
    await expectAccessible(page);
    await api.patch(`/api/ops/v1/hosts/${name}`, { spec: { open: true } });
    await expect(wrong).toHaveCount(0); // as it happens
  } finally {
    await api.patch(`/api/ops/v1/hosts/${name}`, { spec: { open: true } });
  }
});

/** The host of the project's only machine. */
async function hostOf(api: Api, hosts: Host[], project: string): Promise<Host> {
  for (const host of hosts) {
    const { items } = await api.get<{ items: { project_id: string }[] }>(`/api/ops/v1/hosts/${host.id}/vms?limit=200`);
    if (items.some((vm) => vm.project_id === project)) return host;
  }
  throw new Error("The machine is on no host.");
}

test("an operator raises a quota, and the tenant's page shows it", async ({ page, browser, api, project }) => {
  const { organization_id: organization } = await api.get<{ organization_id: string }>(`${project.path}/quota`);
  await enter(page, `/console/ops/organizations/${organization}?tab=quota`);
  await expect(page.getByRole("table", { name: /^All projects of org-/ })).toBeVisible();
  await expectAccessible(page);
  await page.getByLabel("Quota of").click();
  await page.getByRole("option", { name: project.name }).click();
  const limits = page.getByRole("table", { name: `Project ${project.name}` });
  const row = limits.getByRole("row", { name: /^Volumes/ });
  await expect(row.getByText("The platform's default")).toBeVisible();
  await row.getByRole("button", { name: "Change the limit of Volumes" }).click();
  const dialog = page.getByRole("dialog", { name: "The limit of Volumes" });
  const amount = dialog.getByLabel("At most");
  await amount.fill("-1");
  await dialog.getByRole("button", { name: "Set it" }).click();
  await expect(amount).toHaveAccessibleDescription(/The least is 0\./); // the API's own sentence, at the field
  await expectAccessible(page);
  await amount.fill("4321");
  await dialog.getByRole("button", { name: "Set it" }).click();
  await expect(row.getByText("Set for it")).toBeVisible();
  await expect(row.getByText("0 of 4,321")).toBeVisible();

  const context = await browser.newContext();
  const tenant = await context.newPage();
  await enter(tenant, `${project.address}/quota`, await ownerOf(api, project));
  await expect(tenant.getByRole("meter", { name: "Volumes" }).first()).toHaveAttribute("aria-valuetext", "0 of 4,321");
  await expect(tenant.getByRole("button", { name: /^Change/ })).toHaveCount(0);
  await context.close();

  await row.getByRole("button", { name: "Change the limit of Volumes" }).click();
  await dialog.getByRole("radio", { name: "The platform's default" }).check();
  await dialog.getByRole("button", { name: "Set it" }).click();
  await expect(row.getByText("The platform's default")).toBeVisible();
});

test("the defaults of all quotas are seen and set", async ({ page, api }) => {
  const path = "/api/ops/v1/quota-defaults/organizations";
  const { limits: before } = await api.get<{ limits: { secrets: number | null } }>(path);
  await enter(page, "/console/ops/quota-defaults");
  const row = page
    .getByRole("table", { name: "Each organization, all projects together" })
    .getByRole("row", { name: /^Secrets/ });
  await expect(row).toBeVisible();
  await expectAccessible(page);
  await row.getByRole("button").click();
  const dialog = page.getByRole("dialog", { name: "The limit of Secrets" });
  await dialog.getByRole("radio", { name: "So much" }).check();
  await dialog.getByLabel("At most").fill("98765");
  await dialog.getByRole("button", { name: "Set it" }).click();
  try {
    await expect(row.getByText("98,765")).toBeVisible();
  } finally {
    await api.patch(path, { secrets: before.secrets });
  }
});
