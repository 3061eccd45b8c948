/** One's own account: password, sessions, API keys, second factor. A user of its own: others share the administrator. */

import { readFileSync } from "node:fs";

import type { Page } from "@playwright/test";

import { Api, enter, expect, expectAccessible, test as base } from "./house";
import { totp } from "./totp";

interface Person {
  email: string;
  password: string;
}

const SECOND = "another correct horse battery";
let count = 0;

/** `person`: somebody new, with no role anywhere. */
const test = base.extend<{ person: Person }>({
  person: async ({ api }, lend) => {
    const unique = `${Date.now().toString(36)}-${++count}`;
    const person = { email: `person-${unique}@example.org`, password: "correct horse battery staple" };
    await api.post("/api/common/v1/users", {
      email: person.email,
      name: `Person ${unique}`,
      password: person.password,
    });
    await lend(person);
  },
});

async function logOut(page: Page, { email }: Person): Promise<void> {
  await page.getByRole("button", { name: email }).click();
  await page.getByRole("menuitem", { name: "Log out" }).click();
  await expect(page.getByRole("heading", { name: "Log in" })).toBeVisible();
}

async function begin(page: Page, { email, password }: Person): Promise<void> {
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.keyboard.press("Enter");
}

test("somebody finds their account in the menu, and changes the password, which ends other sessions", async ({
  page,
  person,
  playwright,
  baseURL,
}) => {
  const elsewhere = await playwright.request.newContext({ ...(baseURL ? { baseURL } : {}), userAgent: "curl/8.5.0" });
  await Api.logIn(elsewhere, person);
  await enter(page, "/console/", person);
  await page.getByRole("button", { name: person.email }).click();
  await page.getByRole("menuitem", { name: "Your account" }).click();
  await expect(page.getByRole("heading", { name: "Your account" })).toBeVisible();
  await expect(page.locator("#content").getByText(person.email)).toBeVisible();
  await expect(page.getByText("You have no role yet.")).toBeVisible();
  await expectAccessible(page);

  await page.getByRole("tab", { name: "Sessions" }).click();
  await expect(page.getByRole("row", { name: /curl 8\.5\.0/ })).toBeVisible();
  await expect(page.getByRole("row", { name: /This one/ })).toHaveCount(1);
  await expectAccessible(page);

  await page.getByRole("tab", { name: "Password and second factor" }).click();
  await page.getByRole("button", { name: "Change the password" }).click();
  await expect(page.getByText("It has 0 characters; at least 12 are needed.")).toBeVisible();
  await expectAccessible(page);
  await page.getByLabel("Password as it is").fill("not the password");
  await page.getByLabel("New password", { exact: true }).fill(SECOND);
  await page.getByLabel("New password again").fill(SECOND);
  await page.keyboard.press("Enter");
  await expect(page.getByText("This is not your password.")).toBeVisible();
  await page.getByLabel("Password as it is").fill(person.password);
  await page.keyboard.press("Enter");
  await expect(page.getByText("Your password is changed.", { exact: false })).toBeVisible();

  await page.getByRole("tab", { name: "Sessions" }).click();
  await expect(page.getByRole("row", { name: /This one/ })).toHaveCount(1);
  await expect(page.getByRole("row", { name: /curl 8\.5\.0/ })).toHaveCount(0);
  await Api.logIn(elsewhere, { ...person, password: SECOND });
  await page.reload();
  await page.getByRole("button", { name: /End the session of curl 8\.5\.0/ }).click();
  await page.getByRole("dialog", { name: "End the session" }).getByRole("button", { name: "End it" }).click();
  await expect(page.getByRole("row", { name: /curl 8\.5\.0/ })).toHaveCount(0);
  await elsewhere.dispose();
});

