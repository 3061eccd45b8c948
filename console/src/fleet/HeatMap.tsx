/** Hosts as cells: coloured by what is chosen, and saying the same by a number or a sign, and in words. */

import { type KeyboardEvent, useState } from "react";

import { hostPath } from "./concerns";
import type { HostHealth } from "./health";
import {
  LEVELS,
  type Measure,
  STATES,
  type State,
  cellText,
  levelOf,
  percentOf,
  shareOf,
  stateOf,
  stepFrom,
} from "./heat";

/** So many hosts are shown with their names. */
const NAMED = 60;

interface Props {
  label: string;
  hosts: HostHealth[];
  measure: Measure;
}

/** One stop of the Tab key; arrows, Home and End go from cell to cell. */
export function HeatMap({ label, hosts, measure }: Props) {
  const [current, setCurrent] = useState(0);
  const reachable = Math.min(current, hosts.length - 1);
  const walk = (event: KeyboardEvent<HTMLUListElement>) => {
    const cells = [...event.currentTarget.querySelectorAll<HTMLAnchorElement>("a")];
    const at = cells.findIndex((cell) => cell === document.activeElement);
    const to = stepFrom(at, event.key, cells.length, columnsOf(cells));
    if (at < 0 || to === null) return;
    event.preventDefault();
    setCurrent(to);
    cells[to]?.focus();
  };
  return (
    <ul className={`heat ${hosts.length > NAMED ? "dense" : ""}`} aria-label={label} onKeyDown={walk}>
      {hosts.map((host, index) => (
        <li key={host.host_id}>
          <Cell host={host} measure={measure} tabIndex={index === reachable ? 0 : -1} />
        </li>
      ))}
    </ul>
  );
}

/** How many stand in the first row, as the grid has laid them out. */
function columnsOf(cells: HTMLAnchorElement[]): number {
  const top = cells[0]?.getBoundingClientRect().top;
  return cells.filter((cell) => cell.getBoundingClientRect().top === top).length;
}

function Cell({ host, measure, tabIndex }: { host: HostHealth; measure: Measure; tabIndex: number }) {
  const text = cellText(host, measure);
  const state = stateOf(host);
  const share = measure === "health" ? null : shareOf(host.capacity[measure]);
  const colour = measure === "health" ? state : share === null ? "nothing" : `level-${levelOf(share)}`;
  return (
    <a className={`cell ${colour}`} href={hostPath(host.host_id)} title={text} tabIndex={tabIndex}>
      <span className="unseen">{text}</span>
      <span className="cell-name" aria-hidden="true">
        {host.host_name}
      </span>
      <b aria-hidden="true">{share === null ? STATES[state].mark : percentOf(share)}</b>
      {measure !== "health" && state !== "healthy" && <i aria-hidden="true">{STATES[state].mark}</i>}
    </a>
  );
}

const WORTH_A_SIGN: State[] = ["closed", "unreachable", "silent"];

/** What colours and signs stand for. */
export function Legend({ measure }: { measure: Measure }) {
  const states = Object.entries(STATES) as [State, { title: string; mark: string }][];
  return (
    <ul className="legend" aria-label="Legend">
      {measure === "health"
        ? states.map(([state, { title, mark }]) => (
            <li key={state}>
              <span className={`swatch ${state}`} aria-hidden="true">
                {mark}
              </span>
              {title}
            </li>
          ))
        : LEVELS.map((from, level) => (
            <li key={from}>
              <span className={`swatch level-${level}`} aria-hidden="true" />
              {levelText(level)}
            </li>
          ))}
      {measure !== "health" &&
        WORTH_A_SIGN.map((state) => (
          <li key={state}>
            <span className="sign" aria-hidden="true">
              {STATES[state].mark}
            </span>
            {STATES[state].title}
          </li>
        ))}
    </ul>
  );
}

function levelText(level: number): string {
  const next = LEVELS[level + 1];
  return next === undefined ? `${LEVELS[level]} % or more` : `${LEVELS[level]}–${next - 1} %`;
}
