/** What the logged-in user sees and may do: projects and organizations, permissions in a place. */

import { useQuery } from "@tanstack/react-query";

import { call } from "./call";
import type { components } from "./common";
import type { Place } from "./place";
import { keys } from "./queries";

/** Where one may go. */
export type Reach = components["schemas"]["OwnPlacesView"];

/** What the user can see by any binding, whose names begin so: all, or the first thousand (`truncated`). */
export function useReach(prefix = "") {
  return useQuery({
    queryKey: prefix ? [...keys.projects, prefix] : keys.projects,
    queryFn: ({ signal }) =>
      call<Reach>("/api/common/v1/me/projects", { query: prefix ? { name_prefix: prefix } : {}, signal }),
    staleTime: 30_000,
  });
}

export type May = (permission: string | undefined) => boolean;

/** Whether the user may do one thing in a place; undefined until it is known. */
export function useIsAllowed(place: Place, permission: string | undefined): boolean | undefined {
  const { data } = usePermitted(place);
  return data && permission !== undefined && data.has(permission);
}

/**
 * What the user may do in a place: `may("compute.vm.create")`. Until that is known, nothing. Pages offer what one may;
 * the API decides anyway.
 */
export function usePermissions(place: Place): May {
  const { data } = usePermitted(place);
  return (permission) => permission !== undefined && (data?.has(permission) ?? false);
}

function usePermitted(place: Place) {
  return useQuery({
    queryKey: keys.permissions(place),
    queryFn: ({ signal }) =>
      call<components["schemas"]["OwnPermissionsView"]>("/api/common/v1/me/permissions", {
        query: place.scope === "platform" ? {} : { [`${place.scope}_id`]: place.id },
        signal,
      }),
    select: ({ permissions }) => new Set(permissions),
    staleTime: 30_000,
    refetchInterval: 60_000, // roles come and go
  });
}
