/** For `tests/cloud`: the browser as the journeys have it, against an installation on the real engines, whose guests take their time. */

import { defineConfig } from "@playwright/test";

import journeys from "./playwright.config.ts";

export default defineConfig({ ...journeys, testDir: "tests/real", timeout: 300_000 });
