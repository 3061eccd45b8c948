/** The operators' first page: what runs in all projects, what is wrong, what waits for a person. */

import "./dashboard.css";

import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { useCatalog } from "../api/catalog";
import { usePermissions } from "../api/me";
import { PLATFORM } from "../api/place";
import { Splash } from "../login/Entrance";
import { Refusal } from "../parts/Refusal";
import { useHeading } from "../shell/heading";
import { HostsCard } from "./HostsCard";
import { IncidentsCard } from "./IncidentsCard";
import { GoingOn, LatelyFailed } from "./JobLists";
import { KindCounts } from "./KindCounts";
import { Tiles } from "./Tiles";
import { Wrong } from "./Wrong";
import { useSummary } from "./summary";

export default function PlatformDashboard() {
  const catalog = useCatalog();
  const may = usePermissions(PLATFORM);
  useHeading({ title: "Overview" });
  const summary = useSummary(PLATFORM);
  if (!summary.data)
    return summary.error ? <Refusal error={summary.error} onRetry={() => void summary.refetch()} /> : <Splash />;
  return (
    <SpaceBetween size="l">
      <Header variant="h1" description="What runs in all projects, what is wrong, what waits for a person.">
        Overview
      </Header>
      <Tiles summary={summary.data} place={PLATFORM} />
      <div className="dashboard">
        {may("reconciler.incident.list") && <IncidentsCard />}
        {may("fleet.health.read") && <HostsCard />}
        <Wrong summary={summary.data} place={PLATFORM} />
        {may("jobs.job.list") && <GoingOn place={PLATFORM} />}
        {may("jobs.job.list") && <LatelyFailed place={PLATFORM} />}
        <KindCounts summary={summary.data} place={PLATFORM} catalog={catalog} />
      </div>
    </SpaceBetween>
  );
}
