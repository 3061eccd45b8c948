/** For `make pictures`: the browser as the journeys have it, to be looked at. */

import { defineConfig } from "@playwright/test";

import journeys from "./playwright.config.ts";

export default defineConfig({
  ...journeys,
  testDir: "tests/pictures",
  timeout: 300_000,
  use: { ...journeys.use, screenshot: "off" },
});
