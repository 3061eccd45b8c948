/** One resource, and what else the API tells of it. */

import { useQuery } from "@tanstack/react-query";

import { call } from "../api/call";
import { type Kind, type Resource, apiPath } from "../api/catalog";
import type { Place } from "../api/place";
import { keys } from "../api/queries";

export function useItem(kind: Kind, place: Place, reference: string) {
  return useQuery({
    queryKey: keys.item(place, kind.name, reference),
    queryFn: ({ signal }) => call<Resource>(apiPath(kind, place, reference), { signal }),
  });
}

/** `part`: `links`, `history`, `why`. */
export function useItemPart<T>(kind: Kind, place: Place, reference: string, part: string) {
  return useQuery({
    queryKey: keys.item(place, kind.name, reference, part),
    queryFn: ({ signal }) => call<T>(apiPath(kind, place, reference, part), { signal }),
  });
}