test("somebody makes an API key, uses it, and revokes it", async ({ page, person, request }) => {
  await enter(page, "/console/me?tab=keys", person);
  await expect(page.getByText("No keys yet")).toBeVisible();
  await page.getByRole("button", { name: "Make a key" }).click();
  const dialog = page.getByRole("dialog", { name: "Make an API key" });
  await dialog.getByLabel("Name").fill("backup");
  await dialog.getByLabel("Some of it").click();
  await dialog.getByRole("button", { name: "Choose permissions" }).click();
  await page.getByRole("option", { name: "compute.*" }).click();
  await page.keyboard.press("Escape");
  await expectAccessible(page);
  await dialog.getByRole("button", { name: "Make it" }).click();
  const token = (await page.getByLabel("Token", { exact: true }).textContent()) ?? "";
  expect(token).toMatch(/^gp_/);
  await expectAccessible(page);
  await page.getByRole("button", { name: "I have kept it" }).click();
  await expect(page.locator("body")).not.toContainText(token);

  const me = () => request.get("/api/common/v1/me", { headers: { Authorization: `Bearer ${token}` } });
  expect((await me()).status()).toBe(200);
  const row = page.getByRole("row", { name: /backup/ });
  await expect(row).toContainText("compute.*");
  await expect(row.getByText("Good")).toBeVisible();
  await expectAccessible(page);
  await row.getByRole("button", { name: "Revoke backup" }).click();
  await page.getByRole("dialog", { name: "Revoke the key backup" }).getByRole("button", { name: "Revoke" }).click();
  await expect(row).toHaveCount(0);
  await expect.poll(async () => (await me()).status()).toBe(401);
});

test("somebody sets a second factor up, logs in by it and by a recovery code, and switches it off", async ({
  page,
  person,
}) => {
  await enter(page, "/console/me?tab=login", person);
  await page.getByRole("button", { name: "Set it up" }).click();
  await expect(page.getByRole("img", { name: "The secret, as a QR code" })).toBeVisible();
  await expectAccessible(page);
  const secret = (await page.getByLabel("Secret", { exact: true }).textContent()) ?? "";
  const code = page.getByLabel("2. The code that the app shows");
  await code.fill("000000");
  await page.getByRole("button", { name: "Confirm" }).click();
  await expect(page.getByText("The code is not right, or was used before.", { exact: false })).toBeVisible();
  await code.fill(totp(secret, Date.now()));
  await page.getByRole("button", { name: "Confirm" }).click();
  const told = (await page.getByLabel("Recovery codes", { exact: true }).textContent()) ?? "";
  const [first = "", second = "", ...others] = told.split("\n");
  expect(others).toHaveLength(8);
  await expectAccessible(page);
  const [file] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Download" }).click(),
  ]);
  expect(readFileSync(await file.path(), "utf8")).toBe(`${told}\n`);
  await page.getByRole("button", { name: "I have kept them" }).click();
  await expect(page.getByText("10 recovery codes are left.")).toBeVisible();
  await expectAccessible(page);

  await logOut(page, person);
  await begin(page, person);
  await page.getByLabel("Code").fill(totp(secret, Date.now() + 30_000)); // each code is good once
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "Welcome" })).toBeVisible();

  await logOut(page, person);
  await begin(page, person);
  await page.getByLabel("Code").fill(first);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "Welcome" })).toBeVisible();
  await page.goto("/console/me?tab=login");
  await expect(page.getByText("9 recovery codes are left.")).toBeVisible();

  await page.getByRole("button", { name: "Switch it off" }).click();
  const dialog = page.getByRole("dialog", { name: "Switch the second factor off" });
  await dialog.getByLabel("Password", { exact: true }).fill("not the password");
  await dialog.getByRole("button", { name: "Switch it off" }).click();
  await expect(dialog.getByText("This is not your password.")).toBeVisible();
  await expectAccessible(page);
  await dialog.getByLabel("A code of your device, or a recovery code").click();
  await dialog.getByLabel("Code", { exact: true }).fill(second);
  await dialog.getByRole("button", { name: "Switch it off" }).click();
  await expect(page.getByRole("button", { name: "Set it up" })).toBeVisible();
  await logOut(page, person);
  await begin(page, person);
  await expect(page.getByRole("heading", { name: "Welcome" })).toBeVisible();
});
