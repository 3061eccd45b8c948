/**
 * Journeys through the console in Debian's chromium, against the installation that the environment names: `tests/console` in the
 * repository brings one up and says where it is (GROUNDPLANE_URL, GROUNDPLANE_ADMIN: the file with the administrator's credentials).
 */

import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: "tests/journeys",
  outputDir: "test-results",
  workers: 1,
  timeout: 90_000,
  expect: { timeout: 15_000 },
  reporter: "line",
  use: {
    baseURL: process.env["GROUNDPLANE_URL"] ?? "http://127.0.0.1:8700",
    viewport: { width: 1440, height: 900 },
    actionTimeout: 15_000,
    screenshot: "only-on-failure",
    launchOptions: {
      executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
    },
  },
});
