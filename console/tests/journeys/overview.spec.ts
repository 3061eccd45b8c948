/** A project at a glance, as it changes; and anything found by what one types. */

import { order } from "./faults";
import { enter, expect, expectAccessible, test } from "./house";

test("the overview tells what is there, and what is wrong and why, as it happens", async ({ page, api, project }) => {
  await enter(page, project.address);
  await expect(page.getByText("There is nothing here yet")).toBeVisible();
  await expectAccessible(page);
  const glance = page.getByRole("list", { name: "At a glance" });
  await expect(glance.getByRole("link", { name: /^0 In error/ })).toBeVisible();

  await api.post(`${project.path}/networks`, { name: "lan", spec: {} });
  const counts = page.getByRole("region", { name: "Resources" });
  await expect(counts.getByRole("link", { name: "Networks 1" })).toBeVisible({ timeout: 3_000 }); // told by the stream

  order({ kind: "volume", fault_class: "permanent", code: "pool_full", message: "The pool has no room for 40 GiB." });
  await api.post(`${project.path}/volumes`, { name: "archive", spec: { size_gib: 40 } });
  const failed = page.getByRole("region", { name: "Lately failed" });
  await expect(failed.getByText("The pool has no room for 40 GiB.")).toBeVisible();
  await expect(failed.getByRole("link", { name: "archive" })).toBeVisible();
  await expect(page.getByRole("meter", { name: "Networks" })).toHaveAttribute("aria-valuetext", /^1 of /);
  await expectAccessible(page);
});

test("the search finds by name and leads there", async ({ page, api, project }) => {
  await api.post(`${project.path}/networks`, { name: "lan-of-the-search", spec: {} });
  await enter(page, project.address);
  await expect(page.getByRole("heading", { name: "Overview" })).toBeVisible();
  await page.keyboard.press("/");
  await page.keyboard.type("lan-of");
  await page.getByRole("option", { name: /lan-of-the-search/ }).click();
  await expect(page.getByRole("heading", { name: "lan-of-the-search", exact: true })).toBeVisible();
});

test("the operators' overview tells of all projects, and what waits for a person", async ({ page, api, project }) => {
  await api.post(`${project.path}/networks`, { name: "lan", spec: {} });
  await enter(page, "/console/ops");
  await expect(
    page.getByRole("list", { name: "At a glance" }).getByRole("link", { name: /Machines running/ }),
  ).toBeVisible();
  await expect(page.getByRole("region", { name: "Hosts" }).getByText(/^All \d+ answer/)).toBeVisible();
  await expect(page.getByRole("region", { name: "Incidents" }).getByText("No incident is open.")).toBeVisible();
  const counts = page.getByRole("region", { name: "Resources" });
  await expect(counts.getByRole("link", { name: /^Organizations \d+/ })).toBeVisible();
  await expect(counts.getByText(/^Networks\d+/)).toBeVisible(); // counted here, listed in its project
  await expectAccessible(page);
});

test("an organization's overview leads to its projects", async ({ page, api, project }) => {
  const { organization_id: organization } = await api.get<{ organization_id: string }>(`${project.path}/quota`);
  await enter(page, `/console/o/${organization}`);
  await expect(page.getByRole("region", { name: "Quota" }).getByText("Volume space")).toBeVisible();
  await expectAccessible(page);
  await page.getByRole("region", { name: "Projects" }).getByRole("link", { name: project.name }).click();
  await expect(page.getByText("There is nothing here yet")).toBeVisible();
});
