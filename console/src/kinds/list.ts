/** A page of a kind's resources, as the table's view asks for it. */

import { keepPreviousData, useQuery } from "@tanstack/react-query";

import { call } from "../api/call";
import { type Kind, type Resource, apiPath } from "../api/catalog";
import type { Place } from "../api/place";
import { keys } from "../api/queries";
import { type View, listQuery } from "./filters";

export interface ResourcePage {
  items: Resource[];
  next: string | null;
}

export function useList(kind: Kind, place: Place, view: View, limit: number) {
  const query = listQuery(view, limit);
  return useQuery({
    queryKey: keys.list(place, kind.name, query),
    queryFn: ({ signal }) => call<ResourcePage>(apiPath(kind, place), { query, signal }),
    placeholderData: keepPreviousData,
  });
}
