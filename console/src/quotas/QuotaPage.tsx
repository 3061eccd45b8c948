/** How much a project uses, and may use; and its organization, for whoever may see that. */

import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import Table from "@cloudscape-design/components/table";

import { type Place, usePlace } from "../api/place";
import { usePermissions } from "../api/me";
import type { components } from "../api/tenant";
import { Refusal } from "../parts/Refusal";
import { useHeading } from "../shell/heading";
import { QuotaBar } from "./QuotaBar";
import { inOrder, shareOf, titleOfDimension } from "./dimensions";
import { useQuota } from "./quota";

type Quota = components["schemas"]["QuotaView"];

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
      <Dimensions title="This project" quota={quota.data} />
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
  return quota.error ? null : <Dimensions title="All projects of the organization" quota={quota.data} />;
}

function Dimensions({ title, quota }: { title: string; quota: Quota | undefined }) {
  const items = inOrder(quota?.dimensions ?? {}).map(([name, use]) => ({ name, ...use }));
  return (
    <Table
      variant="container"
      loading={!quota}
      loadingText="Loading the quota"
      items={items}
      trackBy="name"
      ariaLabels={{ tableLabel: title }}
      header={<Header variant="h2">{title}</Header>}
      columnDefinitions={[
        { id: "name", header: "Of", isRowHeader: true, cell: ({ name }) => titleOfDimension(name), width: 200 },
        { id: "bar", header: "Used", cell: ({ name, ...use }) => <QuotaBar name={name} use={use} />, minWidth: 240 },
        { id: "left", header: "Standing", cell: (use) => <Standing share={shareOf(use)} />, width: 160 },
        {
          id: "own",
          header: "The limit",
          cell: ({ own, limit }) => (limit === null ? "None" : own ? "Set for it" : "The platform's default"),
          width: 200,
        },
      ]}
    />
  );
}

function Standing({ share }: { share: number | null }) {
  if (share === null || share < 0.8) return <StatusIndicator type="success">Room enough</StatusIndicator>;
  if (share < 1) return <StatusIndicator type="warning">Nearly used up</StatusIndicator>;
  return <StatusIndicator type="error">Used up</StatusIndicator>;
}
