/** Where one is, and the way elsewhere: the projects by organization, and the platform for operators. */

import Select, { type SelectProps } from "@cloudscape-design/components/select";
import { useEffect, useMemo, useState } from "react";
import { useLocation, useNavigate } from "react-router";

import { type Reach, useReach } from "../api/me";
import { PLATFORM, type Place, placeAt, placePath } from "../api/place";

const LAST = "groundplane.place";

export function PlaceSwitcher({ place }: { place: Place }) {
  const { data: reach } = useReach();
  const [wanted, setWanted] = useState("");
  const found = useReach(reach?.truncated ? wanted : "");
  const navigate = useNavigate();
  const name = usePlaceName(place, reach);
  const { pathname } = useLocation();
  useEffect(() => {
    if (placeAt(pathname)) localStorage.setItem(LAST, placePath(place));
  }, [pathname, place]);
  const go = (path: string | undefined) => {
    if (path) void navigate(path);
  };
  return (
    <Select
      ariaLabel="Project"
      selectedOption={{ value: placePath(place), label: name }}
      options={found.data ? optionsOf(found.data) : []}
      statusType={found.isPending ? "loading" : "finished"}
      filteringType={reach?.truncated ? "manual" : "auto"}
      onLoadItems={({ detail }) => setWanted(detail.filteringText)}
      finishedText={found.data?.truncated ? "There are more: type how the name begins." : undefined}
      filteringPlaceholder="Find a project"
      empty="There is nothing yet that you may see."
      expandToViewport
      onChange={({ detail }) => go(detail.selectedOption.value)}
    />
  );
}

function optionsOf(reach: Reach): SelectProps.Options {
  const platform = {
    value: placePath(PLATFORM),
    label: "Platform",
    description: "Fleet, organizations, operations",
    iconName: "settings" as const,
  };
  const groups = reach.organizations.map((organization) => ({
    label: organization.name,
    options: [
      {
        value: placePath({ scope: "organization", id: organization.id }),
        label: organization.name,
        description: "Organization",
        iconName: "group-active" as const,
      },
      ...reach.projects
        .filter((project) => project.organization_id === organization.id)
        .map((project) => ({
          value: placePath({ scope: "project", id: project.id }),
          label: project.name,
          description: "Project",
          iconName: "folder" as const,
        })),
    ],
  }));
  return [...(reach.platform ? [platform] : []), ...groups];
}

/** What a place is called. */
export function usePlaceName(place: Place, reach: Reach | undefined): string {
  if (place.scope === "platform") return "Platform";
  const all = place.scope === "project" ? reach?.projects : reach?.organizations;
  return all?.find((each) => each.id === place.id)?.name ?? place.id;
}

/** What the shell is about: the address's place; on a page of none, where one was last. */
export function useShownPlace(): Place {
  const { pathname } = useLocation();
  const { data: reach } = useReach();
  return useMemo(() => {
    const path = placeAt(pathname) ? pathname : reach && beginningOf(reach);
    return (path && placeAt(path)) || PLATFORM;
  }, [pathname, reach]);
}

/** Where to begin: where one was last, if that is still there; else the first project, else the platform. */
export function beginningOf(reach: Reach): string | null {
  const places: Place[] = [
    ...reach.projects.map(({ id }): Place => ({ scope: "project", id })),
    ...(reach.platform ? [PLATFORM] : []),
    ...reach.organizations.map(({ id }): Place => ({ scope: "organization", id })),
  ];
  const paths = places.map(placePath);
  const last = localStorage.getItem(LAST);
  return last && (paths.includes(last) || reach.truncated) ? last : (paths[0] ?? null);
}
