/** Permissions to choose from: all of a service, or single ones. */

import Multiselect from "@cloudscape-design/components/multiselect";
import { useQuery } from "@tanstack/react-query";

import { answer, common } from "../api/client";
import { permissionOptions } from "./permissions";

interface Props {
  chosen: string[];
  onChange: (chosen: string[]) => void;
}

export function PermissionPicker({ chosen, onChange }: Props) {
  const permissions = useQuery({
    queryKey: ["permissions"],
    queryFn: ({ signal }) => answer(common.GET("/permissions", { signal })),
    staleTime: Infinity,
    refetchInterval: false,
  });
  return (
    <Multiselect
      filteringType="auto"
      filteringPlaceholder="Find a permission"
      filteringAriaLabel="Find a permission"
      placeholder="Choose permissions"
      statusType={permissions.isPending ? "loading" : permissions.error ? "error" : "finished"}
      errorText="The permissions could not be read."
      recoveryText="Try again"
      onLoadItems={() => permissions.error && void permissions.refetch()}
      selectedOptions={chosen.map((value) => ({ value, label: value }))}
      options={permissionOptions(permissions.data?.items ?? [])}
      deselectAriaLabel={({ label }) => `Remove ${label ?? ""}`}
      onChange={({ detail }) => onChange(detail.selectedOptions.map(({ value }) => value ?? ""))}
    />
  );
}
