/** What is wrong with a host, from what was heard of it last. */

import type { components } from "../api/ops";

export type HostHealth = components["schemas"]["HostHealth"];

/** An agent looks at its hosts every 30 seconds; who missed three looks is silent. */
const SILENT_SECONDS = 90;

export function isSilent({ silent_seconds: seconds }: HostHealth): boolean {
  return seconds === null || seconds > SILENT_SECONDS;
}

/** In a few words; null: nothing is. */
export function troubleOf(host: HostHealth): string | null {
  if (host.silent_seconds === null) return "Was never heard of: does its agent run?";
  if (isSilent(host)) return "Is not heard of";
  if (host.facts?.["reachable"] !== false) return null;
  const reason = host.facts["reason"];
  return typeof reason === "string" && reason ? reason : "Its agent cannot reach it";
}
