/** The way in and out. */

import { ADMIN, Api, enter, expect, expectAccessible, test } from "./house";
import { totp } from "./totp";

test("who is not logged in sees the login, and then what they asked for", async ({ page, project }) => {
  await page.goto(`${project.address}/volumes?name_prefix=web`);
  await expect(page.getByRole("heading", { name: "Log in" })).toBeVisible();
  await expectAccessible(page);
  await enter(page, `${project.address}/volumes?name_prefix=web`);
  await expect(page.getByRole("heading", { name: "Volumes" })).toBeVisible();
  expect(page.url()).toContain(`${project.address}/volumes?name_prefix=web`);
});

test("a wrong password is told in a sentence", async ({ page }) => {
  await page.goto("/");
  await page.getByLabel("E-mail address").fill("nobody@groundplane.local");
  await page.getByLabel("Password").fill("not the password");
  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page.getByRole("alert")).toContainText("password");
  await expectAccessible(page);
});

test("the session outlives a reload, the token is nowhere to be read, and logging out ends it", async ({
  page,
  project,
}) => {
  await enter(page, project.address);
  await page.reload();
  await expect(page.getByRole("navigation").first()).toBeVisible();
  const kept = await page.evaluate(() => JSON.stringify([localStorage, sessionStorage, document.cookie]));
  expect(kept).not.toContain("eyJ");
  expect(kept).not.toContain("groundplane_refresh");
  await page.getByRole("button", { name: ADMIN.email }).click();
  await page.getByRole("menuitem", { name: "Log out" }).click();
  await expect(page.getByRole("heading", { name: "Log in" })).toBeVisible();
  await page.reload();
  await expect(page.getByRole("heading", { name: "Log in" })).toBeVisible();
});

test("a second factor is asked for where there is one", async ({ page, api, playwright, baseURL }) => {
  const who = { email: `second-${Date.now()}@example.org`, password: "correct horse battery staple" };
  await api.post("/api/common/v1/users", { email: who.email, name: "Second", password: who.password });
  const context = await playwright.request.newContext(baseURL === undefined ? {} : { baseURL });
  const own = await Api.logIn(context, who);
  const { secret } = await own.post<{ secret: string }>("/api/common/v1/me/totp");
  await own.post("/api/common/v1/me/totp/confirm", { code: totp(secret, Date.now()) });
  await page.goto("/");
  await page.getByLabel("E-mail address").fill(who.email);
  await page.getByLabel("Password").fill(who.password);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "Second factor" })).toBeVisible();
  await expectAccessible(page);
  await page.getByLabel("Code").fill(totp(secret, Date.now() + 30_000)); // each code is good once
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "Welcome" })).toBeVisible();
  await context.dispose();
});
