/** Which role, and where: in the organization, or in one project of it. */

import FormField from "@cloudscape-design/components/form-field";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { usePermissions } from "../api/me";
import { type Organization, WHOLE, useProjects } from "./places";
import { roleOptions, useBuiltInRoles, useOwnRoles } from "./roles";

export interface Grant {
  role: string;
  /** Empty: in the whole organization. */
  project: string;
}

interface Props {
  organization: Organization;
  grant: Grant;
  onChange: (grant: Grant) => void;
  fault: (pointer: string) => string | undefined;
}

export function RoleField({ organization, grant, onChange, fault }: Props) {
  const may = usePermissions(organization.place);
  const builtIn = useBuiltInRoles();
  const own = useOwnRoles(organization, may("identity.role.list"));
  const everywhere = {
    value: "",
    label: WHOLE,
    description: "All its projects, also those to come.",
  };
  const places = [everywhere, ...useProjects(organization.id).map(({ id, name }) => ({ value: id, label: name }))];
  const optionsIn = (project: string) => roleOptions(builtIn.data ?? [], own.data ?? [], project !== "");
  const roles = optionsIn(grant.project);
  const moveTo = (project: string) => {
    const stays = optionsIn(project).some(({ value }) => value === grant.role);
    onChange({ project, role: stays ? grant.role : "" });
  };
  return (
    <SpaceBetween size="l">
      <FormField label="Where" errorText={fault("/project_id")}>
        <Select
          filteringType={places.length > 8 ? "auto" : "none"}
          selectedOption={places.find(({ value }) => value === grant.project) ?? everywhere}
          options={places}
          onChange={({ detail }) => moveTo(detail.selectedOption.value ?? "")}
        />
      </FormField>
      <FormField label="Role" errorText={fault("/role")}>
        <Select
          placeholder="Choose a role"
          selectedOption={roles.find(({ value }) => value === grant.role) ?? null}
          options={roles}
          statusType={builtIn.isPending ? "loading" : builtIn.error ? "error" : "finished"}
          errorText="The roles could not be read."
          recoveryText="Try again"
          onLoadItems={() => builtIn.error && void builtIn.refetch()}
          onChange={({ detail }) => onChange({ ...grant, role: detail.selectedOption.value ?? "" })}
        />
      </FormField>
    </SpaceBetween>
  );
}
