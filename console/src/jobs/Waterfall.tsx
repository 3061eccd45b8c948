/** A trace as a waterfall: a tree grid, by arrow keys or pointer; below it, what is known of the span that is chosen. */

import Box from "@cloudscape-design/components/box";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import { type CSSProperties, type KeyboardEvent, useRef, useState } from "react";

import type { Span, Trace } from "./job";
import { type Row, barOf, rowsOf, ticksOf, time } from "./waterfall";

export function Waterfall({ trace }: { trace: Trace }) {
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const rows = rowsOf(trace.spans, closed);
  const [chosen, setChosen] = useState("/0");
  const current = rows.find(({ key }) => key === chosen) ?? rows[0];
  const grid = useRef<HTMLDivElement>(null);
  const whole = Math.max(trace.duration_ms, ...rows.map(({ span }) => span.start_ms + span.duration_ms));
  const choose = (row: Row | undefined) => {
    if (!row) return;
    setChosen(row.key);
    grid.current?.querySelector<HTMLElement>(`[data-key="${row.key}"]`)?.focus();
  };
  const toggle = (row: Row) => {
    const next = new Set(closed);
    if (!next.delete(row.key)) next.add(row.key);
    setClosed(next);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const index = rows.findIndex(({ key }) => key === current?.key);
    const row = rows[index];
    if (!row) return;
    const act = keyAction(event.key, row, rows, index);
    if (!act) return;
    event.preventDefault();
    if (act === "toggle") toggle(row);
    else choose(act);
  };
  return (
    <div className="waterfall">
      <div role="treegrid" aria-label="Waterfall" ref={grid} onKeyDown={onKeyDown}>
        <Scale whole={whole} />
        {rows.map((row) => (
          <Bar
            key={row.key}
            row={row}
            whole={whole}
            isCurrent={row.key === current?.key}
            onChoose={() => choose(row)}
            onToggle={() => toggle(row)}
          />
        ))}
      </div>
      {current && <Facts span={current.span} />}
    </div>
  );
}

/** Which row a key leads to, as tree grids have it (ARIA Authoring Practices). */
function keyAction(key: string, row: Row, rows: Row[], index: number): Row | "toggle" | undefined {
  const hasChildren = row.span.children.length > 0;
  switch (key) {
    case "ArrowDown":
      return rows[index + 1];
    case "ArrowUp":
      return rows[index - 1];
    case "Home":
      return rows[0];
    case "End":
      return rows.at(-1);
    case "ArrowRight":
      return hasChildren && !row.isOpen ? "toggle" : undefined;
    case "ArrowLeft":
      if (hasChildren && row.isOpen) return "toggle";
      return rows.slice(0, index).findLast(({ level }) => level < row.level);
    case "Enter":
    case " ":
      return hasChildren ? "toggle" : undefined;
    default:
      return undefined;
  }
}

function Scale({ whole }: { whole: number }) {
  return (
    <div role="row" className="waterfall-row waterfall-scale">
      <span role="columnheader">Span</span>
      <span role="columnheader">Took</span>
      <span role="columnheader" className="waterfall-track" aria-label="When">
        {ticksOf(whole).map((tick) => (
          <span key={tick} className="waterfall-tick" style={{ insetInlineStart: `${(tick / whole) * 100}%` }}>
            {time(tick)}
          </span>
        ))}
      </span>
    </div>
  );
}

interface BarProps {
  row: Row;
  whole: number;
  isCurrent: boolean;
  onChoose: () => void;
  onToggle: () => void;
}

function Bar({ row, whole, isCurrent, onChoose, onToggle }: BarProps) {
  const { span, level, isOpen } = row;
  const { left, width } = barOf(span, whole);
  const hasChildren = span.children.length > 0;
  return (
    <div
      role="row"
      className="waterfall-row"
      data-key={row.key}
      aria-level={level}
      aria-posinset={row.position}
      aria-setsize={row.siblings}
      aria-expanded={hasChildren ? isOpen : undefined}
      aria-selected={isCurrent}
      tabIndex={isCurrent ? 0 : -1}
      onClick={onChoose}
    >
      <span role="gridcell" className="waterfall-name" style={{ "--level": level } as CSSProperties}>
        <span className="waterfall-twist" aria-hidden onClick={hasChildren ? onToggle : undefined}>
          {hasChildren ? (isOpen ? "▾" : "▸") : ""}
        </span>
        <span className={`waterfall-service ${span.service}`}>{span.service}</span>
        <span className="waterfall-text" title={span.name}>
          {span.name}
        </span>
        {span.status === "error" && <span className="unseen">failed</span>}
      </span>
      <span role="gridcell" className="waterfall-time">
        {time(span.duration_ms)}
      </span>
      <span role="gridcell" className="waterfall-track" aria-label={`begins at ${time(span.start_ms)}`}>
        <span
          className={`waterfall-bar ${span.status === "error" ? "error" : span.service}`}
          style={{ insetInlineStart: `${left}%`, inlineSize: `${width}%` }}
        />
      </span>
    </div>
  );
}

function Facts({ span }: { span: Span }) {
  const attributes = Object.entries(span.attributes).map(([label, value]) => ({
    label: label.replace("groundplane.", "").replaceAll("_", " "),
    value: <span className="word">{String(value)}</span>,
  }));
  return (
    <div className="waterfall-facts">
      <Box variant="h3" padding={{ bottom: "xs" }}>
        {span.name}
      </Box>
      <KeyValuePairs
        columns={4}
        items={[
          { label: "Service", value: span.service },
          { label: "Begins at", value: time(span.start_ms) },
          { label: "Took", value: time(span.duration_ms) },
          ...(span.error ? [{ label: "Fault", value: span.error }] : []),
          ...attributes,
        ]}
      />
    </div>
  );
}
