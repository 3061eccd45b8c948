/** Measures what `bench/console.py` tells of, and writes it to the file FIGURES. Not a test: goals are judged there. */

import { writeFileSync } from "node:fs";

import { type Browser, type Page, expect, test } from "@playwright/test";

import { enter } from "../journeys/house";

const TIMES = 10;
const PROJECT = `/console/p/${process.env["PROJECT"] ?? ""}`;

test("figures", async ({ browser }) => {
  test.setTimeout(600_000);
  const login = await several(() => fresh(browser, loginShown));
  const page = await browser.newPage();
  let script = 0;
  page.on("response", (response) => {
    if (new URL(response.url()).pathname.endsWith(".js")) script += Number(response.headers()["content-length"] ?? 0);
  });
  await enter(page, PROJECT);
  await page.waitForTimeout(2_000);
  const figures = {
    script_bytes: script,
    login_shown_ms: login,
    dashboard_shown_ms: await several(() => dashboardShown(page)),
    table_ms: await several(() => tableShown(page)),
    table_filter_ms: await several(() => filtered(page)),
  };
  console.log(figures);
  writeFileSync(process.env["FIGURES"] ?? "figures.json", JSON.stringify(figures));
});

/** The median. */
async function several(measure: () => Promise<number>): Promise<number> {
  const all: number[] = [];
  for (let time = 0; time < TIMES; time++) all.push(await measure());
  return all.sort((one, other) => one - other)[Math.floor(TIMES / 2)] ?? NaN;
}

async function fresh(browser: Browser, measure: (page: Page) => Promise<number>): Promise<number> {
  const context = await browser.newContext();
  const time = await measure(await context.newPage());
  await context.close();
  return time;
}

const sinceNavigation = (page: Page) => page.evaluate(() => performance.now());

async function loginShown(page: Page): Promise<number> {
  await page.goto("/console/", { waitUntil: "commit" });
  await page.getByRole("heading", { name: "Log in" }).waitFor();
  return sinceNavigation(page);
}

/** With an empty cache and a session that is renewed first. */
async function dashboardShown(page: Page): Promise<number> {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Network.clearBrowserCache");
  await page.goto(PROJECT, { waitUntil: "commit" });
  await page.getByRole("heading", { level: 1 }).first().waitFor();
  return sinceNavigation(page);
}

async function tableShown(page: Page): Promise<number> {
  await page.goto(`${PROJECT}/networks`);
  await page.getByRole("heading", { name: "Networks" }).waitFor();
  await page.waitForTimeout(500);
  return untilRows(page, "nav a[href$='/vms']", "click");
}

async function filtered(page: Page): Promise<number> {
  await page.goto(`${PROJECT}/vms`);
  await expect(page.getByRole("grid").getByRole("row")).toHaveCount(51);
  await page.getByRole("combobox", { name: "Filter virtual machines" }).fill("vm-77");
  await page.waitForTimeout(500);
  return untilRows(page, "", "Enter");
}

/** From the deed until fifty other rows are drawn: measured in the page, by its own clock. */
async function untilRows(page: Page, selector: string, deed: "click" | "Enter"): Promise<number> {
  // The clock is there before the deed: an evaluation and a key press would race.
  const clock = await page.evaluateHandle(() => ({
    drawn: new Promise<number>((resolve) => {
      const links = () => document.querySelectorAll("tbody tr a");
      const known = links()[0]?.textContent;
      let began = 0;
      const begin = () => (began ||= performance.now());
      for (const each of ["pointerdown", "keydown"]) document.addEventListener(each, begin, { capture: true });
      const look = () => {
        const isDrawn = began && links().length >= 50 && links()[0]?.textContent !== known;
        requestAnimationFrame(isDrawn ? () => resolve(performance.now() - began) : look);
      };
      look();
    }),
  }));
  if (deed === "click") await page.locator(selector).first().click();
  else await page.keyboard.press("Enter");
  return clock.evaluate(({ drawn }) => drawn);
}
