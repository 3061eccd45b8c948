/** The first page of an organization: its projects, and how much of its quota they use together. */

import "./dashboard.css";

import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import Link from "@cloudscape-design/components/link";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator from "@cloudscape-design/components/status-indicator";

import { kindPath, useCatalog } from "../api/catalog";
import { usePermissions, useReach } from "../api/me";
import { type Place, placePath, usePlace } from "../api/place";
import { Splash } from "../login/Entrance";
import { Refusal } from "../parts/Refusal";
import { usePlaceName } from "../shell/PlaceSwitcher";
import { useHeading } from "../shell/heading";
import { QuotaCard } from "./QuotaCard";

export default function OrganizationDashboard() {
  const place = usePlace();
  const reach = useReach();
  const may = usePermissions(place);
  const project = useCatalog().named("project");
  const name = usePlaceName(place, reach.data);
  useHeading({ title: "Overview" });
  if (!reach.data)
    return reach.error ? <Refusal error={reach.error} onRetry={() => void reach.refetch()} /> : <Splash />;
  const mayCreate = project && may(project.permissions["create"]);
  return (
    <SpaceBetween size="l">
      <Header
        variant="h1"
        description="Its projects, and what they use together."
        actions={
          mayCreate && (
            <Button variant="primary" href={`${kindPath(project, place)}/create`}>
              Create project
            </Button>
          )
        }
      >
        {name}
      </Header>
      <div className="dashboard">
        <Projects place={place} projects={reach.data.projects.filter((each) => each.organization_id === place.id)} />
        {may("resources.quota.read") && <QuotaCard place={place} />}
      </div>
    </SpaceBetween>
  );
}

function Projects({ place, projects }: { place: Place; projects: { id: string; name: string }[] }) {
  return (
    <section className="card" aria-label="Projects">
      <Header variant="h2" actions={<Link href={`${placePath(place)}/projects`}>All</Link>}>
        Projects
      </Header>
      {!projects.length && <StatusIndicator type="info">There is no project here that you may see.</StatusIndicator>}
      <ul className="entries">
        {projects.map(({ id, name }) => (
          <li key={id}>
            <Link href={placePath({ scope: "project", id })}>{name}</Link>
          </li>
        ))}
      </ul>
    </section>
  );
}
