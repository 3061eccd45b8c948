/** What the lines of a job's history say, in sentences. */

import type { StatusIndicatorProps } from "@cloudscape-design/components/status-indicator";

import { isRecord } from "../kinds/schema";
import type { Step } from "./job";

export interface Line {
  at: string;
  sign: StatusIndicatorProps.Type;
  text: string;
  /** Calls, faults, reasons: one a line. */
  more: string[];
}

export function lineOf(step: Step): Line {
  const { what, at } = step;
  const tell = LINES[what];
  const { sign, text } = tell ? tell(step) : { sign: "info" as const, text: what.replaceAll("_", " ") };
  return { at, sign, text, more: moreOf(step) };
}

type Told = Pick<Line, "sign" | "text">;

const LINES: Record<string, (step: Step) => Told> = {
  entered: ({ step }) => ({ sign: "info", text: `Step ${step} began` }),
  asked: () => ({ sign: "in-progress", text: "Asked the host's agent" }),
  unanswered: () => ({ sign: "warning", text: "No answer in time" }),
  reported: ({ detail }) =>
    isRecord(detail["fault"])
      ? { sign: "error", text: "The agent reported a fault" }
      : { sign: "success", text: "The agent reported: done" },
  retrying: () => ({ sign: "warning", text: "Waits for its next try" }),
  retry_requested: () => ({ sign: "info", text: "Somebody asked for another try at once" }),
  cancelling: () => ({ sign: "stopped", text: "Somebody cancelled it" }),
  undoing: () => ({ sign: "in-progress", text: "Undoing what it had done" }),
  step_error: () => ({ sign: "error", text: "The step failed within the platform" }),
  held: () => ({ sign: "pending", text: "A rule of the operators holds it" }),
  released: () => ({ sign: "info", text: "The rule let it through" }),
  succeeded: () => ({ sign: "success", text: "Succeeded" }),
  failed: () => ({ sign: "error", text: "Failed" }),
};

function moreOf({ what, detail }: Step): string[] {
  if (what === "asked") return texts(detail["operations"]);
  if (what === "retrying") return []; // the line before told the fault
  return [...faultLines(detail["fault"]), ...callLines(detail["calls"]), ...texts([detail["reason"]])];
}

function faultLines(fault: unknown): string[] {
  return isRecord(fault) ? texts([fault["message"], `${text(fault["code"])} · ${text(fault["fault_class"])}`]) : [];
}

function callLines(calls: unknown): string[] {
  if (!Array.isArray(calls)) return [];
  return calls.filter(isRecord).map((call) => {
    const milliseconds = typeof call["milliseconds"] === "number" ? ` · ${call["milliseconds"].toFixed(1)} ms` : "";
    return `${text(call["verb"])} ${text(call["kind"])}${milliseconds}`;
  });
}

function texts(values: unknown): string[] {
  return Array.isArray(values) ? values.map(text).filter((each) => each !== "") : [];
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
