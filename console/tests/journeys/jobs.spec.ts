/** Jobs: one that fails says why, and is tried again; who may only look is offered nothing else. */

import { order } from "./faults";
import { enter, expect, expectAccessible, test } from "./house";

test("a failed job says why, and is retried", async ({ page, api, project }) => {
  order({ kind: "volume", fault_class: "permanent", code: "pool_full", message: "The pool has no room for 40 GiB." });
  await api.post(`${project.path}/volumes`, { name: "archive", spec: { size_gib: 40 } });
  await enter(page, `${project.address}/jobs?state=FAILED`);
  const jobs = page.getByRole("grid", { name: "Jobs" });
  await expect(jobs.getByText("The pool has no room for 40 GiB.")).toBeVisible();
  await expect(jobs.getByRole("link", { name: "archive" })).toBeVisible();
  await expectAccessible(page);

  await jobs.getByRole("link", { name: "Create volume" }).click();
  await expect(page.getByText("Permanent: every further try would meet it again").first()).toBeVisible();
  await expect(page.getByRole("table", { name: "Faults" }).getByText("pool_full")).toBeVisible();
  await expect(page.getByRole("list", { name: "Steps" }).getByText("The agent reported a fault")).toBeVisible();
  await expect(page.getByRole("treegrid", { name: "Waterfall" }).getByRole("row").nth(1)).toBeVisible();
  await expectAccessible(page);
  const failed = page.url();

  await page.getByRole("button", { name: "Retry" }).click();
  await expect(page.getByText("Succeeded").first()).toBeVisible();
  expect(page.url()).not.toBe(failed); // another job took its place
  await page.getByRole("link", { name: "archive" }).first().click();
  await expect(page.getByText("Active").first()).toBeVisible();
});

test("a job that runs is cancelled from its page", async ({ page, api, project }) => {
  order({ kind: "volume", effect: "hang", seconds: 60 });
  await api.post(`${project.path}/volumes`, { name: "slow", spec: { size_gib: 1 } });
  await enter(page, `${project.address}/jobs?state=RUNNING`);
  await page.getByRole("grid", { name: "Jobs" }).getByRole("link", { name: "Create volume" }).click();
  await page.getByRole("button", { name: "Cancel the job" }).click();
  const dialog = page.getByRole("dialog", { name: "Cancel the job?" });
  await expect(dialog.getByText("It is stopped, and what it had done is undone.")).toBeVisible();
  await expectAccessible(page);
  await dialog.getByRole("button", { name: "Cancel the job" }).click();
  await expect(dialog).toBeHidden();
  await expect(page.getByText("Failed", { exact: true }).first()).toBeVisible();
  await expect(page.getByText("cancelled", { exact: true }).first()).toBeVisible();
  await expect(page.getByRole("button", { name: "Cancel the job" })).toBeHidden();
  await expectAccessible(page);
});

test("the waterfall is walked by keys", async ({ page, api, project }) => {
  await api.post(`${project.path}/volumes`, { name: "data", spec: { size_gib: 1 } });
  await enter(page, `${project.address}/jobs?kind=volume`);
  await page.getByRole("grid", { name: "Jobs" }).getByRole("link", { name: "Create volume" }).click();
  const grid = page.getByRole("treegrid", { name: "Waterfall" });
  const rows = grid.getByRole("row");
  await expect(page.getByText("Succeeded").first()).toBeVisible();
  await expect(rows.nth(2)).toBeVisible();
  await rows.nth(1).focus();
  const count = await rows.count();
  await page.keyboard.press("ArrowLeft");
  await expect(rows).toHaveCount(2);
  await page.keyboard.press("ArrowRight");
  await expect(rows).toHaveCount(count);
  await page.keyboard.press("ArrowDown");
  await expect(rows.nth(2)).toBeFocused();
});

test("quota, audit trail and drift are shown, and secrets are read on the record", async ({ page, api, project }) => {
  await api.post(`${project.path}/secrets`, { name: "password", spec: { value: "first" } });
  await api.patch(`${project.path}/secrets/password`, { spec: { value: "second" } });
  await enter(page, `${project.address}/secrets/password?tab=versions`);
  await page.getByRole("button", { name: "Reveal version 1" }).click();
  await expect(page.getByRole("dialog").getByText("first", { exact: true })).toBeVisible();
  await expectAccessible(page);
  await page.getByRole("dialog").getByRole("button", { name: "Close" }).click();
  await page.getByRole("button", { name: "Destroy version 1" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Destroy" }).click();
  await expect(page.getByText("Version 1 of password is destroyed.")).toBeVisible();
  await expect(page.getByRole("button", { name: "Reveal version 1" })).toBeHidden();

  await page.goto(`${project.address}/audit?action=secrets.secret.reveal`);
  await expect(page.getByRole("grid", { name: "Audit trail" }).getByText("secrets.secret.reveal")).toHaveCount(1);
  await expectAccessible(page);
  await page.goto(`${project.address}/quota`);
  await expect(page.getByRole("meter", { name: "Secrets" }).first()).toHaveAttribute("aria-valuetext", /^1 of /);
  await expectAccessible(page);
  await page.goto(`${project.address}/drift`);
  await expect(page.getByText("Nothing matches this filter")).toBeVisible();
  await expectAccessible(page);
});

test("who may only look is offered nothing that changes", async ({ page, api, project }) => {
  order({ kind: "volume", fault_class: "permanent", code: "pool_full", message: "The pool has no room." });
  await api.post(`${project.path}/volumes`, { name: "archive", spec: { size_gib: 40 } });
  const who = { email: `vic-${Date.now()}@example.org`, password: "correct horse battery staple" };
  const user = await api.post("/api/common/v1/users", { email: who.email, name: "Vic", password: who.password });
  const { organization_id: organization } = await api.get<{ organization_id: string }>(`${project.path}/quota`);
  await api.post(`/api/common/v1/organizations/${organization}/role-bindings`, {
    user: user.id,
    role: "viewer",
  });
  await enter(page, `${project.address}/jobs?state=FAILED`, who);
  await page.getByRole("grid", { name: "Jobs" }).getByRole("link", { name: "Create volume" }).click();
  await expect(page.getByText("The pool has no room.").first()).toBeVisible();
  await expect(page.getByRole("button", { name: "Retry" })).toBeHidden();
  await page.goto(`${project.address}/vms`);
  await expect(page.getByText("No virtual machines yet")).toBeVisible();
  await expect(page.getByRole("link", { name: "Create virtual machine" })).toBeHidden();
});
