/** How much a project uses, and may use; and its organization, for whoever may see that. */

import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { type Place, usePlace } from "../api/place";
import { usePermissions } from "../api/me";
import { Refusal } from "../parts/Refusal";
import { useHeading } from "../shell/heading";
import { DimensionTable } from "./DimensionTable";
import { useQuota } from "./quota";

export default function QuotaPage() {
  const place = usePlace();
  useHeading({ title: "Quota" });
  const quota = useQuota(place);
  if (quota.error && !quota.data) return <Refusal error={quota.error} onRetry={() => void quota.refetch()} />;
  return (
    <SpaceBetween size="l">
      <Header variant="h1" description="What is used, and the most that may be. Operators set the limits.">
        Quota
      </Header>
      <DimensionTable title="This project" quota={quota.data} />
      {quota.data && <OrganizationQuota id={quota.data.organization_id} />}
    </SpaceBetween>
  );
}

function OrganizationQuota({ id }: { id: string }) {
  const place: Place = { scope: "organization", id };
  const isAllowed = usePermissions(place)("resources.quota.read");
  return isAllowed ? <AllProjects place={place} /> : null;
}

function AllProjects({ place }: { place: Place }) {
  const quota = useQuota(place);
  return quota.error ? null : <DimensionTable title="All projects of the organization" quota={quota.data} />;
}
