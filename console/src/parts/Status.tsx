/** Statuses, states and other words that say how something is, with their colour and sign. */

import StatusIndicator, { type StatusIndicatorProps } from "@cloudscape-design/components/status-indicator";

const SIGNS: Record<string, StatusIndicatorProps.Type> = {
  active: "success",
  running: "success",
  succeeded: "success",
  allowed: "success",
  true: "success",
  creating: "in-progress",
  updating: "in-progress",
  deleting: "in-progress",
  retrying: "warning",
  pending: "pending",
  stopped: "stopped",
  deleted: "stopped",
  paused: "stopped",
  false: "stopped",
  error: "error",
  failed: "error",
  crashed: "error",
  denied: "error",
};
/** Of jobs, RUNNING is on the way; of machines, running is fine. */
const STATES: Record<string, StatusIndicatorProps.Type> = { RUNNING: "in-progress" };

export function Status({ value }: { value: string }) {
  const type = STATES[value] ?? SIGNS[value.toLowerCase()];
  const text = value.charAt(0).toUpperCase() + value.slice(1).toLowerCase();
  return type ? <StatusIndicator type={type}>{text}</StatusIndicator> : <>{text}</>;
}

/** Whether a word is one of those that have a sign. */
export function hasSign(value: unknown): value is string {
  return typeof value === "string" && value in SIGNS;
}
