/** What a page weighs, whom it asks, and what it may run. */

import { enter, expect, test } from "./house";

const MOST_BYTES = 400_000;

test("login and dashboard are under 400 kB of compressed script, from here alone, with nothing that the policy forbids", async ({
  page,
  project,
  baseURL,
}) => {
  const sizes = new Map<string, number>();
  const strangers: string[] = [];
  const forbidden: string[] = [];
  page.on("response", (response) => {
    const url = new URL(response.url());
    if (url.origin !== new URL(baseURL ?? "").origin && url.protocol !== "data:") strangers.push(response.url());
    if (url.pathname.endsWith(".js")) sizes.set(url.pathname, Number(response.headers()["content-length"] ?? 0));
  });
  page.on("console", (message) => {
    if (message.text().includes("Content Security Policy")) forbidden.push(message.text());
  });
  await enter(page, project.address);
  await page.waitForTimeout(2_000); // the network is never idle: the stream of changes stays open
  const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  console.log(`login and dashboard: ${total} bytes of compressed script in ${sizes.size} files`);
  expect([...sizes.values()].every((size) => size > 0)).toBe(true);
  expect(total).toBeLessThan(MOST_BYTES);
  expect(strangers).toEqual([]);
  expect(forbidden).toEqual([]);
});
