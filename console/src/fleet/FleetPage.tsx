/** The fleet at a glance: clusters and their hosts by what is claimed of them or how they are, and beside them what is wrong. */

import "../dashboard/dashboard.css";
import "./fleet.css";

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import Link from "@cloudscape-design/components/link";
import SegmentedControl from "@cloudscape-design/components/segmented-control";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import { useSearchParams } from "react-router";

import { usePermissions } from "../api/me";
import { PLATFORM } from "../api/place";
import { Splash } from "../login/Entrance";
import { Refusal } from "../parts/Refusal";
import { Time } from "../parts/Time";
import { useHeading } from "../shell/heading";
import { type Agent, type Concern, concernsOf } from "./concerns";
import { type ClusterHosts, MEASURES, type Measure, byCluster, capacityOf } from "./heat";
import { HeatMap, Legend } from "./HeatMap";
import { Shares } from "./Shares";
import { type Fleet, MOST, useAgents, useClusterNames, useFleet } from "./queries";

export default function FleetPage() {
  useHeading({ title: "Fleet" });
  const fleet = useFleet();
  if (fleet.data) return <Shown fleet={fleet.data} />;
  return fleet.error ? <Refusal error={fleet.error} onRetry={() => void fleet.refetch()} /> : <Splash />;
}

function Shown({ fleet: { hosts, truncated } }: { fleet: Fleet }) {
  const may = usePermissions(PLATFORM);
  const names = useClusterNames().data;
  const agents = useAgents(may("fleet.system.read")).data;
  const { measure, cluster, show } = useView();
  const nameOf = (id: string) => names?.get(id) ?? (id || "No cluster");
  const clusters = byCluster(hosts);
  const shown = clusters.filter(({ id }) => !cluster || id === cluster);
  return (
    <SpaceBetween size="l">
      <Header
        variant="h1"
        counter={`(${hosts.length.toLocaleString("en")}${truncated ? "+" : ""} hosts)`}
        description="Each cell is a host: what is claimed of it, or how it is. Tab leads to a cluster, arrow keys from host to host."
        actions={may("fleet.host.create") && <Button href="/console/ops/hosts/create">Create host</Button>}
      >
        Fleet
      </Header>
      {truncated && <Alert type="info">{`Only the oldest ${MOST.toLocaleString("en")} hosts are drawn.`}</Alert>}
      {hosts.length ? (
        <SpaceBetween size="m">
          <div className="fleet-view">
            <SegmentedControl
              label="Coloured by"
              selectedId={measure}
              options={MEASURES.map(({ id, title: text }) => ({ id, text }))}
              onChange={({ detail }) => show("by", detail.selectedId)}
            />
            {clusters.length > 1 && (
              <ClusterChoice
                clusters={clusters}
                chosen={cluster}
                nameOf={nameOf}
                onChoose={(id) => show("cluster", id)}
              />
            )}
          </div>
          <Legend measure={measure} />
          <div className="fleet">
            <div className="fleet-clusters">
              {shown.map((each) => (
                <Cluster key={each.id} {...each} name={nameOf(each.id)} measure={measure} />
              ))}
            </div>
            <div className="fleet-beside">
              <Concerns concerns={concernsOf(hosts, agents ?? [], nameOf)} />
              {agents && <Agents agents={agents} />}
            </div>
          </div>
        </SpaceBetween>
      ) : (
        <NoHost />
      )}
    </SpaceBetween>
  );
}

/** What is seen stands in the address: `by` and `cluster`. */
function useView() {
  const [search, setSearch] = useSearchParams();
  const asked = search.get("by");
  const measure: Measure = MEASURES.find(({ id }) => id === asked)?.id ?? "vcpus";
  const show = (name: string, value: string) =>
    setSearch(
      (before) => {
        const after = new URLSearchParams(before);
        if (value) after.set(name, value);
        else after.delete(name);
        return after;
      },
      { replace: true },
    );
  return { measure, cluster: search.get("cluster") ?? "", show };
}

interface ChoiceProps {
  clusters: ClusterHosts[];
  chosen: string;
  nameOf: (id: string) => string;
  onChoose: (id: string) => void;
}

function ClusterChoice({ clusters, chosen, nameOf, onChoose }: ChoiceProps) {
  const options = [
    { value: "", label: "All clusters" },
    ...clusters.map(({ id }) => ({ value: id, label: nameOf(id) })),
  ];
  return (
    <Select
      ariaLabel="Cluster"
      selectedOption={options.find(({ value }) => value === chosen) ?? null}
      options={options}
      onChange={({ detail }) => onChoose(detail.selectedOption.value ?? "")}
    />
  );
}

function NoHost() {
  return (
    <Box textAlign="center" padding="xl">
      <Box variant="strong">There is no host yet</Box>
      <Box color="text-body-secondary">Machines are placed on hosts; a host belongs to a cluster.</Box>
    </Box>
  );
}

function Cluster({ id, name, hosts, measure }: ClusterHosts & { name: string; measure: Measure }) {
  return (
    <section className="card" aria-label={`Cluster ${name}`}>
      <Header variant="h2" counter={`(${hosts.length.toLocaleString("en")})`}>
        {id ? (
          <Link href={`/console/ops/clusters/${id}`} fontSize="inherit">
            {name}
          </Link>
        ) : (
          name
        )}
      </Header>
      <Shares capacity={capacityOf(hosts)} />
      <HeatMap label={`Hosts of ${name}`} hosts={hosts} measure={measure} />
    </section>
  );
}

const SHOWN = 12;

function Concerns({ concerns }: { concerns: Concern[] }) {
  return (
    <section className="card" aria-label="What is wrong">
      <Header variant="h2" counter={concerns.length ? `(${concerns.length})` : ""}>
        What is wrong
      </Header>
      {!concerns.length && <StatusIndicator type="success">Nothing is wrong.</StatusIndicator>}
      <ul className="entries">
        {concerns.slice(0, SHOWN).map(({ id, level, name, href, text }) => (
          <li key={id}>
            <StatusIndicator type={level}>
              <Link href={href}>{name}</Link>
            </StatusIndicator>
            <Box color="text-body-secondary" fontSize="body-s">
              {text}
            </Box>
          </li>
        ))}
      </ul>
      {concerns.length > SHOWN && <Box>{concerns.length - SHOWN} more.</Box>}
    </section>
  );
}

function Agents({ agents }: { agents: (Agent & { version: string | null })[] }) {
  const silent = agents.filter(({ alive }) => !alive);
  return (
    <section className="card" aria-label="Agents">
      <Header variant="h2" counter={`(${agents.length})`} actions={<Link href="/console/ops/agents">All agents</Link>}>
        Agents
      </Header>
      <ul className="entries">
        {[...silent, ...agents.filter(({ alive }) => alive)].slice(0, SHOWN).map((agent) => (
          <li key={agent.id} className="entry-line">
            <StatusIndicator type={agent.alive ? "success" : "error"}>
              <Link href={`/console/ops/agents/${agent.id}`}>{agent.name}</Link>
            </StatusIndicator>
            <Box color="text-body-secondary" fontSize="body-s">
              {agent.version && `${agent.version}, `}
              {agent.last_seen ? <Time at={agent.last_seen} /> : "never seen"}
            </Box>
          </li>
        ))}
      </ul>
    </section>
  );
}
