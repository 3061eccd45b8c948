/** A role of the organization's own: what it is called, and what it permits. */

import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import { useState } from "react";

import { answer, common } from "../api/client";
import { FormDialog } from "../parts/FormDialog";
import { PermissionPicker } from "../parts/PermissionPicker";
import { type Organization, changed } from "./places";
import type { OwnRole } from "./roles";

interface Props {
  organization: Organization;
  role: OwnRole | "new";
  onClose: () => void;
}

export function RoleDialog({ organization, role, onClose }: Props) {
  const before = role === "new" ? { name: "", description: "", permissions: [] } : role;
  const [name, setName] = useState(before.name);
  const [description, setDescription] = useState(before.description);
  const [permissions, setPermissions] = useState<string[]>(before.permissions);
  const act = async () => {
    const path = { organization_id: organization.id };
    if (role === "new") {
      const body = { name: name.trim(), description, permissions };
      await answer(common.POST("/organizations/{organization_id}/roles", { params: { path }, body }));
    } else {
      const of = { ...path, role_id: role.id };
      const body = { description, permissions };
      await answer(common.PATCH("/organizations/{organization_id}/roles/{role_id}", { params: { path: of }, body }));
    }
    await changed(organization, `The role ${name.trim()} is ${role === "new" ? "made" : "changed"}.`);
    onClose();
  };
  return (
    <FormDialog
      title={role === "new" ? "Make a role" : `Edit ${role.name}`}
      verb={role === "new" ? "Make it" : "Save"}
      disabled={!name.trim() || !permissions.length}
      act={act}
      onClose={onClose}
    >
      {(fault) => (
        <>
          <FormField label="Name" constraintText="Lower-case letters, digits, underscores." errorText={fault("/name")}>
            <Input value={name} disabled={role !== "new"} onChange={({ detail }) => setName(detail.value)} />
          </FormField>
          <FormField label="Description" errorText={fault("/description")}>
            <Input value={description} onChange={({ detail }) => setDescription(detail.value)} />
          </FormField>
          <FormField
            label="Permits"
            description="Nobody gives more than they have themselves."
            errorText={fault("/permissions") ?? fault("/permissions/0")}
          >
            <PermissionPicker chosen={permissions} onChange={setPermissions} />
          </FormField>
        </>
      )}
    </FormDialog>
  );
}
