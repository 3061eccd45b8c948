/** An organization's own pages: where they are, in the console and in the API, and how their answers are kept. */

import { useParams } from "react-router";

import { useReach } from "../api/me";
import type { Place } from "../api/place";
import { keys, queries } from "../api/queries";
import { flash } from "../shell/flashes";

export interface Organization {
  id: string;
  place: Place;
  /** Below it lie its lists in the API. */
  path: string;
}

export function useOrganization(): Organization {
  const { organization = "" } = useParams();
  return {
    id: organization,
    place: { scope: "organization", id: organization },
    path: `/api/common/v1/organizations/${organization}`,
  };
}

/** Its projects that one may see, by name. */
export function useProjects(organization: string): { id: string; name: string }[] {
  const { data } = useReach();
  return data?.projects.filter((each) => each.organization_id === organization) ?? [];
}

/** What a place of a role is called: a project by its name (its id, if one may not see it), or the organization as a whole. */
export function usePlaceNames({ id }: Organization): (project: string | null) => string {
  const projects = useProjects(id);
  return (project) => (project === null ? WHOLE : (projects.find((each) => each.id === project)?.name ?? project));
}

export const WHOLE = "The whole organization";

/** Say what was done, and read the organization's lists again: the stream of changes does not tell of them. */
export async function changed({ place }: Organization, text: string): Promise<void> {
  flash.done(text);
  await queries.invalidateQueries({ queryKey: keys.whole(place, "access") });
}

/** The key of a list of an organization's. */
export function accessKey({ place }: Organization, list: string, ...params: unknown[]) {
  return keys.whole(place, "access", list, ...params);
}
