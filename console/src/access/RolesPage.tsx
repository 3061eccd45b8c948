/** Which roles there are: the platform's, which are the same everywhere, and the organization's own. */

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table, { type TableProps } from "@cloudscape-design/components/table";
import { useState } from "react";

import { answer, common } from "../api/client";
import { usePermissions } from "../api/me";
import { Confirm } from "../parts/FormDialog";
import { Refusal } from "../parts/Refusal";
import { filter } from "../records/filters";
import { RecordTable } from "../records/RecordTable";
import { useHeading } from "../shell/heading";
import { accessKey, changed, useOrganization } from "./places";
import { RoleDialog } from "./RoleDialog";
import { type BuiltInRole, type OwnRole, roleTitle, useBuiltInRoles } from "./roles";

export default function RolesPage() {
  useHeading({ title: "Roles" });
  const organization = useOrganization();
  const may = usePermissions(organization.place);
  const [edited, setEdited] = useState<OwnRole | "new" | null>(null);
  const [doomed, setDoomed] = useState<OwnRole | null>(null);
  const remove = async ({ id, name }: OwnRole) => {
    const path = { organization_id: organization.id, role_id: id };
    await answer(common.DELETE("/organizations/{organization_id}/roles/{role_id}", { params: { path } }));
    await changed(organization, `The role ${name} is deleted.`);
    setDoomed(null);
  };
  return (
    <SpaceBetween size="l">
      {may("identity.role.list") && (
        <RecordTable<OwnRole>
          variant="container"
          title="Roles of your own"
          description="Permissions under a name, to be given in the organization or in a project."
          noun="role"
          path={`${organization.path}/roles`}
          queryKey={(query) => accessKey(organization, "roles", query)}
          filters={[filter("name", "Name")]}
          columns={[
            ...COLUMNS,
            ...(may("identity.role.update") || may("identity.role.delete")
              ? [
                  actions(
                    may("identity.role.update") ? setEdited : null,
                    may("identity.role.delete") ? setDoomed : null,
                  ),
                ]
              : []),
          ]}
          actions={
            may("identity.role.create") && (
              <Button variant="primary" onClick={() => setEdited("new")}>
                Make a role
              </Button>
            )
          }
          empty="No roles of your own yet: those below do for most"
        />
      )}
      <BuiltIn />
      {edited && <RoleDialog organization={organization} role={edited} onClose={() => setEdited(null)} />}
      {doomed && (
        <Confirm
          title={`Delete the role ${doomed.name}`}
          verb="Delete"
          act={() => remove(doomed)}
          onClose={() => setDoomed(null)}
        >
          A role that somebody still has is not deleted: take it away first.
        </Confirm>
      )}
    </SpaceBetween>
  );
}

const COLUMNS: TableProps.ColumnDefinition<OwnRole>[] = [
  { id: "name", header: "Name", isRowHeader: true, width: 200, cell: ({ name }) => roleTitle(name) },
  { id: "description", header: "Description", width: 260, cell: ({ description }) => description || "–" },
  {
    id: "permissions",
    header: "Permits",
    width: 380,
    cell: ({ permissions }) => <Permissions patterns={permissions} />,
  },
];

function actions(
  onEdit: ((role: OwnRole) => void) | null,
  onDelete: ((role: OwnRole) => void) | null,
): TableProps.ColumnDefinition<OwnRole> {
  return {
    id: "actions",
    header: "Actions",
    width: 150,
    cell: (role) => (
      <SpaceBetween direction="horizontal" size="s">
        {onEdit && (
          <Button variant="inline-link" ariaLabel={`Edit ${role.name}`} onClick={() => onEdit(role)}>
            Edit
          </Button>
        )}
        {onDelete && (
          <Button variant="inline-link" ariaLabel={`Delete ${role.name}`} onClick={() => onDelete(role)}>
            Delete
          </Button>
        )}
      </SpaceBetween>
    ),
  };
}

function BuiltIn() {
  const roles = useBuiltInRoles();
  const items = (roles.data ?? []).filter(({ levels }) => levels.some((level) => level !== "platform"));
  return (
    <Table<BuiltInRole>
      variant="container"
      trackBy="name"
      wrapLines
      loading={roles.isPending}
      loadingText="Loading the roles"
      ariaLabels={{ tableLabel: "Roles of the platform" }}
      header={
        <Header
          variant="h2"
          description="The same in every organization. One that is given in the organization holds in all its projects."
        >
          Roles of the platform
        </Header>
      }
      items={items}
      empty={roles.error && <Refusal error={roles.error} onRetry={() => void roles.refetch()} />}
      columnDefinitions={[
        { id: "name", header: "Name", isRowHeader: true, cell: ({ name }) => roleTitle(name) },
        { id: "summary", header: "What for", cell: ({ summary }) => summary },
        { id: "levels", header: "Given in", cell: ({ levels }) => levels.join(", ") },
        { id: "permissions", header: "Permits", cell: ({ permissions }) => <Permissions patterns={permissions} /> },
      ]}
    />
  );
}

function Permissions({ patterns }: { patterns: string[] }) {
  return (
    <Box variant="code" fontSize="body-s">
      <span className="word">{patterns.join(", ")}</span>
    </Box>
  );
}
