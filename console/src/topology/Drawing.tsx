/** The picture. Each node is a link to its page; what it hangs together with is lit while it is pointed at or focused. */

import "./topology.css";

import { useMemo, useState } from "react";

import { type Catalog, kindPath } from "../api/catalog";
import type { Place } from "../api/place";
import { HEIGHT, type Picture, type Placed, type Topology, WIDTH, neighboursOf, pictureOf } from "./layout";

interface Props {
  topology: Topology;
  place: Place;
  catalog: Catalog;
}

const MARGIN = 8;
/** Narrower than that, it is scrolled instead of being made smaller still. */
const LEAST = 1000;

export function Drawing({ topology, place, catalog }: Props) {
  const picture = useMemo(() => pictureOf(topology), [topology]);
  const neighbours = useMemo(() => neighboursOf(topology.links), [topology]);
  const [lit, setLit] = useState<string | null>(null);
  const near = lit === null ? null : new Set([lit, ...(neighbours.get(lit) ?? [])]);
  const { width, height } = picture;
  return (
    <div className="topology">
      <svg
        style={{ inlineSize: "100%", minInlineSize: Math.min(width, LEAST), maxInlineSize: width + 2 * MARGIN }}
        viewBox={`${-MARGIN} ${-MARGIN} ${width + 2 * MARGIN} ${height + 2 * MARGIN}`}
        role="group"
        aria-label="Picture of what uses what"
      >
        {picture.columns.map(({ kind, x, count }) => (
          <text key={kind} x={x} y={14} className="topology-title">
            {catalog.named(kind)?.title_plural ?? kind} ({count})
          </text>
        ))}
        <Links picture={picture} lit={lit} />
        {picture.nodes.map((placed) => (
          <Box
            key={placed.node.id}
            placed={placed}
            href={addressOf(placed, place, catalog)}
            isDim={near !== null && !near.has(placed.node.id)}
            onLit={setLit}
          />
        ))}
      </svg>
    </div>
  );
}

function addressOf({ node }: Placed, place: Place, catalog: Catalog): string {
  const kind = catalog.named(node.kind);
  return kind ? kindPath(kind, place, node.id) : "";
}

function Links({ picture, lit }: { picture: Picture; lit: string | null }) {
  const at = new Map(picture.nodes.map((placed) => [placed.node.id, placed]));
  return (
    <g aria-hidden>
      {picture.links.map(({ from, to, role }) => {
        const one = at.get(from);
        const other = at.get(to);
        if (!one || !other) return null;
        const isLit = lit === from || lit === to;
        const state = lit === null ? "" : isLit ? "lit" : "dim";
        return <path key={`${from} ${to} ${role}`} d={curve(one, other)} className={`topology-link ${state}`} />;
      })}
    </g>
  );
}

/** From the side of one to the facing side of the other. */
function curve(one: Placed, other: Placed): string {
  const [left, right] = one.x <= other.x ? [one, other] : [other, one];
  const startX = left.x + WIDTH;
  const startY = left.y + HEIGHT / 2;
  const endY = right.y + HEIGHT / 2;
  if (left.x === right.x) {
    const bend = startX + 36;
    return `M ${startX} ${startY} C ${bend} ${startY}, ${bend} ${endY}, ${startX} ${endY}`;
  }
  const middle = (startX + right.x) / 2;
  return `M ${startX} ${startY} C ${middle} ${startY}, ${middle} ${endY}, ${right.x} ${endY}`;
}

const LONGEST = 16;

interface BoxProps {
  placed: Placed;
  href: string;
  isDim: boolean;
  onLit: (id: string | null) => void;
}

function Box({ placed: { node, x, y }, href, isDim, onLit }: BoxProps) {
  const name = node.name.length > LONGEST ? `${node.name.slice(0, LONGEST - 1)}…` : node.name;
  return (
    <a
      href={href}
      className={`topology-node ${isDim ? "dim" : ""}`}
      aria-label={`${node.kind.replaceAll("_", " ")} ${node.name}, ${node.status}`}
      onPointerEnter={() => onLit(node.id)}
      onPointerLeave={() => onLit(null)}
      onFocus={() => onLit(node.id)}
      onBlur={() => onLit(null)}
    >
      <title>{`${node.name} (${node.status})`}</title>
      <rect x={x} y={y} width={WIDTH} height={HEIGHT} rx={7} />
      <circle cx={x + 14} cy={y + HEIGHT / 2} r={5} className={`topology-status ${node.status}`} />
      <text x={x + 26} y={y + HEIGHT / 2 + 4.5}>
        {name}
      </text>
    </a>
  );
}
