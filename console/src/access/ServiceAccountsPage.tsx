/** Service accounts: what programs act as that depend on no person. */

import Button from "@cloudscape-design/components/button";
import Link from "@cloudscape-design/components/link";
import { useState } from "react";

import { answer, common } from "../api/client";
import { usePermissions } from "../api/me";
import { placePath } from "../api/place";
import { Time } from "../parts/Time";
import { filter } from "../records/filters";
import { RecordTable } from "../records/RecordTable";
import { useHeading } from "../shell/heading";
import { type Named, NamedDialog } from "./NamedDialog";
import { type Organization, accessKey, changed, useOrganization } from "./places";
import { type ServiceAccount, Standing } from "./ServiceAccountPage";

export default function ServiceAccountsPage() {
  useHeading({ title: "Service accounts" });
  const organization = useOrganization();
  const may = usePermissions(organization.place);
  const [isMaking, setMaking] = useState(false);
  return (
    <>
      <RecordTable<ServiceAccount>
        title="Service accounts"
        description="What programs act as. Give it roles among the members, and an API key to each program."
        noun="service account"
        path={`${organization.path}/service-accounts`}
        queryKey={(query) => accessKey(organization, "service-accounts", query)}
        filters={[filter("name", "Name")]}
        columns={[
          {
            id: "name",
            header: "Name",
            isRowHeader: true,
            width: 220,
            cell: ({ id, name }) => (
              <Link href={`${placePath(organization.place)}/service-accounts/${id}`}>{name}</Link>
            ),
          },
          { id: "state", header: "State", width: 130, cell: (account) => <Standing account={account} /> },
          { id: "description", header: "Description", width: 360, cell: ({ description }) => description || "–" },
          { id: "made", header: "Made", width: 140, cell: ({ created_at: at }) => <Time at={at} /> },
        ]}
        actions={
          may("identity.service_account.create") && (
            <Button variant="primary" onClick={() => setMaking(true)}>
              Make a service account
            </Button>
          )
        }
        empty="No service accounts yet"
      />
      {isMaking && (
        <NamedDialog
          title="Make a service account"
          example="deployer"
          make={(named) => make(organization, named)}
          onClose={() => setMaking(false)}
        />
      )}
    </>
  );
}

async function make(organization: Organization, body: Named): Promise<void> {
  const path = { organization_id: organization.id };
  await answer(common.POST("/organizations/{organization_id}/service-accounts", { params: { path }, body }));
  await changed(organization, `The service account ${body.name} is made.`);
}
