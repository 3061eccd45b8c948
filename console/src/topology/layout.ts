/**
 * Where a topology's nodes stand: a column for each kind, from networks to images; in a column, each as near as can be to what
 * it hangs on. No more than that is needed, since links go from column to column.
 */

import type { components } from "../api/tenant";

export type Topology = components["schemas"]["Topology"];
export type Node = Topology["nodes"][number];
export type Link = Topology["links"][number];

export interface Placed {
  node: Node;
  x: number;
  y: number;
}

export interface Picture {
  columns: { kind: string; x: number; count: number }[];
  nodes: Placed[];
  links: Link[];
  width: number;
  height: number;
}

export const WIDTH = 150;
export const HEIGHT = 28;
const COLUMN = 196;
const ROW = 38;
const TOP = 36;
const SWEEPS = 6;
/** The columns' order; kinds that we have no place for stand behind. */
const ORDER = ["network", "subnet", "security_group", "port", "vm", "volume", "image"];

export function pictureOf({ nodes, links }: Topology): Picture {
  const columns = columnsOf(nodes);
  const shown = withoutDetours(links);
  const [before, after] = sidesOf(columns, shown);
  const rows = new Map<string, number>();
  for (const column of columns) column.forEach((node, index) => rows.set(node.id, index));
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    if (sweep % 2) for (const column of [...columns].reverse()) settle(column, after, rows);
    else for (const column of columns) settle(column, before, rows);
  }
  const highest = Math.min(...rows.values());
  const lowest = Math.max(...rows.values());
  return {
    columns: columns.map((column, index) => ({
      kind: column[0]?.kind ?? "",
      x: index * COLUMN,
      count: column.length,
    })),
    nodes: columns.flatMap((column, index) =>
      column.map((node) => ({ node, x: index * COLUMN, y: TOP + ((rows.get(node.id) ?? 0) - highest) * ROW })),
    ),
    links: shown,
    width: Math.max(0, columns.length - 1) * COLUMN + WIDTH,
    height: columns.length ? TOP + (lowest - highest + 1) * ROW : TOP,
  };
}

/** The neighbours of each node in the columns before its own, and in those behind it. */
function sidesOf(columns: Node[][], links: Link[]): [Map<string, string[]>, Map<string, string[]>] {
  const at = new Map(columns.flatMap((column, index) => column.map(({ id }) => [id, index])));
  const onSide = (isOnSide: (own: number, other: number) => boolean) =>
    new Map(
      [...neighboursOf(links)].map(([id, others]) => [
        id,
        others.filter((other) => isOnSide(at.get(id) ?? 0, at.get(other) ?? 0)),
      ]),
    );
  return [onSide((own, other) => other < own), onSide((own, other) => other > own)];
}

function columnsOf(nodes: Node[]): Node[][] {
  const byKind = grouped(nodes, ({ kind }) => kind);
  const rank = (kind: string) => (ORDER.includes(kind) ? ORDER.indexOf(kind) : ORDER.length);
  const kinds = [...byKind.keys()].sort((one, other) => rank(one) - rank(other) || one.localeCompare(other));
  return kinds.map((kind) =>
    (byKind.get(kind) ?? []).sort((one, other) => one.name.localeCompare(other.name, "en", { numeric: true })),
  );
}

/** A link is left out where another way of two links says the same: a port's network, when its subnet's is shown. */
export function withoutDetours(links: Link[]): Link[] {
  const targets = grouped(links, ({ from }) => from);
  const isDetour = ({ from, to }: Link) =>
    (targets.get(from) ?? []).some(
      (first) => first.to !== to && (targets.get(first.to) ?? []).some((second) => second.to === to),
    );
  return links.filter((link) => !isDetour(link));
}

export function neighboursOf(links: Link[]): Map<string, string[]> {
  const both = links.flatMap(({ from, to }) => [
    { from, to },
    { from: to, to: from },
  ]);
  return new Map([...grouped(both, ({ from }) => from)].map(([id, ends]) => [id, ends.map(({ to }) => to)]));
}

/** Orders a column by where its neighbours on one side stand, and moves each as near to them as the others leave room. */
function settle(column: Node[], neighbours: Map<string, string[]>, rows: Map<string, number>): void {
  const wanted = new Map(column.map(({ id }) => [id, middle(id, neighbours, rows)]));
  column.sort((one, other) => (wanted.get(one.id) ?? 0) - (wanted.get(other.id) ?? 0));
  const free = spread(column.map(({ id }) => wanted.get(id) ?? 0));
  column.forEach(({ id }, index) => rows.set(id, free[index] ?? index));
}

function middle(id: string, neighbours: Map<string, string[]>, rows: Map<string, number>): number {
  const near = (neighbours.get(id) ?? []).flatMap((other) => rows.get(other) ?? []);
  if (!near.length) return rows.get(id) ?? 0;
  return near.reduce((sum, row) => sum + row, 0) / near.length;
}

/** Rows at least one apart, as near as can be to those that are wanted (in ascending order): those that crowd share their shift. */
export function spread(wanted: number[]): number[] {
  const blocks: { sum: number; count: number }[] = [];
  for (const [index, row] of wanted.entries()) {
    blocks.push({ sum: row - index, count: 1 });
    for (
      let last = blocks.at(-1), before = blocks.at(-2);
      last && before;
      last = blocks.at(-1), before = blocks.at(-2)
    ) {
      if (before.sum / before.count < last.sum / last.count) break;
      blocks.splice(-2, 2, { sum: before.sum + last.sum, count: before.count + last.count });
    }
  }
  const shifts = blocks.flatMap(({ sum, count }) => Array.from({ length: count }, () => sum / count));
  return shifts.map((shift, index) => shift + index);
}

function grouped<T>(items: T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}
