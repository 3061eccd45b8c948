/** For `bench/console.py`: the browser as the journeys have it, with other things to do. */

import { defineConfig } from "@playwright/test";

import journeys from "./playwright.config.ts";

export default defineConfig({ ...journeys, testDir: "tests/figures" });
