/** An organization's quota as operators see it: what it, or one of its projects, uses, and the limits, which they set. */

import FormField from "@cloudscape-design/components/form-field";
import Link from "@cloudscape-design/components/link";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useSearchParams } from "react-router";

import { call } from "../api/call";
import type { Resource } from "../api/catalog";
import { usePermissions } from "../api/me";
import { PLATFORM } from "../api/place";
import { keys } from "../api/queries";
import type { ResourcePage } from "../kinds/list";
import { Refusal } from "../parts/Refusal";
import { DimensionTable, type Quota } from "./DimensionTable";
import { LimitDialog } from "./LimitDialog";
import { limitsPath, ownLimits } from "./limits";

const MOST = 200;

export default function LimitsPanel({ resource }: { resource: Resource }) {
  const [search, setSearch] = useSearchParams();
  const projects = useProjects(resource.id).data?.items ?? [];
  const project = projects.find(({ id }) => id === search.get("of"));
  const show = (of: string) =>
    setSearch(
      (before) => {
        const after = new URLSearchParams(before);
        if (of) after.set("of", of);
        else after.delete("of");
        return after;
      },
      { replace: true },
    );
  return (
    <SpaceBetween size="l">
      <Whose projects={projects} chosen={project?.id ?? ""} onChoose={show} />
      <LimitsOf
        key={project?.id ?? ""}
        title={project ? `Project ${project.name}` : `All projects of ${resource.name}`}
        path={project ? limitsPath.project(project.id) : limitsPath.organization(resource.id)}
      />
    </SpaceBetween>
  );
}

function useProjects(organization: string) {
  return useQuery({
    queryKey: keys.list({ scope: "organization", id: organization }, "project", "names"),
    queryFn: ({ signal }) =>
      call<ResourcePage>(`/api/common/v1/organizations/${organization}/projects`, {
        query: { limit: MOST, sort: "name" },
        signal,
      }),
  });
}

interface WhoseProps {
  projects: Resource[];
  chosen: string;
  onChoose: (of: string) => void;
}

function Whose({ projects, chosen, onChoose }: WhoseProps) {
  const options = [
    { value: "", label: "The organization: all projects together" },
    ...projects.map(({ id, name }) => ({ value: id, label: name })),
  ];
  return (
    <FormField
      label="Quota of"
      description={
        <>
          Where no limit is set,{" "}
          <Link href="/console/ops/quota-defaults" fontSize="inherit">
            the platform&apos;s defaults
          </Link>{" "}
          hold.
        </>
      }
    >
      <Select
        filteringType={options.length > 8 ? "auto" : "none"}
        selectedOption={options.find(({ value }) => value === chosen) ?? null}
        options={options}
        onChange={({ detail }) => onChoose(detail.selectedOption.value ?? "")}
      />
    </FormField>
  );
}

function LimitsOf({ title, path }: { title: string; path: string }) {
  const may = usePermissions(PLATFORM);
  const [chosen, setChosen] = useState<string | null>(null);
  const quota = useQuery({
    queryKey: keys.whole(PLATFORM, "limits", path),
    queryFn: ({ signal }) => call<Quota>(path, { signal }),
  });
  if (quota.error && !quota.data) return <Refusal error={quota.error} onRetry={() => void quota.refetch()} />;
  const dimension = chosen === null ? undefined : quota.data?.dimensions[chosen];
  return (
    <>
      <DimensionTable
        title={title}
        quota={quota.data}
        onChange={may("resources.quota.update") ? setChosen : undefined}
      />
      {quota.data && chosen !== null && dimension && (
        <LimitDialog
          path={path}
          dimension={chosen}
          limit={dimension.limit}
          used={dimension.used}
          own={ownLimits(quota.data)}
          onClose={() => setChosen(null)}
        />
      )}
    </>
  );
}
