/** The figures that one looks at first, each leading to what it is about. */

import { type Place, placePath } from "../api/place";
import type { Summary } from "./summary";

interface Tile {
  figure: number;
  title: string;
  detail: string;
  href: string;
  mood: "good" | "busy" | "bad" | "calm";
}

export function Tiles({ summary, place }: { summary: Summary; place: Place }) {
  return (
    <ul className="tiles" aria-label="At a glance">
      {tilesOf(summary, placePath(place), place.scope === "platform" ? "fleet" : "vms").map(
        ({ figure, title, detail, href, mood }) => (
          <li key={title}>
            <a href={href} className={`tile ${mood}`}>
              <b>{figure.toLocaleString("en")}</b>
              <span>{title}</span>
              <small>{detail}</small>
            </a>
          </li>
        ),
      )}
    </ul>
  );
}

/** What may not be read has no tile. `machines`: the page of the place that shows where they are. */
export function tilesOf({ kinds, vms, jobs, drift_open: drift }: Summary, path: string, machines = "vms"): Tile[] {
  const broken = kinds.reduce((sum, { statuses }) => sum + (statuses["error"] ?? 0), 0);
  const tiles: Tile[] = [];
  if (vms)
    tiles.push({
      figure: vms.running,
      title: "Machines running",
      detail: `${vms.stopped} stopped, ${vms.other} other`,
      href: `${path}/${machines}`,
      mood: vms.running ? "good" : "calm",
    });
  tiles.push({
    figure: broken,
    title: "In error",
    detail: broken ? "See below why" : "Nothing is wrong",
    href: "#wrong",
    mood: broken ? "bad" : "calm",
  });
  if (jobs) {
    const open = jobs.PENDING + jobs.RUNNING + jobs.RETRYING;
    tiles.push(
      {
        figure: open,
        title: "Jobs going on",
        detail: jobs.RETRYING ? `${jobs.RETRYING} being tried again` : "None is being tried again",
        href: `${path}/jobs`,
        mood: open ? "busy" : "calm",
      },
      {
        figure: jobs.failed_last_day,
        title: "Jobs failed",
        detail: "Within a day",
        href: `${path}/jobs?state=FAILED`,
        mood: jobs.failed_last_day ? "bad" : "calm",
      },
    );
  }
  if (drift !== null)
    tiles.push({
      figure: drift,
      title: "Drift",
      detail: drift ? "What is differs from what should be" : "All is as it should be",
      href: `${path}/drift`,
      mood: drift ? "busy" : "calm",
    });
  return tiles;
}
