/** The part of a topology that is looked for. */

import { type Topology, neighboursOf } from "./layout";

/** Without some kinds; only what is called like `text`, with all that hangs on it or on which it hangs, two links far. */
export function narrowed(topology: Topology, text: string, hidden: string[]): Topology {
  const kinds = new Set(hidden);
  const nodes = topology.nodes.filter(({ kind }) => !kinds.has(kind));
  const kept = text ? around(topology, nodes, text.toLowerCase()) : new Set(nodes.map(({ id }) => id));
  const shown = nodes.filter(({ id }) => kept.has(id));
  const ids = new Set(shown.map(({ id }) => id));
  return { ...topology, nodes: shown, links: topology.links.filter(({ from, to }) => ids.has(from) && ids.has(to)) };
}

/** The kinds of which nothing hangs together with anything: a picture tells nothing of them. None, if that is all. */
export function unlinked({ nodes, links }: Topology): string[] {
  const ends = new Set(links.flatMap(({ from, to }) => [from, to]));
  const linked = new Set(nodes.filter(({ id }) => ends.has(id)).map(({ kind }) => kind));
  if (!linked.size) return [];
  return [...new Set(nodes.map(({ kind }) => kind))].filter((kind) => !linked.has(kind));
}

const FAR = 2;

function around({ links }: Topology, nodes: Topology["nodes"], text: string): Set<string> {
  const neighbours = neighboursOf(links);
  const kept = new Set(nodes.filter(({ id, name }) => name.includes(text) || id === text).map(({ id }) => id));
  let edge = [...kept];
  for (let step = 0; step < FAR; step++) {
    edge = edge.flatMap((id) => neighbours.get(id) ?? []).filter((id) => !kept.has(id));
    for (const id of edge) kept.add(id);
  }
  return kept;
}
