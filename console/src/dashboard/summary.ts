/** How much there is in a project, or on the whole platform, and how it is. */

import { useQuery } from "@tanstack/react-query";

import { answer, ops, tenant } from "../api/client";
import type { Place } from "../api/place";
import { keys } from "../api/queries";
import type { components } from "../api/tenant";

export type Summary = components["schemas"]["Summary"];

export function useSummary(place: Place) {
  return useQuery({
    queryKey: keys.whole(place, "summary"),
    queryFn: () =>
      place.scope === "platform"
        ? answer(ops.GET("/summary"))
        : answer(tenant.GET("/projects/{project_id}/summary", { params: { path: { project_id: place.id } } })),
  });
}
