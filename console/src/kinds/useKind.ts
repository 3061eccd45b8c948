/** The kind that the address names. */

import { useParams } from "react-router";

import { type Kind, useCatalog } from "../api/catalog";
import { type May, usePermissions } from "../api/me";
import { type Place, usePlace } from "../api/place";
import { pages } from "../pages";

export interface Here {
  kind: Kind;
  place: Place;
  /** Whether one may do a verb of the kind here. */
  can: (verb: string) => boolean;
  may: May;
}

/** Null when there is no such kind in this place. */
export function useHere(): Here | null {
  const { plural = "" } = useParams();
  const place = usePlace();
  const kind = useCatalog().at(place.scope, plural);
  const may = usePermissions(place);
  return kind ? { kind, place, may, can: (verb) => may(kind.permissions[verb]) } : null;
}

const PREFIX = { project: "p/:project", organization: "o/:organization", platform: "ops" };

/** Whether there is a form to make one: from its schema, or a page of its own in the page table. */
export function isMadeHere(kind: Kind): boolean {
  return kind.create !== null || pages.some((page) => page.path === `${PREFIX[kind.scope]}/${kind.plural}/create`);
}
