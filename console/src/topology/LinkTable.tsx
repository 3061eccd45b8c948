/** The picture in words: each resource, what it uses and what uses it. */

import Table from "@cloudscape-design/components/table";
import { useMemo } from "react";

import type { Catalog } from "../api/catalog";
import type { Place } from "../api/place";
import { ResourceLink } from "../parts/ResourceLink";
import { Status } from "../parts/Status";
import type { Node, Topology } from "./layout";

interface Props {
  topology: Topology;
  place: Place;
  catalog: Catalog;
}

export function LinkTable({ topology, place, catalog }: Props) {
  const { uses, usedBy } = useMemo(() => endsOf(topology), [topology]);
  const links = (nodes: Node[] | undefined) =>
    nodes?.length ? (
      <ul className="plain">
        {nodes.map(({ id, name, kind }) => (
          <li key={id}>
            {kind.replaceAll("_", " ")} <ResourceLink id={id} name={name} place={place} />
          </li>
        ))}
      </ul>
    ) : (
      "–"
    );
  return (
    <Table
      variant="container"
      wrapLines
      trackBy="id"
      items={topology.nodes}
      ariaLabels={{ tableLabel: "What uses what" }}
      columnDefinitions={[
        {
          id: "name",
          header: "Name",
          isRowHeader: true,
          cell: ({ id, name }) => <ResourceLink id={id} name={name} place={place} />,
        },
        { id: "kind", header: "Kind", cell: ({ kind }) => catalog.named(kind)?.title ?? kind },
        { id: "status", header: "Status", cell: ({ status }) => <Status value={status} /> },
        { id: "uses", header: "Uses", cell: ({ id }) => links(uses.get(id)) },
        { id: "usedBy", header: "Used by", cell: ({ id }) => links(usedBy.get(id)) },
      ]}
    />
  );
}

function endsOf({ nodes, links }: Topology): { uses: Map<string, Node[]>; usedBy: Map<string, Node[]> } {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const uses = new Map<string, Node[]>();
  const usedBy = new Map<string, Node[]>();
  const add = (ends: Map<string, Node[]>, at: string, other: Node | undefined) => {
    if (other) ends.set(at, [...(ends.get(at) ?? []), other]);
  };
  for (const { from, to } of links) {
    add(uses, from, byId.get(to));
    add(usedBy, to, byId.get(from));
  }
  return { uses, usedBy };
}
