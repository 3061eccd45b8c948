/** A trace's trees of spans as the rows of a waterfall. */

import type { Span } from "./job";

export interface Row {
  /** Which one it is: the way to it through the trees. */
  key: string;
  span: Span;
  /** From 1. */
  level: number;
  isOpen: boolean;
  /** Its place among those of the same parent, from 1, and how many these are. */
  position: number;
  siblings: number;
}

/** The rows that are seen: those below a closed one are not. */
export function rowsOf(spans: Span[], closed: ReadonlySet<string>, level = 1, parent = ""): Row[] {
  return spans.flatMap((span, index) => {
    const key = `${parent}/${index}`;
    const isOpen = !closed.has(key);
    const row: Row = { key, span, level, isOpen, position: index + 1, siblings: spans.length };
    return isOpen ? [row, ...rowsOf(span.children, closed, level + 1, key)] : [row];
  });
}

/** Where a bar begins and how long it is, in percent of the whole. What is too short to be seen is shown all the same. */
export function barOf({ start_ms, duration_ms }: Span, whole: number): { left: number; width: number } {
  const left = whole > 0 ? Math.min(99.5, (Math.max(0, start_ms) / whole) * 100) : 0;
  const width = whole > 0 ? Math.max(0.5, (duration_ms / whole) * 100) : 100;
  return { left, width: Math.min(width, 100 - left) };
}

/** Round numbers of milliseconds along the top. */
export function ticksOf(whole: number, most = 5): number[] {
  if (whole <= 0) return [0];
  const rough = whole / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough) ?? rough;
  return Array.from({ length: Math.floor(whole / step) + 1 }, (_, index) => index * step);
}

/** "0.3 ms", "1.25 s". */
export function time(ms: number): string {
  if (ms >= 60_000) return `${(ms / 60_000).toLocaleString("en", { maximumFractionDigits: 1 })} min`;
  if (ms >= 1000) return `${(ms / 1000).toLocaleString("en", { maximumFractionDigits: 2 })} s`;
  return `${ms.toLocaleString("en", { maximumFractionDigits: ms < 10 ? 1 : 0 })} ms`;
}
