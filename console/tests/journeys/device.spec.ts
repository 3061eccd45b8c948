/** `gp login` on a machine without a browser: approved here, in the browser of whoever is logged in (RFC 8628). */

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import type { Page } from "@playwright/test";

import { ADMIN, type Api, enter, expect, expectAccessible, test as base } from "./house";

const GP = process.env["GP"] ?? resolve(import.meta.dirname, "../../../.venv/bin/gp");

/** The command line of somebody who has never logged in. */
class Terminal {
  readonly folder = mkdtempSync(join(tmpdir(), "gp-"));
  private readonly environment = {
    ...process.env,
    GROUNDPLANE_CONFIG_DIR: this.folder,
    GROUNDPLANE_CONTEXT: undefined,
  };
  private child: ChildProcess | undefined;
  said = "";

  constructor(private readonly url: string) {}

  /** Begin to log in; answers the address that it tells to open. */
  async logIn(): Promise<string> {
    this.child = spawn(GP, ["login", this.url], { env: this.environment, stdio: ["ignore", "ignore", "pipe"] });
    this.child.stderr?.on("data", (text: Buffer) => (this.said += text.toString()));
    await expect.poll(() => this.said).toContain("gp device approve");
    return /Open (\S+)/.exec(this.said)?.[1] ?? "";
  }

  /** Its exit code, once it has ended. */
  ended(): Promise<number | null> {
    return new Promise((done) => {
      if (this.child?.exitCode != null) done(this.child.exitCode);
      else this.child?.once("exit", done);
    });
  }

  gp(...words: string[]): string {
    return execFileSync(GP, words, { env: this.environment, encoding: "utf8" });
  }

  close(): void {
    this.child?.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const test = base.extend<{ terminal: Terminal }>({
  terminal: async ({ baseURL }, lend) => {
    const terminal = new Terminal(baseURL ?? "");
    await lend(terminal);
    terminal.close();
  },
});

async function enterAt(page: Page, address: string): Promise<void> {
  await enter(page, address);
  await expect(page.getByRole("heading", { name: "Was it you who asked?" })).toBeVisible();
}

test("a terminal is let in by who logs in at the address that it tells", async ({ page, terminal }) => {
  const address = await terminal.logIn();
  expect(address).toContain("/console/device?user_code=");
  const code = new URL(address).searchParams.get("user_code") ?? "";
  await enterAt(page, address);
  const main = page.locator("#content");
  await expect(main.getByText(code)).toBeVisible();
  await expect(main.getByText(/^gp \d/)).toBeVisible();
  await expect(main.getByText("127.0.0.1")).toBeVisible();
  await expect(main).toContainText(`all that ${ADMIN.email} may do`);
  await expectAccessible(page);
  await page.getByRole("button", { name: "Approve" }).click();
  await expect(main.getByText("Approved", { exact: true })).toBeVisible();
  await expectAccessible(page);
  expect(await terminal.ended(), terminal.said).toBe(0);
  expect(JSON.parse(terminal.gp("me", "show", "-o", "json"))).toMatchObject({ user: { email: ADMIN.email } });
  await page.getByRole("link", { name: "Your sessions" }).click();
  const row = page.getByRole("row", { name: /gp \d.*Device flow/ }).last();
  await expect(row).toBeVisible();
});

test("a terminal that somebody denies gets nothing", async ({ page, terminal }) => {
  const address = await terminal.logIn();
  await enterAt(page, address);
  await page.getByRole("button", { name: "Deny" }).click();
  await expect(page.locator("#content").getByText("Denied", { exact: true })).toBeVisible();
  expect(await terminal.ended()).toBe(4);
  expect(terminal.said).toContain("The device was kept out.");
});

test("without a code one is asked for it, and a wrong one is told kindly", async ({ page, api }) => {
  const { user_code: code } = await asked(api);
  await enter(page, "/console/device");
  const field = page.getByLabel("Code");
  await field.fill("short");
  await page.getByRole("button", { name: "Go on" }).click();
  await expect(page.getByText("A code is eight letters, as in BCDF-GHJK.")).toBeVisible();
  await expectAccessible(page);
  await field.fill("zzzzzzzz");
  await page.keyboard.press("Enter");
  await expect(page.getByText("No device waits with the code ZZZZ-ZZZZ")).toBeVisible();
  await expectAccessible(page);
  await page.getByRole("button", { name: "Type a code" }).click();
  await field.fill(code.toLowerCase().replace("-", " "));
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "Was it you who asked?" })).toBeVisible();
  expect(page.url()).toContain(`user_code=${code}`);
  await page.setViewportSize({ width: 390, height: 844 });
  await expectAccessible(page);
  await page.getByRole("button", { name: "Deny" }).click();
  await expect(page.locator("#content").getByText("Denied", { exact: true })).toBeVisible();
});

test("single sign-on comes back to the device", async ({ page, api, baseURL }) => {
  const { user_code: code } = await asked(api);
  await page.route("**/auth/methods", (route) => route.fulfill({ json: { password: true, sso: { name: "Staff" } } }));
  await page.route("**/auth/sso/start", async (route) => {
    // The provider's part: a session in a cookie, and the way back to the beginning.
    const login = await page.request.post("/api/common/v1/auth/login", {
      headers: { "X-Groundplane-Client": "console", Origin: baseURL ?? "" },
      data: { email: ADMIN.email, password: ADMIN.password, cookie: true },
    });
    expect(login.ok(), await login.text()).toBe(true);
    await route.fulfill({ contentType: "text/html", body: `<meta http-equiv="refresh" content="0;url=/console/">` });
  });
  await page.goto(`/console/device?user_code=${code}`);
  await page.getByRole("link", { name: "Log in with Staff" }).click();
  await expect(page.getByRole("heading", { name: "Was it you who asked?" })).toBeVisible();
  await expect(page.locator("#content").getByText(code)).toBeVisible();
});

function asked(api: Api): Promise<{ user_code: string }> {
  return api.post<{ user_code: string }>("/api/common/v1/auth/device", {});
}
