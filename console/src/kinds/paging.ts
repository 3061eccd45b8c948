/**
 * Pages behind cursors, numbered. An API of cursors knows the next page only, so the way that was gone is remembered: `trail[n]`
 * is the cursor at which page n + 1 begins, and the first page's is "".
 */

export interface Paging {
  /** From 1. */
  page: number;
  /** How many pages are known. */
  count: number;
  /** Whether there are more than are known. */
  open: boolean;
}

/** The trail, when the page at `cursor` is shown and `next` is what follows it. A cursor out of nowhere begins a new trail. */
export function walked(trail: string[], cursor: string, next: string | null | undefined): string[] {
  const at = trail.indexOf(cursor);
  const before = at >= 0 ? trail.slice(0, at + 1) : cursor ? ["", cursor] : [""];
  if (next === undefined) return at >= 0 ? trail : before;
  return next ? [...before, next] : before;
}

export function pagingOf(trail: string[], cursor: string, next: string | null | undefined): Paging {
  const page = Math.max(0, trail.indexOf(cursor)) + 1;
  return { page, count: trail.length, open: Boolean(next) };
}

/** Where a page begins. */
export function cursorOf(trail: string[], page: number): string {
  return trail[page - 1] ?? "";
}
