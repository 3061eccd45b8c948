/** A host as an operator looks at it: how full it is, who serves it, and whose machines run on it. */

import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import Link from "@cloudscape-design/components/link";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import type { TableProps } from "@cloudscape-design/components/table";

import type { Resource } from "../api/catalog";
import { usePermissions } from "../api/me";
import type { components } from "../api/ops";
import { PLATFORM, placePath } from "../api/place";
import { keys } from "../api/queries";
import { sizeText } from "../machines/size";
import { Refusal } from "../parts/Refusal";
import { ResourceLink } from "../parts/ResourceLink";
import { Status } from "../parts/Status";
import { Time } from "../parts/Time";
import { RecordTable } from "../records/RecordTable";
import { type HostHealth, troubleOf } from "./health";
import { STATES, stateOf } from "./heat";
import { Shares } from "./Shares";
import { useHostHealth } from "./queries";

type Machine = components["schemas"]["HostMachine"];

export default function HostPanel({ resource }: { resource: Resource }) {
  const may = usePermissions(PLATFORM);
  return (
    <SpaceBetween size="l">
      {may("fleet.health.read") && <Health name={resource.name} />}
      {may("compute.vm.list") && <Machines host={resource} />}
    </SpaceBetween>
  );
}

function Health({ name }: { name: string }) {
  const health = useHostHealth(name);
  if (health.data) return <Known host={health.data} />;
  if (health.error) return <Refusal error={health.error} onRetry={() => void health.refetch()} />;
  return health.data === null ? null : <Spinner size="large" />;
}

function Known({ host }: { host: HostHealth }) {
  const { agent, capacity } = host;
  return (
    <SpaceBetween size="l">
      <Container header={<Header variant="h2">Capacity</Header>}>
        <Shares capacity={capacity} />
      </Container>
      <Container header={<Header variant="h2">Health</Header>}>
        <KeyValuePairs
          columns={4}
          items={[
            { label: "It is", value: <HostState host={host} /> },
            { label: "Last heard of", value: host.seen_at ? <Time at={host.seen_at} /> : "Never" },
            { label: "Agent", value: agent ? <ResourceLink id={agent.id} place={PLATFORM} /> : "None yet" },
            {
              label: "The agent",
              value: agent?.seen_at ? (
                <>
                  Version {agent.version ?? "unknown"}, seen <Time at={agent.seen_at} />
                </>
              ) : (
                "Was never seen"
              ),
            },
          ]}
        />
      </Container>
    </SpaceBetween>
  );
}

const SIGNS = { healthy: "success", closed: "stopped", unreachable: "warning", silent: "error" } as const;

function HostState({ host }: { host: HostHealth }) {
  const state = stateOf(host);
  return <StatusIndicator type={SIGNS[state]}>{troubleOf(host) ?? STATES[state].title}</StatusIndicator>;
}

function Machines({ host }: { host: Resource }) {
  return (
    <RecordTable<Machine>
      variant="container"
      title="Machines"
      description="All that hold a share of this host, of whatever project."
      noun="machine"
      path={`/api/ops/v1/hosts/${host.id}/vms`}
      queryKey={(query) => keys.list(PLATFORM, "vm", "of-host", host.id, query)}
      filters={[]}
      columns={COLUMNS}
      empty="No machine is on this host"
    />
  );
}

const COLUMNS: TableProps.ColumnDefinition<Machine>[] = [
  {
    id: "name",
    header: "Name",
    isRowHeader: true,
    width: 190,
    cell: ({ id, name, project_id: project }) =>
      project ? <Link href={`${placePath({ scope: "project", id: project })}/vms/${id}`}>{name}</Link> : name,
  },
  { id: "status", header: "Status", minWidth: 110, cell: ({ status }) => <Status value={status} /> },
  { id: "power", header: "Power", minWidth: 110, cell: ({ power }) => (power ? <Status value={power} /> : "–") },
  {
    id: "size",
    header: "Size",
    width: 190,
    cell: ({ vcpus, memory_mib: memory }) => sizeText(vcpus, memory),
  },
  {
    id: "project",
    header: "Project",
    width: 210,
    cell: ({ project_id: id, project_name: name }) =>
      id ? <Link href={placePath({ scope: "project", id })}>{name ?? id}</Link> : "–",
  },
  {
    id: "organization",
    header: "Organization",
    width: 210,
    cell: ({ organization_id: id, organization_name: name }) =>
      id ? <Link href={placePath({ scope: "organization", id })}>{name ?? id}</Link> : "–",
  },
  { id: "created", header: "Made", minWidth: 120, cell: ({ created_at: at }) => <Time at={at} /> },
];
