/** A project's or an organization's quota; read again with any change there. */

import { useQuery } from "@tanstack/react-query";

import { answer, common, tenant } from "../api/client";
import type { Place } from "../api/place";
import { keys } from "../api/queries";

export function useQuota(place: Place) {
  return useQuery({
    queryKey: keys.whole(place, "quota"),
    queryFn: () =>
      place.scope === "organization"
        ? answer(
            common.GET("/organizations/{organization_id}/quota", { params: { path: { organization_id: place.id } } }),
          )
        : answer(tenant.GET("/projects/{project_id}/quota", { params: { path: { project_id: place.id ?? "" } } })),
  });
}
