/** Light or dark: as the system has it, until somebody chooses. public/theme.js does the same before the first paint. */

import { Mode, applyMode } from "@cloudscape-design/global-styles";
import { useSyncExternalStore } from "react";

export type Theme = "light" | "dark";

const KEY = "groundplane.theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const watchers = new Set<() => void>();

function chosen(): Theme | null {
  const text = localStorage.getItem(KEY);
  return text === "dark" || text === "light" ? text : null;
}

function current(): Theme {
  return chosen() ?? (system.matches ? "dark" : "light");
}

function apply(): void {
  const theme = current();
  applyMode(theme === "dark" ? Mode.Dark : Mode.Light);
  document.documentElement.dataset["theme"] = theme;
  for (const watcher of watchers) watcher();
}

/** Show the page as it should be, and follow the system. */
export function startTheme(): void {
  apply();
  system.addEventListener("change", apply);
}

export function chooseTheme(theme: Theme): void {
  localStorage.setItem(KEY, theme);
  apply();
}

export function useTheme(): Theme {
  return useSyncExternalStore((watcher) => {
    watchers.add(watcher);
    return () => watchers.delete(watcher);
  }, current);
}
