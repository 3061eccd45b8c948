/** The first page of a project: what runs, what is wrong, what goes on, what is used up. */

import "./dashboard.css";

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { useCatalog } from "../api/catalog";
import { usePermissions } from "../api/me";
import { type Place, placePath, usePlace } from "../api/place";
import { Splash } from "../login/Entrance";
import { Refusal } from "../parts/Refusal";
import { useHeading } from "../shell/heading";
import { GoingOn, LatelyFailed } from "./JobLists";
import { KindCounts } from "./KindCounts";
import { QuotaCard } from "./QuotaCard";
import { Tiles } from "./Tiles";
import { Wrong } from "./Wrong";
import { type Summary, useSummary } from "./summary";

export default function ProjectDashboard() {
  const place = usePlace();
  const catalog = useCatalog();
  const may = usePermissions(place);
  useHeading({ title: "Overview" });
  const summary = useSummary(place);
  if (!summary.data)
    return summary.error ? <Refusal error={summary.error} onRetry={() => void summary.refetch()} /> : <Splash />;
  const mayCreate = may("compute.vm.create");
  return (
    <SpaceBetween size="l">
      <Header
        variant="h1"
        description="What runs, what is wrong, what goes on."
        actions={
          mayCreate && (
            <Button variant="primary" href={`${placePath(place)}/vms/create`}>
              Create virtual machine
            </Button>
          )
        }
      >
        Overview
      </Header>
      {isEmpty(summary.data) && <Beginning place={place} mayCreate={mayCreate} />}
      <Tiles summary={summary.data} place={place} />
      <div className="dashboard">
        <Wrong summary={summary.data} place={place} />
        {may("jobs.job.list") && <GoingOn place={place} />}
        {may("jobs.job.list") && <LatelyFailed place={place} />}
        {may("resources.quota.read") && <QuotaCard place={place} />}
        <KindCounts summary={summary.data} place={place} catalog={catalog} />
      </div>
    </SpaceBetween>
  );
}

function isEmpty({ kinds }: Summary): boolean {
  return kinds.every(({ total }) => total === 0);
}

function Beginning({ place, mayCreate }: { place: Place; mayCreate: boolean }) {
  return (
    <Box textAlign="center" padding={{ vertical: "l" }}>
      <SpaceBetween size="m">
        <Box variant="h2">There is nothing here yet</Box>
        <Box color="text-body-secondary">
          A machine needs an image to boot from. Upload one, then let the wizard do the rest: it makes a network and an
          SSH key on the way.
        </Box>
        {mayCreate && (
          <SpaceBetween direction="horizontal" size="xs">
            <Button href={`${placePath(place)}/images/create`}>Upload an image</Button>
            <Button href={`${placePath(place)}/vms/create`}>Create virtual machine</Button>
          </SpaceBetween>
        )}
      </SpaceBetween>
    </Box>
  );
}
