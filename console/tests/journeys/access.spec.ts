/** Who may do what: inviting, joining, and what a viewer is offered; programs with keys; groups and roles of one's own. */

import { randomUUID } from "node:crypto";

import type { Page } from "@playwright/test";

import { enter, expect, expectAccessible, test } from "./house";

const PASSWORD = "a few words that nobody puts together";

async function organizationOf(api: { get: <T>(path: string) => Promise<T> }, path: string): Promise<string> {
  return (await api.get<{ organization_id: string }>(`${path}/quota`)).organization_id;
}

async function choose(page: Page, label: string, option: string | RegExp): Promise<void> {
  // Within the dialog: columns of the table behind it have buttons of the same names.
  await page
    .getByRole("dialog")
    .getByRole("button", { name: new RegExp(`^${label}`) })
    .click();
  await page.getByRole("option", { name: option }).click();
}

/** Neither a button nor a link that would make, change or delete something. */
async function expectNothingToChange(page: Page): Promise<void> {
  const changing = /^(Create|Edit|Delete|Actions)( |$)/;
  await expect(page.getByRole("button", { name: changing }).or(page.getByRole("link", { name: changing }))).toHaveCount(
    0,
  );
}

test("a viewer is invited, joins, and is offered nothing that changes anything", async ({
  page,
  api,
  project,
  browser,
}) => {
  await api.post(`${project.path}/networks`, { name: "lan", spec: {} });
  const organization = await organizationOf(api, project.path);
  const email = `viewer-${randomUUID()}@example.org`;

  await enter(page, `/console/o/${organization}/members`);
  await page.getByRole("button", { name: "Invite somebody" }).click();
  const dialog = page.getByRole("dialog", { name: "Invite somebody" });
  await dialog.getByLabel("E-mail address").fill(email);
  await choose(page, "Where", project.name);
  await choose(page, "Role", /^Viewer/);
  await expectAccessible(page);
  await dialog.getByRole("button", { name: "Invite", exact: true }).click();
  const told = page.getByRole("dialog", { name: `${email} is invited` });
  const link = (await told.getByLabel("Link", { exact: true }).textContent()) ?? "";
  await expectAccessible(page);
  await told.getByRole("button", { name: "I have kept it" }).click();
  await page.goto(`/console/o/${organization}/invitations`);
  await expect(page.getByRole("row", { name: new RegExp(email) }).getByText("Open")).toBeVisible();

  const context = await browser.newContext();
  const guest = await context.newPage();
  await guest.goto(link);
  await guest.getByLabel("Your name").fill("Vera Viewer");
  await guest.getByLabel("Password").fill("short");
  await guest.getByRole("button", { name: "Join" }).click();
  await expect(guest.getByText("At least 12 characters are needed.")).toBeVisible();
  await expectAccessible(guest);
  await guest.getByLabel("Password").fill(PASSWORD);
  await guest.getByRole("button", { name: "Join" }).click();

  await expect(guest.getByRole("heading", { name: "Overview" })).toBeVisible();
  expect(guest.url()).toContain(project.address); // the one project that there is for them
  await expect(guest.getByRole("button", { name: "Create virtual machine" })).toHaveCount(0);
  await guest.goto(`${project.address}/networks`);
  await expect(guest.getByRole("link", { name: "lan", exact: true })).toBeVisible();
  await expectNothingToChange(guest);
  await guest.getByRole("link", { name: "lan", exact: true }).click();
  await expect(guest.getByRole("heading", { name: "lan", exact: true })).toBeVisible();
  await expectNothingToChange(guest);

  for (const form of ["networks/create", "vms/create", "images/create"]) {
    await guest.goto(`${project.address}/${form}`);
    await expect(guest.getByRole("heading", { name: "You may not do this here" })).toBeVisible();
  }
  await expectAccessible(guest);
  const { access_token: token } = (await (
    await guest.request.post(`${new URL(page.url()).origin}/api/common/v1/auth/login`, {
      data: { email, password: PASSWORD },
    })
  ).json()) as { access_token: string };
  const tried = await guest.request.post(`${new URL(page.url()).origin}${project.path}/networks`, {
    headers: { Authorization: `Bearer ${token}` },
    data: { name: "sneaky", spec: {} },
  });
  expect(tried.status()).toBe(403); // the API refuses what the console does not offer
  await context.close();

  await page.goto(`/console/o/${organization}/members`);
  await page.getByRole("button", { name: `Take away: Viewer of ${email}` }).click();
  await page.getByRole("dialog", { name: "Take the role away" }).getByRole("button", { name: "Take it away" }).click();
  await expect(page.getByRole("row", { name: new RegExp(email) })).toHaveCount(0);
});

