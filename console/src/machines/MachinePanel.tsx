/** A machine as one has it before oneself: whether it runs, its disks, its network cards. */

import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import { useMutation, useQueries } from "@tanstack/react-query";

import { answer, tenant } from "../api/client";
import { type Resource, useCatalog } from "../api/catalog";
import { usePermissions } from "../api/me";
import { type Place, usePlace } from "../api/place";
import { keys } from "../api/queries";
import type { components } from "../api/tenant";
import { action, carryOut } from "../kinds/change";
import { ResourceLink } from "../parts/ResourceLink";
import { Status } from "../parts/Status";
import { amount } from "../parts/words";
import { flash } from "../shell/flashes";
import { sizeText } from "./size";

type Vm = components["schemas"]["Vm"];

export default function MachinePanel({ resource }: { resource: Resource }) {
  const place = usePlace();
  const vm = resource as unknown as Vm;
  return (
    <SpaceBetween size="l">
      <Power vm={vm} place={place} />
      <Disks vm={vm} place={place} />
      <Cards vm={vm} place={place} />
    </SpaceBetween>
  );
}

interface Props {
  vm: Vm;
  place: Place;
}

const VERBS = [
  { verb: "start", text: "Start", icon: "play" },
  { verb: "stop", text: "Stop", icon: "pause" },
  { verb: "reboot", text: "Reboot", icon: "refresh" },
] as const;

function Power({ vm, place }: Props) {
  const kind = useCatalog().named("vm");
  const may = usePermissions(place);
  const change = useMutation({
    mutationFn: async ({ verb, text }: { verb: string; text: string }) => {
      if (!kind) return;
      const what = `${text} virtual machine ${vm.name}`;
      await carryOut(action(kind, place, vm, verb), what, kind, place);
    },
    onError: flash.refused,
  });
  const { power, restart_required: restart, reboots } = vm.observed;
  const makesSense = (verb: string) => (verb === "start") === (vm.spec.power === "stopped");
  return (
    <Container
      header={
        <Header
          variant="h2"
          actions={
            <SpaceBetween direction="horizontal" size="xs">
              {VERBS.filter(({ verb }) => may(`compute.vm.${verb}`)).map(({ verb, text, icon }) => (
                <Button
                  key={verb}
                  iconName={icon}
                  disabled={!makesSense(verb) || vm.status === "deleting" || change.isPending}
                  onClick={() => change.mutate({ verb, text })}
                >
                  {text}
                </Button>
              ))}
            </SpaceBetween>
          }
        >
          Power
        </Header>
      }
    >
      <KeyValuePairs
        columns={4}
        items={[
          { label: "It is", value: power ? <Status value={power} /> : "Not known yet" },
          { label: "It should be", value: <Status value={vm.spec.power} /> },
          { label: "Size", value: sizeText(vm.spec.vcpus, vm.spec.memory_mib) },
          {
            label: "Rebooted",
            value: `${reboots} times${restart ? "; some of what is wanted takes hold at its next start" : ""}`,
          },
        ]}
      />
    </Container>
  );
}

function Disks({ vm, place }: Props) {
  const path = { project_id: place.id ?? "" };
  const { disks } = vm.spec;
  const volumes = useQueries({
    queries: disks.map(({ volume }) => ({
      queryKey: keys.item(place, "volume", volume),
      queryFn: () =>
        answer(
          tenant.GET("/projects/{project_id}/volumes/{reference}", {
            params: { path: { ...path, reference: volume } },
          }),
        ),
    })),
  });
  const rows = disks.map((disk, index) => ({ disk, index, volume: volumes[index]?.data }));
  return (
    <Table
      variant="container"
      items={rows}
      trackBy={({ disk }) => disk.volume}
      ariaLabels={{ tableLabel: "Disks" }}
      header={
        <Header variant="h2" counter={`(${disks.length})`}>
          Disks
        </Header>
      }
      columnDefinitions={[
        {
          id: "volume",
          header: "Volume",
          isRowHeader: true,
          cell: ({ disk, volume }) => <ResourceLink id={disk.volume} name={volume?.name} place={place} />,
        },
        { id: "size", header: "Size", cell: ({ volume }) => (volume ? amount(volume.spec.size_gib, "GiB") : "–") },
        {
          id: "image",
          header: "A copy of",
          cell: ({ volume }) => (volume?.spec.image ? <ResourceLink id={volume.spec.image} place={place} /> : "–"),
        },
        { id: "role", header: "Role", cell: ({ index }) => (index === 0 ? "It boots from it" : "Further disk") },
        { id: "owned", header: "When it is deleted", cell: ({ disk }) => (disk.owned ? "Goes with it" : "Stays") },
        { id: "status", header: "Status", cell: ({ volume }) => (volume ? <Status value={volume.status} /> : "–") },
      ]}
    />
  );
}

function Cards({ vm, place }: Props) {
  const path = { project_id: place.id ?? "" };
  const { nics } = vm.spec;
  const ports = useQueries({
    queries: nics.map(({ port }) => ({
      queryKey: keys.item(place, "port", port),
      queryFn: () =>
        answer(
          tenant.GET("/projects/{project_id}/ports/{reference}", { params: { path: { ...path, reference: port } } }),
        ),
    })),
  });
  const rows = nics.map((nic, index) => ({ nic, port: ports[index]?.data }));
  return (
    <Table
      variant="container"
      items={rows}
      trackBy={({ nic }) => nic.port}
      ariaLabels={{ tableLabel: "Network cards" }}
      empty="It has no network card."
      header={
        <Header variant="h2" counter={`(${nics.length})`}>
          Network cards
        </Header>
      }
      columnDefinitions={[
        { id: "address", header: "Address", isRowHeader: true, cell: ({ port }) => port?.spec.address ?? "–" },
        {
          id: "port",
          header: "Port",
          cell: ({ nic, port }) => <ResourceLink id={nic.port} name={port?.name} place={place} />,
        },
        {
          id: "network",
          header: "Network",
          cell: ({ port }) => (port ? <ResourceLink id={port.spec.network} place={place} /> : "–"),
        },
        {
          id: "groups",
          header: "Security groups",
          cell: ({ port }) =>
            port?.spec.security_groups.length
              ? port.spec.security_groups.map((id) => (
                  <div key={id}>
                    <ResourceLink id={id} place={place} />
                  </div>
                ))
              : "None",
        },
        { id: "mac", header: "MAC", cell: ({ port }) => port?.spec.mac ?? "–" },
        { id: "owned", header: "When it is deleted", cell: ({ nic }) => (nic.owned ? "Goes with it" : "Stays") },
      ]}
    />
  );
}
