/** What a page tells the shell about itself: its title, and the way to it. */

import { useEffect, useSyncExternalStore } from "react";

export interface Crumb {
  text: string;
  href: string;
}
export interface Heading {
  title: string;
  /** From the place (which the shell adds) to this page, without it. */
  trail?: Crumb[];
}

let heading: Heading = { title: "" };
const watchers = new Set<() => void>();

/** Each page calls this once, with what is known so far. */
export function useHeading({ title, trail = [] }: Heading): void {
  const text = JSON.stringify({ title, trail });
  useEffect(() => {
    heading = JSON.parse(text) as Heading;
    document.title = heading.title ? `${heading.title} · Groundplane` : "Groundplane";
    for (const watcher of watchers) watcher();
  }, [text]);
}

export function useCurrentHeading(): Heading {
  return useSyncExternalStore(
    (watcher) => {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
    () => heading,
  );
}
