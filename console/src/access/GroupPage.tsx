/** Who is in a group. */

import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate, useParams } from "react-router";

import { answer, common } from "../api/client";
import type { components } from "../api/common";
import { usePermissions } from "../api/me";
import { placePath } from "../api/place";
import { Splash } from "../login/Entrance";
import { Confirm, FormDialog } from "../parts/FormDialog";
import { Refusal } from "../parts/Refusal";
import { Time } from "../parts/Time";
import { filter } from "../records/filters";
import { RecordTable } from "../records/RecordTable";
import { useHeading } from "../shell/heading";
import { type Organization, accessKey, changed, useOrganization } from "./places";

type Group = components["schemas"]["GroupView"];
type Member = components["schemas"]["MemberView"];

export default function GroupPage() {
  const organization = useOrganization();
  const { id = "" } = useParams();
  const group = useQuery({
    queryKey: accessKey(organization, "groups", id),
    queryFn: () =>
      answer(
        common.GET("/organizations/{organization_id}/groups/{group_id}", {
          params: { path: { organization_id: organization.id, group_id: id } },
        }),
      ),
  });
  const list = `${placePath(organization.place)}/groups`;
  useHeading({ title: group.data?.name ?? "Group", trail: [{ text: "Groups", href: list }] });
  if (group.error && !group.data) return <Refusal error={group.error} onRetry={() => void group.refetch()} />;
  return group.data ? <Members organization={organization} group={group.data} list={list} /> : <Splash />;
}

function Members({ organization, group, list }: { organization: Organization; group: Group; list: string }) {
  const navigate = useNavigate();
  const may = usePermissions(organization.place);
  const [isAdding, setAdding] = useState(false);
  const [isLeaving, setLeaving] = useState<Member | null>(null);
  const [isDoomed, setDoomed] = useState(false);
  const path = { organization_id: organization.id, group_id: group.id };
  const remove = async ({ user_id: user, email }: Member) => {
    const of = { ...path, user_id: user };
    await answer(
      common.DELETE("/organizations/{organization_id}/groups/{group_id}/members/{user_id}", { params: { path: of } }),
    );
    await changed(organization, `${email} is no longer in ${group.name}.`);
    setLeaving(null);
  };
  const destroy = async () => {
    await answer(common.DELETE("/organizations/{organization_id}/groups/{group_id}", { params: { path } }));
    await navigate(list);
    await changed(organization, `The group ${group.name} is deleted.`);
  };
  return (
    <>
      <RecordTable<Member>
        title={group.name}
        description={group.description || "The members of the group."}
        noun="member"
        path={`${organization.path}/groups/${group.id}/members`}
        queryKey={(query) => accessKey(organization, "groups", group.id, "members", query)}
        trackBy="user_id"
        filters={[filter("email", "E-mail address"), filter("name", "Name")]}
        columns={[
          { id: "email", header: "E-mail address", isRowHeader: true, width: 280, cell: ({ email }) => email },
          { id: "name", header: "Name", width: 240, cell: ({ name }) => name },
          { id: "since", header: "Since", width: 140, cell: ({ added_at: at }) => <Time at={at} /> },
          ...(may("identity.group.update")
            ? [
                {
                  id: "actions",
                  header: "Actions",
                  width: 120,
                  cell: (member: Member) => (
                    <Button
                      variant="inline-link"
                      ariaLabel={`Remove ${member.email}`}
                      onClick={() => setLeaving(member)}
                    >
                      Remove
                    </Button>
                  ),
                },
              ]
            : []),
        ]}
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            {may("identity.group.delete") && <Button onClick={() => setDoomed(true)}>Delete the group</Button>}
            {may("identity.group.update") && (
              <Button variant="primary" onClick={() => setAdding(true)}>
                Add somebody
              </Button>
            )}
          </SpaceBetween>
        }
        empty="Nobody is in it yet"
      />
      {isAdding && <Adding organization={organization} group={group} onClose={() => setAdding(false)} />}
      {isLeaving && (
        <Confirm
          title={`Remove ${isLeaving.email}`}
          verb="Remove"
          act={() => remove(isLeaving)}
          onClose={() => setLeaving(null)}
        >
          What the group has, {isLeaving.email} no longer has by it.
        </Confirm>
      )}
      {isDoomed && (
        <Confirm title={`Delete ${group.name}`} verb="Delete" act={destroy} onClose={() => setDoomed(false)}>
          Its members lose the roles that they have by it.
        </Confirm>
      )}
    </>
  );
}

function Adding(props: { organization: Organization; group: Group; onClose: () => void }) {
  const { organization, group, onClose } = props;
  const [user, setUser] = useState("");
  const act = async () => {
    const path = { organization_id: organization.id, group_id: group.id };
    const body = { user: user.trim() };
    await answer(common.POST("/organizations/{organization_id}/groups/{group_id}/members", { params: { path }, body }));
    await changed(organization, `${body.user} is in ${group.name}.`);
    onClose();
  };
  return (
    <FormDialog title={`Add to ${group.name}`} verb="Add" disabled={!user.trim()} act={act} onClose={onClose}>
      {(fault) => (
        <FormField label="E-mail address" description="Of who has an account." errorText={fault("/user")}>
          <Input type="email" value={user} onChange={({ detail }) => setUser(detail.value)} />
        </FormField>
      )}
    </FormDialog>
  );
}
