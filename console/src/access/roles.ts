/** Roles that can be given in an organization, with what people call them. */

import { useQuery } from "@tanstack/react-query";

import { answer, common } from "../api/client";
import type { components } from "../api/common";
import { type Organization, accessKey } from "./places";

export type BuiltInRole = components["schemas"]["BuiltInRoleView"];
export type OwnRole = components["schemas"]["RoleView"];

/** "project_viewer" → "Project viewer". */
export function roleTitle(name: string): string {
  const text = name.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function useBuiltInRoles() {
  return useQuery({
    queryKey: ["roles"],
    queryFn: () => answer(common.GET("/roles")),
    staleTime: Infinity,
    refetchInterval: false,
    select: ({ items }) => items,
  });
}

const MOST = 200;

export function useOwnRoles(organization: Organization, isAllowed: boolean) {
  return useQuery({
    queryKey: accessKey(organization, "roles", "all"),
    queryFn: () =>
      answer(
        common.GET("/organizations/{organization_id}/roles", {
          params: { path: { organization_id: organization.id }, query: { limit: MOST } },
        }),
      ),
    enabled: isAllowed,
    select: ({ items }) => items,
  });
}

export interface RoleOption {
  value: string;
  label: string;
  description: string;
}

/** What can be given: in a project the roles of projects and one's own, in the organization those of organizations and one's own. */
export function roleOptions(builtIn: BuiltInRole[], own: OwnRole[], inProject: boolean): RoleOption[] {
  const level = inProject ? "project" : "organization";
  return [
    ...builtIn
      .filter(({ levels }) => levels.includes(level))
      .map(({ name, summary }) => ({ value: name, label: roleTitle(name), description: summary })),
    ...own.map(({ name, description }) => ({
      value: name,
      label: roleTitle(name),
      description: description || "A role of your own.",
    })),
  ];
}
