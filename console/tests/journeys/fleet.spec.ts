/** The fleet: what is claimed of which host, whose machines are there, and what is wrong. */

import { type Api, bootMachine, enter, expect, expectAccessible, test } from "./house";

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
