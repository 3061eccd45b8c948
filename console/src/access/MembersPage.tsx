/** Who has which role where: people, groups and service accounts, in the organization and in its projects. */

import Button from "@cloudscape-design/components/button";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import type { TableProps } from "@cloudscape-design/components/table";
import { useState } from "react";

import { answer, common } from "../api/client";
import type { components } from "../api/common";
import { usePermissions } from "../api/me";
import { Confirm } from "../parts/FormDialog";
import { Time } from "../parts/Time";
import { filter } from "../records/filters";
import { RecordTable } from "../records/RecordTable";
import { useHeading } from "../shell/heading";
import { GrantDialog } from "./GrantDialog";
import { InviteDialog } from "./InviteDialog";
import { type Organization, accessKey, changed, useOrganization, usePlaceNames } from "./places";
import { roleTitle, useBuiltInRoles } from "./roles";

type Binding = components["schemas"]["BindingView"];

export default function MembersPage() {
  useHeading({ title: "Members" });
  const organization = useOrganization();
  const may = usePermissions(organization.place);
  const placeName = usePlaceNames(organization);
  const builtIn = useBuiltInRoles();
  const [asked, setAsked] = useState<"grant" | "invite" | null>(null);
  const [doomed, setDoomed] = useState<Binding | null>(null);
  const close = () => setAsked(null);
  return (
    <>
      <RecordTable<Binding>
        title="Members"
        description="Who has which role where. A role in the organization holds in all its projects."
        noun="role"
        path={`${organization.path}/role-bindings`}
        queryKey={(query) => accessKey(organization, "bindings", query)}
        filters={[
          filter(
            "role",
            "Role",
            (builtIn.data ?? [])
              .filter(({ levels }) => levels.some((level) => level !== "platform"))
              .map(({ name }) => ({ value: name, label: roleTitle(name) })),
          ),
          filter("user", "User (their id)"),
        ]}
        columns={columnsOf(placeName, may("identity.role_binding.delete") ? setDoomed : null)}
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            {may("identity.role_binding.create") && <Button onClick={() => setAsked("grant")}>Give a role</Button>}
            {may("identity.invitation.create") && (
              <Button variant="primary" onClick={() => setAsked("invite")}>
                Invite somebody
              </Button>
            )}
          </SpaceBetween>
        }
        empty="Nobody has a role here"
      />
      {asked === "grant" && <GrantDialog organization={organization} onClose={close} />}
      {asked === "invite" && <InviteDialog organization={organization} onClose={close} />}
      {doomed && (
        <Confirm
          title="Take the role away"
          verb="Take it away"
          onClose={() => setDoomed(null)}
          act={() => take(organization, doomed).then(() => setDoomed(null))}
        >
          {doomed.subject_name} is no longer {roleTitle(doomed.role).toLowerCase()} in{" "}
          {doomed.project_id ? placeName(doomed.project_id) : "the organization"}. It holds within seconds.
        </Confirm>
      )}
    </>
  );
}

async function take(organization: Organization, { id, subject_name: name }: Binding): Promise<void> {
  const path = { organization_id: organization.id, binding_id: id };
  await answer(common.DELETE("/organizations/{organization_id}/role-bindings/{binding_id}", { params: { path } }));
  await changed(organization, `The role of ${name} is taken away.`);
}

function columnsOf(
  placeName: (project: string | null) => string,
  onTake: ((binding: Binding) => void) | null,
): TableProps.ColumnDefinition<Binding>[] {
  return [
    {
      id: "who",
      header: "Who",
      isRowHeader: true,
      width: 260,
      cell: ({ subject_name: name }) => <span className="word">{name}</span>,
    },
    { id: "kind", header: "Is a", width: 140, cell: (binding) => kindOf(binding) },
    { id: "role", header: "Role", width: 180, cell: ({ role }) => roleTitle(role) },
    {
      id: "where",
      header: "Where",
      width: 200,
      cell: ({ project_id: project }) => placeName(project),
    },
    { id: "since", header: "Since", width: 130, cell: ({ created_at: at }) => <Time at={at} /> },
    { id: "until", header: "Until", width: 150, cell: ({ expires_at: at }) => <Until at={at} /> },
    ...(onTake
      ? [
          {
            id: "actions",
            header: "Actions",
            width: 130,
            cell: (binding: Binding) => (
              <Button
                variant="inline-link"
                ariaLabel={`Take away: ${roleTitle(binding.role)} of ${binding.subject_name}`}
                onClick={() => onTake(binding)}
              >
                Take away
              </Button>
            ),
          },
        ]
      : []),
  ];
}

function kindOf({ group_id: group, service_account_id: account }: Binding): string {
  return group ? "Group" : account ? "Service account" : "User";
}

function Until({ at }: { at: string | null }) {
  const [now] = useState(Date.now);
  if (at === null) return "–";
  return Date.parse(at) < now ? <StatusIndicator type="stopped">Expired</StatusIndicator> : <Time at={at} />;
}
