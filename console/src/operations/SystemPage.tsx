/** How the platform itself is: its processes, queues, database and jobs, as figures that have a healthy value. */

import Box from "@cloudscape-design/components/box";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import Table from "@cloudscape-design/components/table";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";

import { answer, ops } from "../api/client";
import type { components } from "../api/ops";
import { PLATFORM } from "../api/place";
import { UNTOLD_MS, keys } from "../api/queries";
import { Refusal } from "../parts/Refusal";
import { Time } from "../parts/Time";
import { duration } from "../parts/words";
import { useHeading } from "../shell/heading";

type System = components["schemas"]["SystemView"];

export default function SystemPage() {
  useHeading({ title: "System" });
  const system = useQuery({
    queryKey: keys.whole(PLATFORM, "system"),
    queryFn: () => answer(ops.GET("/system")),
    refetchInterval: UNTOLD_MS,
  });
  if (system.error && !system.data) return <Refusal error={system.error} onRetry={() => void system.refetch()} />;
  if (!system.data) return <Spinner size="large" />;
  return (
    <SpaceBetween size="l">
      <Header variant="h1" description={`Groundplane ${system.data.version}`}>
        System
      </Header>
      <Jobs jobs={system.data.jobs} />
      <Processes processes={system.data.processes} />
      <Queues queues={system.data.queues} />
      <Database database={system.data.database} />
    </SpaceBetween>
  );
}

function Figure({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div>
      <Box variant="awsui-key-label">{label}</Box>
      <Box variant="awsui-value-large">{children}</Box>
    </div>
  );
}

function Jobs({ jobs }: { jobs: System["jobs"] }) {
  const late = jobs.past_deadline > 0;
  return (
    <Container
      header={
        <Header
          variant="h2"
          description="Every job ends. One past its deadline is a fault of the platform, not of its user."
        >
          Jobs
        </Header>
      }
    >
      <ColumnLayout columns={4} variant="text-grid">
        <Figure label="Past their deadline">
          <StatusIndicator type={late ? "error" : "success"}>{jobs.past_deadline}</StatusIndicator>
        </Figure>
        <Figure label="At work">{jobs.running}</Figure>
        <Figure label="Waiting">{jobs.pending}</Figure>
        <Figure label="Trying again">{jobs.retrying}</Figure>
        <Figure label="Held by a traffic rule">{jobs.held}</Figure>
        <Figure label="Waiting the longest">{secondsText(jobs.oldest_pending_seconds)}</Figure>
        <Figure label="Workers are behind by">{secondsText(jobs.seconds_behind)}</Figure>
      </ColumnLayout>
    </Container>
  );
}

function Processes({ processes }: { processes: System["processes"] }) {
  return (
    <Table
      variant="container"
      trackBy="id"
      items={processes}
      ariaLabels={{ tableLabel: "Processes" }}
      header={
        <Header variant="h2" counter={`(${processes.length})`}>
          Processes
        </Header>
      }
      columnDefinitions={[
        { id: "kind", header: "Process", isRowHeader: true, cell: ({ kind }) => kind },
        { id: "name", header: "Name", cell: ({ name }) => name },
        {
          id: "alive",
          header: "Health",
          cell: ({ alive }) => (
            <StatusIndicator type={alive ? "success" : "error"}>{alive ? "Alive" : "Silent"}</StatusIndicator>
          ),
        },
        { id: "seen", header: "Last seen", cell: ({ last_seen: at }) => (at ? <Time at={at} /> : "Never") },
        { id: "started", header: "Started", cell: ({ started_at: at }) => (at ? <Time at={at} /> : "–") },
        { id: "version", header: "Version", cell: ({ version }) => version ?? "–" },
      ]}
    />
  );
}

function Queues({ queues }: { queues: System["queues"] }) {
  return (
    <Table
      variant="container"
      trackBy={({ queue, cluster }) => `${queue} ${cluster ?? ""}`}
      items={queues ?? []}
      ariaLabels={{ tableLabel: "Queues" }}
      header={<Header variant="h2">Queues</Header>}
      empty={queues ? "No queues yet" : <StatusIndicator type="error">NATS does not answer</StatusIndicator>}
      columnDefinitions={[
        { id: "queue", header: "Queue", isRowHeader: true, cell: ({ queue }) => queue },
        { id: "cluster", header: "Cluster", cell: ({ cluster_name: name, cluster }) => name ?? cluster ?? "All" },
        { id: "waiting", header: "Waiting", cell: ({ waiting }) => waiting },
        { id: "flight", header: "Handed out", cell: ({ in_flight: count }) => count },
        { id: "oldest", header: "The oldest waits", cell: ({ oldest_seconds: age }) => secondsText(age) },
      ]}
    />
  );
}

function Database({ database }: { database: System["database"] }) {
  const full = database.connections / database.connections_max > 0.8;
  return (
    <Container header={<Header variant="h2">Database</Header>}>
      <ColumnLayout columns={3} variant="text-grid">
        <Figure label="Answers in">{database.latency_ms.toFixed(1)} ms</Figure>
        <Figure label="Holds">{(database.bytes / 2 ** 20).toFixed(0)} MiB</Figure>
        <Figure label="Connections">
          <StatusIndicator type={full ? "warning" : "success"}>
            {database.connections} of {database.connections_max}
          </StatusIndicator>
        </Figure>
      </ColumnLayout>
    </Container>
  );
}

function secondsText(seconds: number | null): string {
  return seconds === null ? "–" : duration(seconds);
}
