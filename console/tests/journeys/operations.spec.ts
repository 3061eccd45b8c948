/** What operators do: look how the platform is, and hold up a tenant's creates by a rule that says why. */

import { enter, expect, expectAccessible, test } from "./house";

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

test("an operator pauses creates by a rule, and takes it away", async ({ page }) => {
  await enter(page, "/console/ops/traffic-rules");
  await page.getByRole("button", { name: "Make a rule" }).click();
  const dialog = page.getByRole("dialog", { name: "Make a traffic rule" });
  await dialog.getByLabel("Why").fill("The pool is moved tonight");
  await expectAccessible(page);
  await dialog.getByRole("button", { name: "Make it" }).click();
  const row = page.getByRole("row", { name: /The pool is moved tonight/ });
  await expect(row.getByText("Paused")).toBeVisible();
  await row.getByRole("button", { name: "Delete: The pool is moved tonight" }).click();
  await page.getByRole("dialog", { name: "Delete the rule" }).getByRole("button", { name: "Delete" }).click();
  await expect(row).toHaveCount(0);
});
