/** Where a page is: in a project, in an organization, or on the platform. It stands at the beginning of the address. */

import { useParams } from "react-router";

export type Place =
  { scope: "project"; id: string } | { scope: "organization"; id: string } | { scope: "platform"; id: null };
export type Scope = Place["scope"];

export const PLATFORM: Place = { scope: "platform", id: null };

/** The address of a place. */
export function placePath(place: Place): string {
  if (place.scope === "platform") return "/console/ops";
  return place.scope === "project" ? `/console/p/${place.id}` : `/console/o/${place.id}`;
}

/** The place that an address is in; null for pages of none: one's own, and the beginning. */
export function placeAt(pathname: string): Place | null {
  const [, , section, id] = pathname.split("/");
  if (section === "ops") return PLATFORM;
  if (section === "p" && id) return { scope: "project", id };
  return section === "o" && id ? { scope: "organization", id } : null;
}

/** The place that the address says. */
export function usePlace(): Place {
  const { project, organization } = useParams();
  if (project) return { scope: "project", id: project };
  return organization ? { scope: "organization", id: organization } : PLATFORM;
}
