/** Who was invited to what, and how that stands. */

import Button from "@cloudscape-design/components/button";
import StatusIndicator, { type StatusIndicatorProps } from "@cloudscape-design/components/status-indicator";
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
import { InviteDialog } from "./InviteDialog";
import { type Organization, accessKey, changed, useOrganization, usePlaceNames } from "./places";
import { roleTitle } from "./roles";

type Invitation = components["schemas"]["InvitationView"];

const STATES: Record<Invitation["status"], { type: StatusIndicatorProps.Type; text: string }> = {
  open: { type: "pending", text: "Open" },
  accepted: { type: "success", text: "Accepted" },
  revoked: { type: "stopped", text: "Withdrawn" },
  expired: { type: "warning", text: "Expired" },
};

export default function InvitationsPage() {
  useHeading({ title: "Invitations" });
  const organization = useOrganization();
  const may = usePermissions(organization.place);
  const placeName = usePlaceNames(organization);
  const [isInviting, setInviting] = useState(false);
  const [doomed, setDoomed] = useState<Invitation | null>(null);
  return (
    <>
      <RecordTable<Invitation>
        title="Invitations"
        description="By the link of an open invitation one joins under the address that was invited, or accepts it with an account of that address."
        noun="invitation"
        path={`${organization.path}/invitations`}
        queryKey={(query) => accessKey(organization, "invitations", query)}
        filters={[filter("email", "E-mail address")]}
        columns={columnsOf(placeName, may("identity.invitation.delete") ? setDoomed : null)}
        actions={
          may("identity.invitation.create") && (
            <Button variant="primary" onClick={() => setInviting(true)}>
              Invite somebody
            </Button>
          )
        }
        empty="Nobody was invited yet"
      />
      {isInviting && <InviteDialog organization={organization} onClose={() => setInviting(false)} />}
      {doomed && (
        <Confirm
          title="Withdraw the invitation"
          verb="Withdraw"
          onClose={() => setDoomed(null)}
          act={() => withdraw(organization, doomed).then(() => setDoomed(null))}
        >
          The link that {doomed.email} has is no longer good for anything.
        </Confirm>
      )}
    </>
  );
}

async function withdraw(organization: Organization, { id, email }: Invitation): Promise<void> {
  const path = { organization_id: organization.id, invitation_id: id };
  await answer(common.DELETE("/organizations/{organization_id}/invitations/{invitation_id}", { params: { path } }));
  await changed(organization, `The invitation of ${email} is withdrawn.`);
}

function columnsOf(
  placeName: (project: string | null) => string,
  onWithdraw: ((invitation: Invitation) => void) | null,
): TableProps.ColumnDefinition<Invitation>[] {
  return [
    {
      id: "email",
      header: "Who",
      isRowHeader: true,
      width: 260,
      cell: ({ email }) => <span className="word">{email}</span>,
    },
    {
      id: "status",
      header: "State",
      width: 130,
      cell: ({ status }) => <StatusIndicator type={STATES[status].type}>{STATES[status].text}</StatusIndicator>,
    },
    { id: "role", header: "Role", width: 180, cell: ({ role }) => roleTitle(role) },
    {
      id: "where",
      header: "Where",
      width: 200,
      cell: ({ project_id: project }) => placeName(project),
    },
    { id: "made", header: "Invited", width: 130, cell: ({ created_at: at }) => <Time at={at} /> },
    { id: "expires", header: "Good until", width: 130, cell: ({ expires_at: at }) => <Time at={at} /> },
    ...(onWithdraw
      ? [
          {
            id: "actions",
            header: "Actions",
            width: 130,
            cell: (invitation: Invitation) =>
              invitation.status === "open" && (
                <Button
                  variant="inline-link"
                  ariaLabel={`Withdraw the invitation of ${invitation.email}`}
                  onClick={() => onWithdraw(invitation)}
                >
                  Withdraw
                </Button>
              ),
          },
        ]
      : []),
  ];
}
