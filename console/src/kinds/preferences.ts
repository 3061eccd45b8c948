/** How somebody likes a kind's table: kept in this browser, by kind. */

import type { CollectionPreferencesProps } from "@cloudscape-design/components/collection-preferences";
import { useState } from "react";

export interface Preferences {
  pageSize: number;
  wrapLines: boolean;
  stripedRows: boolean;
  contentDensity: "comfortable" | "compact";
  contentDisplay: readonly CollectionPreferencesProps.ContentDisplayItem[];
}

export function usePreferences(
  name: string,
  columns: { id: string; visible: boolean }[],
): [Preferences, (next: Preferences) => void] {
  const key = `groundplane.table.${name}`;
  const [kept, setKept] = useState<Partial<Preferences>>(() => read(key));
  const preferences: Preferences = {
    pageSize: 50,
    wrapLines: false,
    stripedRows: false,
    contentDensity: "comfortable",
    ...kept,
    contentDisplay: displayed(kept.contentDisplay ?? [], columns),
  };
  const keep = (next: Preferences) => {
    localStorage.setItem(key, JSON.stringify(next));
    setKept(next);
  };
  return [preferences, keep];
}

function read(key: string): Partial<Preferences> {
  try {
    return JSON.parse(localStorage.getItem(key) ?? "{}") as Partial<Preferences>;
  } catch {
    return {};
  }
}

/** What was chosen, of the columns that there are; a column that is new to this browser stands at the end. */
function displayed(
  chosen: readonly CollectionPreferencesProps.ContentDisplayItem[],
  columns: { id: string; visible: boolean }[],
): CollectionPreferencesProps.ContentDisplayItem[] {
  const there = chosen.filter((each) => columns.some((column) => column.id === each.id));
  const fresh = columns.filter((column) => !there.some((each) => each.id === column.id));
  return [...there, ...fresh];
}
