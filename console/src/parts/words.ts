/** How amounts and times read. */

const STEPS = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** 2048 MiB → "2 GiB"; 1500 vCPUs → "1,500 vCPUs". Amounts of memory and disk go up a unit as long as nothing is lost. */
export function amount(value: number, unit?: string | null): string {
  let step = STEPS.indexOf(unit ?? "");
  let shown = value;
  while (step >= 0 && step < STEPS.length - 1 && shown >= 1024 && (unit === "bytes" || shown % 1024 === 0)) {
    shown /= 1024;
    step++;
  }
  const text = shown.toLocaleString("en", { maximumFractionDigits: 1 });
  const name = step >= 0 ? STEPS[step] : unit;
  return name ? `${text} ${name}` : text;
}

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const absolute = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" });

/** "3 minutes ago". */
export function ago(time: string, now = Date.now()): string {
  const seconds = (new Date(time).getTime() - now) / 1000;
  const found = UNITS.find(([, length]) => Math.abs(seconds) >= length);
  return found ? relative.format(Math.trunc(seconds / found[1]), found[0]) : "just now";
}

/** "Nov 26, 2026, 8:00:00 AM", in the reader's own time. */
export function moment(time: string): string {
  return absolute.format(new Date(time));
}

/** "0.42 s", "3 min 5 s". */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(2)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A title within a sentence: "Virtual machine" → "virtual machine", and "SSH key" as it is. */
export function inSentence(title: string): string {
  return /^.[A-Z]/.test(title) ? title : title.charAt(0).toLowerCase() + title.slice(1);
}
