/** How many there are of each kind. */

import Header from "@cloudscape-design/components/header";

import { type Catalog, kindPath } from "../api/catalog";
import type { Place } from "../api/place";
import type { Summary } from "./summary";

interface Props {
  summary: Summary;
  place: Place;
  catalog: Catalog;
}

/** What is not of the place itself is counted there, and listed where it is. */
export function KindCounts({ summary, place, catalog }: Props) {
  return (
    <section className="card" aria-label="Resources">
      <Header variant="h2">Resources</Header>
      <ul className="counts">
        {summary.kinds.map(({ kind: name, total }) => {
          const kind = catalog.named(name);
          if (!kind) return null;
          const count = (
            <>
              <span>{kind.title_plural}</span>
              <b>{total.toLocaleString("en")}</b>
            </>
          );
          return (
            <li key={name}>
              {kind.scope === place.scope ? <a href={kindPath(kind, place)}>{count}</a> : <div>{count}</div>}
            </li>
          );
        })}
      </ul>
    </section>
  );
}
