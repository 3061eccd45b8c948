/**
 * The page table: every hand-made page is one file and one line here. The generic pages of the kinds stand at the end; a
 * hand-made page at a more exact address takes their place (`p/:project/vms/create` that of `p/:project/:plural/create`).
 *
 * Addresses are below `/console/`. `p/:project` is a project's page, `o/:organization` an organization's, `ops` the
 * operators'; `usePlace()` says which. A page that is in the side navigation says under which heading, and the permission
 * without which it is not offered.
 */

import type { ComponentType } from "react";

import type { Resource } from "./api/catalog";

export interface Page {
  path: string;
  load: () => Promise<{ default: ComponentType }>;
  navigation?: { section: string; text: string; permission?: string };
}

export const pages: Page[] = [
  { path: "", load: () => import("./shell/Home") },
  { path: "me", load: () => import("./account/AccountPage") },
  { path: "device", load: () => import("./account/DevicePage") },
  {
    path: "p/:project",
    load: () => import("./dashboard/ProjectDashboard"),
    navigation: { section: "", text: "Overview" },
  },
  {
    path: "p/:project/jobs",
    load: () => import("./jobs/JobsPage"),
    navigation: { section: "", text: "Jobs", permission: "jobs.job.list" },
  },
  { path: "p/:project/jobs/:id", load: () => import("./jobs/JobPage") },
  {
    path: "p/:project/topology",
    load: () => import("./topology/TopologyPage"),
    navigation: { section: "", text: "Topology", permission: "resources.topology.read" },
  },
  {
    path: "p/:project/drift",
    load: () => import("./drift/DriftPage"),
    navigation: { section: "", text: "Drift", permission: "reconciler.drift.list" },
  },
  {
    path: "p/:project/quota",
    load: () => import("./quotas/QuotaPage"),
    navigation: { section: "", text: "Quota", permission: "resources.quota.read" },
  },
  {
    path: "p/:project/audit",
    load: () => import("./audit/AuditPage"),
    navigation: { section: "", text: "Audit trail", permission: "audit.event.list" },
  },
  { path: "p/:project/images/create", load: () => import("./images/CreateImagePage") },
  { path: "p/:project/vms/create", load: () => import("./machines/CreateVmPage") },
  {
    path: "o/:organization",
    load: () => import("./dashboard/OrganizationDashboard"),
    navigation: { section: "", text: "Overview" },
  },
  { path: "join", load: () => import("./access/AcceptPage") },
  {
    path: "o/:organization/members",
    load: () => import("./access/MembersPage"),
    navigation: { section: "Access", text: "Members", permission: "identity.role_binding.list" },
  },
  {
    path: "o/:organization/invitations",
    load: () => import("./access/InvitationsPage"),
    navigation: { section: "Access", text: "Invitations", permission: "identity.invitation.list" },
  },
  {
    path: "o/:organization/groups",
    load: () => import("./access/GroupsPage"),
    navigation: { section: "Access", text: "Groups", permission: "identity.group.list" },
  },
  { path: "o/:organization/groups/:id", load: () => import("./access/GroupPage") },
  {
    path: "o/:organization/service-accounts",
    load: () => import("./access/ServiceAccountsPage"),
    navigation: { section: "Access", text: "Service accounts", permission: "identity.service_account.list" },
  },
  { path: "o/:organization/service-accounts/:id", load: () => import("./access/ServiceAccountPage") },
  {
    path: "o/:organization/roles",
    load: () => import("./access/RolesPage"),
    navigation: { section: "Access", text: "Roles", permission: "identity.role.list" },
  },
  { path: "ops", load: () => import("./dashboard/PlatformDashboard"), navigation: { section: "", text: "Overview" } },
  {
    path: "ops/jobs",
    load: () => import("./jobs/JobsPage"),
    navigation: { section: "", text: "Jobs", permission: "jobs.job.list" },
  },
  { path: "ops/jobs/:id", load: () => import("./jobs/JobPage") },
  {
    path: "ops/drift",
    load: () => import("./drift/DriftPage"),
    navigation: { section: "", text: "Drift", permission: "reconciler.drift.list" },
  },
  {
    path: "ops/incidents",
    load: () => import("./operations/IncidentsPage"),
    navigation: { section: "", text: "Incidents", permission: "reconciler.incident.list" },
  },
  {
    path: "ops/traffic-rules",
    load: () => import("./operations/TrafficPage"),
    navigation: { section: "", text: "Traffic rules", permission: "jobs.traffic_rule.list" },
  },
  {
    path: "ops/quota-defaults",
    load: () => import("./quotas/DefaultsPage"),
    navigation: { section: "", text: "Default quotas", permission: "resources.quota.read" },
  },
  {
    path: "ops/audit",
    load: () => import("./audit/AuditPage"),
    navigation: { section: "", text: "Audit trail", permission: "audit.event.list" },
  },
  {
    path: "ops/system",
    load: () => import("./operations/SystemPage"),
    navigation: { section: "", text: "System", permission: "fleet.system.read" },
  },
  {
    path: "ops/fleet",
    load: () => import("./fleet/FleetPage"),
    navigation: { section: "Fleet", text: "Fleet", permission: "fleet.health.read" },
  },

  ...["p/:project", "o/:organization", "ops"].flatMap((place): Page[] => [
    { path: `${place}/:plural`, load: () => import("./kinds/TablePage") },
    { path: `${place}/:plural/create`, load: () => import("./kinds/CreatePage") },
    { path: `${place}/:plural/:reference`, load: () => import("./kinds/DetailPage") },
    { path: `${place}/:plural/:reference/edit`, load: () => import("./kinds/EditPage") },
  ]),
  { path: "*", load: () => import("./shell/NotFound") },
];

/** A tab that the generic detail page of one kind gets beside its own. */
export interface Panel {
  kind: string;
  /** Its name in the address. */
  id: string;
  title: string;
  permission?: string;
  load: () => Promise<{ default: ComponentType<{ resource: Resource }> }>;
}

export const panels: Panel[] = [
  {
    kind: "organization",
    id: "quota",
    title: "Quota",
    permission: "resources.quota.read",
    load: () => import("./quotas/LimitsPanel"),
  },
  { kind: "host", id: "machines", title: "Machines and capacity", load: () => import("./fleet/HostPanel") },
  { kind: "vm", id: "machine", title: "Machine", load: () => import("./machines/MachinePanel") },
  {
    kind: "vm",
    id: "console",
    title: "Console log",
    permission: "compute.vm.console",
    load: () => import("./machines/ConsolePanel"),
  },
  { kind: "secret", id: "versions", title: "Versions", load: () => import("./secrets/VersionsPanel") },
];
