/** What operators do: look how the platform is, hold up a tenant's creates by a rule that says why, decide about drift. */

import { lose } from "./faults";
import { enter, expect, expectAccessible, ownerOf, settled, test } from "./house";

test("an operator sees how the platform is", async ({ page }) => {
  await enter(page, "/console/ops/system");
  await expect(page.getByRole("heading", { name: "Processes" })).toBeVisible();
  await expect(page.getByText("Alive").first()).toBeVisible();
  await expectAccessible(page);
  await page.goto("/console/ops/incidents");
  await expect(page.getByText("Nothing matches this filter")).toBeVisible();
  await expectAccessible(page);
  await page.goto("/console/ops/drift");
  await expect(page.getByRole("heading", { name: "Drift" })).toBeVisible();
});

test("an operator pauses a tenant's creates by a rule; the tenant reads why, and goes on when it is over", async ({
  page,
  browser,
  api,
  project,
}) => {
  await enter(page, "/console/ops/traffic-rules");
  await page.getByRole("button", { name: "Make a rule" }).click();
  const dialog = page.getByRole("dialog", { name: "Make a traffic rule" });
  await dialog.getByLabel("Project", { exact: true }).click();
  await page.getByRole("option", { name: project.name }).click();
  await dialog.getByRole("button", { name: "All jobs" }).click();
  await page.getByRole("option", { name: "create" }).click();
  await page.keyboard.press("Escape");
  const reason = `The pool is moved tonight (${project.name}).`;
  await dialog.getByLabel("Why").fill(reason);
  await expectAccessible(page);
  await dialog.getByRole("button", { name: "Make it" }).click();
  const row = page.getByRole("row", { name: reason });
  await expect(row.getByText("Paused")).toBeVisible();
  await expect(row.getByRole("link", { name: project.name })).toBeVisible();

  const context = await browser.newContext();
  const tenant = await context.newPage();
  await enter(tenant, `${project.address}/volumes/create`, await ownerOf(api, project));
  await tenant.getByRole("textbox", { name: "Name", exact: true }).fill("data");
  await tenant.getByLabel("Size (GiB)").fill("1");
  await tenant.getByRole("button", { name: "Create volume" }).click();
  await expect(tenant.getByText(`A rule of the operators holds it: ${reason}`)).toBeVisible();
  await expectAccessible(tenant);
  await tenant.getByRole("link", { name: "Show the job" }).click();
  await expect(tenant.getByRole("heading", { name: "Create volume" })).toBeVisible();
  await expect(
    tenant.locator("#content").getByText(`A rule of the operators holds it: ${reason}`).first(),
  ).toBeVisible();
  await expect(tenant.getByText("Pending").first()).toBeVisible();

  await row.getByRole("button", { name: `Delete: ${reason}` }).click();
  await page.getByRole("dialog", { name: "Delete the rule" }).getByRole("button", { name: "Delete" }).click();
  await expect(row).toHaveCount(0);
  await expect(tenant.getByText("Succeeded").first()).toBeVisible();
  await expect(tenant.getByText(`A rule of the operators holds it: ${reason}`)).toHaveCount(0);
  await context.close();
});

test("an operator decides about drift: lets it be for a while, then has it corrected", async ({
  page,
  api,
  project,
}) => {
  const { id } = await api.post(`${project.path}/volumes`, { name: "archive", spec: { size_gib: 1 } });
  await settled(api, `${project.path}/volumes/archive`);
  lose("volume", id); // a disk that was there and is gone: nobody makes an empty one in its place unasked
  await enter(page, `/console/ops/drift?resource=${id}`);
  const row = page.getByRole("row", { name: /archive/ });
  await expect(row.getByText("It is not there")).toBeVisible({ timeout: 60_000 });
  await expect(row.getByText("presence: present → absent")).toBeVisible();
  await expect(row.getByText("Operators decide")).toBeVisible();
  await expectAccessible(page);

  await row.getByRole("button", { name: "Decide about archive" }).click();
  const dialog = page.getByRole("dialog", { name: "Decide about archive" });
  await dialog.getByRole("radio", { name: "Let it be" }).check();
  await dialog.getByLabel("Why").fill("The owner looks for a copy");
  await expectAccessible(page);
  await dialog.getByRole("button", { name: "Decide" }).click();
  await expect(row.getByText("It is left as it is")).toBeVisible();
  await expect(row.getByText("The owner looks for a copy")).toBeVisible();
  await expect(row.getByText(/^Until /)).toBeVisible();

  await row.getByRole("button", { name: "Decide about archive" }).click();
  await dialog.getByRole("radio", { name: "Correct it now" }).check();
  await dialog.getByLabel("Why").fill("There is none: an empty one will do");
  await dialog.getByRole("button", { name: "Decide" }).click();
  await expect(row).toHaveCount(0, { timeout: 45_000 }); // it healed: a look found it in order
  await page.goto(`/console/ops/drift?resource=${id}&open_only=`);
  await expect(row.getByRole("link", { name: "Its job" })).toBeVisible();
  await row.getByRole("link", { name: "Its job" }).click();
  await expect(page.getByText("Succeeded").first()).toBeVisible();
});
