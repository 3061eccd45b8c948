/** Groups: several people who get the same roles. */

import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import Link from "@cloudscape-design/components/link";
import { useState } from "react";

import { answer, common } from "../api/client";
import type { components } from "../api/common";
import { usePermissions } from "../api/me";
import { placePath } from "../api/place";
import { FormDialog } from "../parts/FormDialog";
import { Time } from "../parts/Time";
import { filter } from "../records/filters";
import { RecordTable } from "../records/RecordTable";
import { useHeading } from "../shell/heading";
import { type Organization, accessKey, changed, useOrganization } from "./places";

type Group = components["schemas"]["GroupView"];

export default function GroupsPage() {
  useHeading({ title: "Groups" });
  const organization = useOrganization();
  const may = usePermissions(organization.place);
  const [isMaking, setMaking] = useState(false);
  return (
    <>
      <RecordTable<Group>
        title="Groups"
        description="People who get the same roles. Give a group its roles among the members."
        noun="group"
        path={`${organization.path}/groups`}
        queryKey={(query) => accessKey(organization, "groups", query)}
        filters={[filter("name", "Name")]}
        columns={[
          {
            id: "name",
            header: "Name",
            isRowHeader: true,
            width: 220,
            cell: ({ id, name }) => <Link href={`${placePath(organization.place)}/groups/${id}`}>{name}</Link>,
          },
          { id: "description", header: "Description", width: 360, cell: ({ description }) => description || "–" },
          { id: "made", header: "Made", width: 140, cell: ({ created_at: at }) => <Time at={at} /> },
        ]}
        actions={
          may("identity.group.create") && (
            <Button variant="primary" onClick={() => setMaking(true)}>
              Make a group
            </Button>
          )
        }
        empty="No groups yet"
      />
      {isMaking && <Making organization={organization} onClose={() => setMaking(false)} />}
    </>
  );
}

function Making({ organization, onClose }: { organization: Organization; onClose: () => void }) {
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  const act = async () => {
    const path = { organization_id: organization.id };
    const body = { name: name.trim(), description };
    await answer(common.POST("/organizations/{organization_id}/groups", { params: { path }, body }));
    await changed(organization, `The group ${body.name} is made.`);
    onClose();
  };
  return (
    <FormDialog title="Make a group" verb="Make it" disabled={!name.trim()} act={act} onClose={onClose}>
      {(fault) => (
        <>
          <FormField label="Name" constraintText="Lower-case letters, digits and hyphens." errorText={fault("/name")}>
            <Input value={name} onChange={({ detail }) => setName(detail.value)} />
          </FormField>
          <FormField label="Description" errorText={fault("/description")}>
            <Input value={description} onChange={({ detail }) => setDescription(detail.value)} />
          </FormField>
        </>
      )}
    </FormDialog>
  );
}
