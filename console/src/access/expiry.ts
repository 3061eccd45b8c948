/** Until when something that is given holds. */

export const LASTING = [
  { value: "", label: "Until it is taken away" },
  { value: "1", label: "A day" },
  { value: "7", label: "A week" },
  { value: "30", label: "30 days" },
  { value: "365", label: "A year" },
];

const DAY_MS = 86_400_000;

/** So many days from now, as the API takes it; null for ever. */
export function inDays(days: string): string | null {
  return days ? new Date(Date.now() + Number(days) * DAY_MS).toISOString() : null;
}