test("a service account is made, its key used and revoked", async ({ page, api, project, request }) => {
  const organization = await organizationOf(api, project.path);
  await enter(page, `/console/o/${organization}/service-accounts`);
  await page.getByRole("button", { name: "Make a service account" }).click();
  const making = page.getByRole("dialog", { name: "Make a service account" });
  await making.getByLabel("Name").fill("Deployer!");
  await making.getByRole("button", { name: "Make it" }).click();
  await expect(making.getByText(/A name has lower-case letters/)).toBeVisible(); // at the field, by the API
  await making.getByLabel("Name").fill("deployer");
  await making.getByRole("button", { name: "Make it" }).click();

  await page.goto(`/console/o/${organization}/members`);
  await page.getByRole("button", { name: "Give a role" }).click();
  const giving = page.getByRole("dialog", { name: "Give a role" });
  await giving.getByRole("radio", { name: "A service account" }).check();
  await choose(page, "Service account", "deployer");
  await choose(page, "Role", /^Organization auditor/);
  await giving.getByRole("button", { name: "Give it" }).click();
  await expect(page.getByRole("row", { name: /deployer.*Service account.*Organization auditor/ })).toBeVisible();

  await page.goto(`/console/o/${organization}/service-accounts`);
  await page.getByRole("link", { name: "deployer" }).click();
  await page.getByRole("button", { name: "Make a key" }).click();
  const dialog = page.getByRole("dialog", { name: "Make an API key" });
  await dialog.getByLabel("Name").fill("pipeline");
  await dialog.getByRole("button", { name: "Make it" }).click();
  const told = page.getByRole("dialog", { name: "The key pipeline" });
  const token = (await told.getByLabel("Token", { exact: true }).textContent()) ?? "";
  await told.getByRole("button", { name: "I have kept it" }).click();
  await expectAccessible(page);

  const list = () =>
    request.get(`/api/common/v1/organizations/${organization}/projects`, {
      headers: { Authorization: `Bearer ${token}` },
    });
  expect((await list()).status()).toBe(200);
  await page.getByRole("button", { name: "Revoke pipeline" }).click();
  await page.getByRole("dialog", { name: "Revoke the key pipeline" }).getByRole("button", { name: "Revoke" }).click();
  await expect(page.getByRole("row", { name: /pipeline/ })).toHaveCount(0);
  await expect.poll(async () => (await list()).status()).toBe(401);
  await page.getByRole("button", { name: "Disable" }).click();
  await page.getByRole("dialog", { name: "Disable deployer" }).getByRole("button", { name: "Disable" }).click();
  await expect(page.getByText("Disabled", { exact: true })).toBeVisible();
});

test("a role of one's own is given to a group, whose members have it", async ({ page, api, project }) => {
  const organization = await organizationOf(api, project.path);
  const email = `member-${randomUUID()}@example.org`;
  await api.post("/api/common/v1/users", { email, name: "Mia Member", password: PASSWORD });

  await enter(page, `/console/o/${organization}/roles`);
  await expect(page.getByText("Project operator", { exact: true })).toBeVisible();
  await page.getByRole("button", { name: "Make a role" }).click();
  const role = page.getByRole("dialog", { name: "Make a role" });
  await role.getByLabel("Name").fill("network_reader");
  await role.getByRole("button", { name: /^Permits/ }).click();
  await page.getByLabel("Find a permission").fill("network.*");
  await page.getByRole("option", { name: "network.*" }).click();
  await page.keyboard.press("Escape");
  await role.getByRole("button", { name: "Make it" }).click();
  await expect(page.getByRole("row", { name: /Network reader/ }).getByText("network.*")).toBeVisible();
  await expectAccessible(page);

  await page.goto(`/console/o/${organization}/groups`);
  await page.getByRole("button", { name: "Make a group" }).click();
  const group = page.getByRole("dialog", { name: "Make a group" });
  await group.getByLabel("Name").fill("net-team");
  await group.getByRole("button", { name: "Make it" }).click();
  await page.getByRole("link", { name: "net-team" }).click();
  await page.getByRole("button", { name: "Add somebody" }).click();
  const adding = page.getByRole("dialog", { name: "Add to net-team" });
  await adding.getByLabel("E-mail address").fill(email);
  await adding.getByRole("button", { name: "Add", exact: true }).click();
  await expect(page.getByRole("row", { name: new RegExp(email) })).toBeVisible();
  await expectAccessible(page);

  await page.goto(`/console/o/${organization}/members`);
  await page.getByRole("button", { name: "Give a role" }).click();
  const giving = page.getByRole("dialog", { name: "Give a role" });
  await giving.getByRole("radio", { name: "A group" }).check();
  await choose(page, "Group", "net-team");
  await choose(page, "Role", /^Network reader/);
  await giving.getByRole("button", { name: "Give it" }).click();
  await expect(page.getByRole("row", { name: /net-team.*Group.*Network reader/ })).toBeVisible();
  const check = await api.post<{ allowed: boolean }>("/api/common/v1/access/check", {
    subject: email,
    permission: "network.network.list",
    project_id: project.id,
  });
  expect(check.allowed).toBe(true);
});
