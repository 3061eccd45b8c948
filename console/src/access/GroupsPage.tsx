/** Groups: several people who get the same roles. */

import Button from "@cloudscape-design/components/button";
import Link from "@cloudscape-design/components/link";
import { useState } from "react";

import { answer, common } from "../api/client";
import type { components } from "../api/common";
import { usePermissions } from "../api/me";
import { placePath } from "../api/place";
import { Time } from "../parts/Time";
import { filter } from "../records/filters";
import { RecordTable } from "../records/RecordTable";
import { useHeading } from "../shell/heading";
import { type Named, NamedDialog } from "./NamedDialog";
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
      {isMaking && (
        <NamedDialog
          title="Make a group"
          make={(named) => make(organization, named)}
          onClose={() => setMaking(false)}
        />
      )}
    </>
  );
}

async function make(organization: Organization, body: Named): Promise<void> {
  const path = { organization_id: organization.id };
  await answer(common.POST("/organizations/{organization_id}/groups", { params: { path }, body }));
  await changed(organization, `The group ${body.name} is made.`);
}
