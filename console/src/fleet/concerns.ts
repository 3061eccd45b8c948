/** What of the fleet an operator should look at: who is silent, what takes no machines, what is nearly full. */

import { titleOfDimension } from "../quotas/dimensions";
import { type HostHealth, troubleOf } from "./health";
import { DIMENSIONS, NEARLY_GONE, byCluster, percentOf, shareOf, stateOf, totalOf } from "./heat";

export interface Agent {
  id: string;
  name: string;
  alive: boolean;
  last_seen: string | null;
}

export interface Concern {
  id: string;
  level: "error" | "warning" | "stopped";
  name: string;
  href: string;
  text: string;
}

/** `nameOf`: what a cluster is called. The gravest first. */
export function concernsOf(hosts: HostHealth[], agents: Agent[], nameOf: (cluster: string) => string): Concern[] {
  return [
    ...agents.filter(({ alive }) => !alive).map(ofAgent),
    ...hosts.flatMap(ofHost),
    ...byCluster(hosts).flatMap(({ id, hosts: own }) => ofCluster(id, nameOf(id), own)),
    ...hosts.filter((host) => !host.open).map(ofClosed),
  ];
}

function ofAgent({ id, name, last_seen: seen }: Agent): Concern {
  const text = seen === null ? "The agent was never heard of" : "The agent is not heard of";
  return { id, level: "error", name, href: `/console/ops/agents/${id}`, text };
}

function ofHost(host: HostHealth): Concern[] {
  const text = troubleOf(host);
  if (text === null) return [];
  return [{ id: host.host_id, level: stateOf(host) === "silent" ? "error" : "warning", ...called(host), text }];
}

function ofClosed(host: HostHealth): Concern {
  return { id: `closed ${host.host_id}`, level: "stopped", ...called(host), text: "Is closed to new machines" };
}

/** Of what still takes machines, how much is left. */
function ofCluster(id: string, name: string, hosts: HostHealth[]): Concern[] {
  const open = hosts.filter((host) => host.open);
  const href = `/console/ops/clusters/${id}`;
  if (!open.length) return [{ id: `closed ${id}`, level: "error", name, href, text: "No host takes new machines" }];
  return DIMENSIONS.flatMap((dimension): Concern[] => {
    const share = shareOf(totalOf(open, dimension));
    if (share === null || share < NEARLY_GONE) return [];
    const text = `${titleOfDimension(dimension)}: ${percentOf(share)} % is claimed`;
    return [{ id: `${id} ${dimension}`, level: "warning", name, href, text }];
  });
}

function called({ host_id: id, host_name: name }: HostHealth): { name: string; href: string } {
  return { name, href: hostPath(id) };
}

/** An operator's page of a host, where its machines are. */
export function hostPath(id: string): string {
  return `/console/ops/hosts/${id}?tab=machines`;
}
