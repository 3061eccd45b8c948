"""What the platform answers. Made from docs/openapi by `groundplane openapi`: do not edit."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec import field

from groundplane.sdk.record import Record

if TYPE_CHECKING:
    from typing import Literal
else:
    from groundplane.sdk.record import AnyText as Literal


class Resource(Record, frozen=True, kw_only=True):
    """Anything that the platform keeps: `spec` is what should be, `observed` what is. `job` is changing it right now."""

    id: str
    kind: str
    organization_id: str | None = None
    project_id: str | None = None
    name: str
    status: Literal["creating", "active", "updating", "deleting", "deleted", "error"]
    wanted: Literal["present", "absent"]
    labels: Mapping[str, str]
    provider_reference: str | None = None
    cluster_id: str | None = None
    host_id: str | None = None
    generation: int
    observed_generation: int
    revision: int
    created_at: datetime
    updated_at: datetime
    job: JobReference | None = None


class Access(Record, frozen=True, kw_only=True):
    """Whether a request would be let in; `code` and `detail` are those of the problem that would answer it."""

    allowed: bool
    code: Literal["forbidden", "not_found", "unauthenticated"] | None = None
    detail: str | None = None
    through: Grant | None = None
    missing: Missing | None = None


class Action(Record, frozen=True, kw_only=True):
    """A verb beyond create, read, list, update and delete: POST to the item's path and `/VERB`."""

    verb: str
    summary: str


class Agent(Resource, frozen=True, kw_only=True):
    """A process that carries out a cluster's tasks on its engines."""

    spec: AgentSpec
    observed: Nothing


class AgentHealth(Record, frozen=True, kw_only=True):
    """The agent that a host was last heard of by."""

    id: str
    version: str | None = None
    seen_at: datetime | None = None
    silent_seconds: float | None = None


class AgentPage(Record, frozen=True, kw_only=True):
    """A page of agents."""

    items: tuple[Agent, ...]
    next: str | None = None


class AgentSpec(Record, frozen=True, kw_only=True):
    """Serves one cluster."""

    cluster: str


class ApiKey(Record, frozen=True, kw_only=True):
    """A key as it may be shown."""

    id: str
    user_id: str | None = None
    organization_id: str | None = None
    service_account_id: str | None = None
    name: str
    scopes: tuple[str, ...] | None = None
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


class ApiKeyPage(Record, frozen=True, kw_only=True):
    """A page of keys, oldest first."""

    items: tuple[ApiKey, ...]
    next: str | None = None


class AuditEvent(Record, frozen=True, kw_only=True):
    """Who did, or tried, what to which resource, and how it ended."""

    id: str
    at: datetime
    action: str
    outcome: str
    code: str | None = None
    actor_id: str | None = None
    actor_name: str | None = None
    actor_kind: str
    organization_id: str | None = None
    project_id: str | None = None
    resource_kind: str | None = None
    resource_id: str | None = None
    request_id: str | None = None
    address: str | None = None
    detail: Mapping[str, Any]


class AuditPage(Record, frozen=True, kw_only=True):
    """A page of the audit log, newest first."""

    items: tuple[AuditEvent, ...]
    next: str | None = None


class Binding(Record, frozen=True, kw_only=True):
    """Somebody has a role: on the whole platform, in an organization, or in one of its projects. One of the three is set."""

    id: str
    user_id: str | None = None
    group_id: str | None = None
    service_account_id: str | None = None
    subject_name: str
    role: str
    custom_role_id: str | None = None
    organization_id: str | None = None
    project_id: str | None = None
    expires_at: datetime | None = None
    created_at: datetime


class BindingPage(Record, frozen=True, kw_only=True):
    """A page of role bindings, expired ones too, oldest first."""

    items: tuple[Binding, ...]
    next: str | None = None


class BuiltInRole(Record, frozen=True, kw_only=True):
    """A role that every platform has."""

    name: str
    summary: str
    levels: tuple[Literal["platform", "organization", "project"], ...]
    permissions: tuple[str, ...]


class BuiltInRolePage(Record, frozen=True, kw_only=True):
    """All built-in roles, on one page."""

    items: tuple[BuiltInRole, ...]
    next: None = None


class Cluster(Resource, frozen=True, kw_only=True):
    """Infrastructure that one set of agents serves."""

    spec: ClusterSpec
    observed: Nothing


class ClusterPage(Record, frozen=True, kw_only=True):
    """A page of clusters."""

    items: tuple[Cluster, ...]
    next: str | None = None


class ClusterSpec(Record, frozen=True, kw_only=True):
    """Nothing but its name yet."""

    description: str = ""


class Column(Record, frozen=True, kw_only=True):
    """A field that a table shows beside name, status, labels and age."""

    path: str
    title: str
    unit: str | None = None


class CommonInvitation(Record, frozen=True, kw_only=True):
    """Whoever has this e-mail address may have a role in an organization, or in one of its projects."""

    id: str
    organization_id: str
    project_id: str | None = None
    email: str
    role: str
    invited_by: str
    status: Literal["open", "accepted", "revoked", "expired"]
    expires_at: datetime
    accepted_at: datetime | None = None
    accepted_by: str | None = None
    revoked_at: datetime | None = None
    created_at: datetime


class Database(Record, frozen=True, kw_only=True):
    """The database, as this api process finds it."""

    latency_ms: float
    bytes: int
    connections: int
    connections_max: int


class Device(Record, frozen=True, kw_only=True):
    """The device that was let in or kept out, as far as it can be told."""

    address: str | None = None
    user_agent: str


class DeviceCodes(Record, frozen=True, kw_only=True):
    """Show `user_code` and `verification_uri`, and poll with `device_code`, `interval` seconds apart (RFC 8628, 3.2)."""

    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_in: int
    interval: int


class DiskSpec(Record, frozen=True, kw_only=True):
    """A volume as the machine's disk; `owned`: it goes with the machine."""

    volume: str
    owned: bool


class Drift(Record, frozen=True, kw_only=True):
    """A difference between what should be and what an engine holds, both sides field by field."""

    id: str
    resource_id: str
    resource_kind: str
    resource_name: str | None = None
    organization_id: str | None = None
    project_id: str | None = None
    difference: str
    fields: Mapping[str, Any]
    source: str
    decision: Literal["correct", "alert", "ignore"]
    decided_by: str | None = None
    decided_at: datetime | None = None
    reason: str | None = None
    until: datetime | None = None
    attempts: int
    next_at: datetime
    job_id: str | None = None
    detected_at: datetime
    resolved_at: datetime | None = None


class DriftPage(Record, frozen=True, kw_only=True):
    """A page of drift, newest first."""

    items: tuple[Drift, ...]
    next: str | None = None


class DryRun(Record, frozen=True, kw_only=True):
    """What the request would do. Nothing of it was done. At most a hundred of each sort are listed."""

    dry_run: bool
    status: int
    created_count: int
    created: tuple[PlannedResource, ...]
    changed_count: int
    changed: tuple[PlannedResource, ...]
    jobs_count: int
    jobs: tuple[PlannedJob, ...]
    quota: Mapping[str, QuotaEffect]
    organization_quota: Mapping[str, QuotaEffect]


class Ended(Record, frozen=True, kw_only=True):
    """How many sessions were ended."""

    ended: int


class Enrolment(Record, frozen=True, kw_only=True):
    """What the device is to learn. Told once: a repetition is answered without it."""

    secret: str | None = None
    uri: str | None = None


class FoundResource(Record, frozen=True, kw_only=True):
    """A resource, and by what it was found."""

    id: str
    kind: str
    name: str
    status: str
    project_id: str | None = None
    organization_id: str | None = None
    matched: Literal["id", "name", "label", "address"]


class Grant(Record, frozen=True, kw_only=True):
    """The binding through which it is allowed, of the several the one that lasts longest."""

    binding_id: str
    role: str
    organization_id: str | None = None
    project_id: str | None = None
    group_id: str | None = None
    group_name: str | None = None
    expires_at: datetime | None = None


class Group(Record, frozen=True, kw_only=True):
    """Users of an organization who have roles together."""

    id: str
    organization_id: str
    name: str
    description: str
    created_at: datetime


class GroupPage(Record, frozen=True, kw_only=True):
    """A page of groups, oldest first."""

    items: tuple[Group, ...]
    next: str | None = None


class HistoryEntry(Record, frozen=True, kw_only=True):
    """One change of a resource: who, which job, why, and what is different after it."""

    at: datetime
    revision: int
    changed_by: str | None = None
    changed_by_name: str | None = None
    job_id: str | None = None
    reason: str
    state: Mapping[str, Any]


class Host(Resource, frozen=True, kw_only=True):
    """A server that virtual machines run on."""

    spec: HostSpec
    observed: Nothing


class HostCapacity(Record, frozen=True, kw_only=True):
    """How much of a host is given away; of disk, in all its pools."""

    vcpus: Share
    memory_mib: Share
    disk_gib: Share


class HostHealth(Record, frozen=True, kw_only=True):
    """When a host was heard of, what its agent saw, and how full it is. What was heard is null for one that never was."""

    host_id: str
    host_name: str
    cluster_id: str | None = None
    seen_at: datetime | None = None
    silent_seconds: float | None = None
    facts: Mapping[str, Any] | None = None
    agent: AgentHealth | None = None
    open: bool
    capacity: HostCapacity


class HostHealthPage(Record, frozen=True, kw_only=True):
    """A page of hosts, oldest first."""

    items: tuple[HostHealth, ...]
    next: str | None = None


class HostMachine(Record, frozen=True, kw_only=True):
    """A machine as operators see it on its host; the size is what it holds of the host."""

    id: str
    name: str
    status: str
    power: str | None = None
    vcpus: int
    memory_mib: int
    project_id: str | None = None
    project_name: str | None = None
    organization_id: str | None = None
    organization_name: str | None = None
    created_at: datetime


class HostMachinePage(Record, frozen=True, kw_only=True):
    """A page of a host's machines, oldest first."""

    items: tuple[HostMachine, ...]
    next: str | None = None


class HostPage(Record, frozen=True, kw_only=True):
    """A page of hosts."""

    items: tuple[Host, ...]
    next: str | None = None


class HostSpec(Record, frozen=True, kw_only=True):
    """A server of a cluster. `open` is whether new machines are placed on it."""

    cluster: str
    vcpus: int
    memory_mib: int
    open: bool = True


class Image(Resource, frozen=True, kw_only=True):
    """A disk to start volumes from."""

    spec: ImageSpec
    observed: Nothing


class ImagePage(Record, frozen=True, kw_only=True):
    """A page of images."""

    items: tuple[Image, ...]
    next: str | None = None


class ImageSpec(Record, frozen=True, kw_only=True):
    """What was uploaded: never changes. Sizes in bytes; the virtual size is what a guest sees."""

    format: Literal["qcow2", "raw"]
    size_bytes: int
    virtual_size_bytes: int
    sha256: str


class Incident(Record, frozen=True, kw_only=True):
    """What a person should look at. It opens and closes by itself."""

    id: str
    code: str
    subject_kind: str | None = None
    subject_id: str | None = None
    detail: str
    context: Mapping[str, Any]
    opened_at: datetime
    closed_at: datetime | None = None


class IncidentPage(Record, frozen=True, kw_only=True):
    """A page of incidents, newest first."""

    items: tuple[Incident, ...]
    next: str | None = None


class Invitation(Record, frozen=True, kw_only=True):
    """What lets one process become the agent, once: `groundplane agent --enrol TOKEN --api URL`."""

    agent_id: str
    token: str
    expires_at: datetime


class InvitationPage(Record, frozen=True, kw_only=True):
    """A page of invitations, however they stand, oldest first."""

    items: tuple[CommonInvitation, ...]
    next: str | None = None


class Job(Record, frozen=True, kw_only=True):
    """One attempt at what is wanted of a resource; or, with verb `bulk`, the parent of many."""

    id: str
    workflow: str
    verb: Literal["create", "update", "delete", "correct", "bulk"]
    state: Literal["PENDING", "RUNNING", "RETRYING", "SUCCEEDED", "FAILED"]
    organization_id: str | None = None
    project_id: str | None = None
    resource_id: str
    resource_kind: str
    step: str
    attempt: int
    error: JobFault | None = None
    reason: str
    requested_by: str | None = None
    requested_by_name: str | None = None
    trace_id: str
    next_at: datetime | None = None
    deadline: datetime
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    held: JobHold | None = None
    undoing: bool
    parent_id: str | None = None
    links: JobLinks
    steps: tuple[JobStep, ...] = ()
    errors: tuple[JobError, ...] = ()


class JobError(Record, frozen=True, kw_only=True):
    """A fault that the job met, in its order."""

    code: str
    fault_class: str
    message: str
    at: datetime
    step: str
    attempt: int


class JobEvent(Record, frozen=True, kw_only=True):
    """A change of a job's state or step."""

    entity: Literal["job"]
    id: str
    kind: Literal["job"]
    workflow: str
    state: Literal["PENDING", "RUNNING", "RETRYING", "SUCCEEDED", "FAILED"]
    step: str
    resource_id: str | None = None
    revision: int
    at: datetime
    organization_id: str | None = None
    project_id: str | None = None


class JobFault(Record, frozen=True, kw_only=True):
    """What went wrong: a stable code, whether another try may mend it (transient or permanent), and a sentence to act on."""

    code: str
    fault_class: str
    message: str


class JobFigures(Record, frozen=True, kw_only=True):
    """All jobs of the platform that have not ended."""

    past_deadline: int
    pending: int
    running: int
    retrying: int
    held: int
    oldest_pending_seconds: float | None = None
    seconds_behind: float


class JobHold(Record, frozen=True, kw_only=True):
    """Why a job has not begun: a rule of the operators holds it, until the rule ends or lets it through, in its turn."""

    rule_id: str
    action: Literal["pause", "rate", "concurrency"]
    reason: str
    until: datetime | None = None


class JobLinks(Record, frozen=True, kw_only=True):
    """Where what belongs to a job is read. `resource` is null for a parent of many."""

    self: str
    resource: str | None = None
    parent: str | None = None
    children: str | None = None


class JobPage(Record, frozen=True, kw_only=True):
    """A page of jobs, newest first."""

    items: tuple[Job, ...]
    next: str | None = None


class JobReference(Record, frozen=True, kw_only=True):
    """The job that carries a request on: follow `href`."""

    id: str
    state: Literal["PENDING", "RUNNING", "RETRYING", "SUCCEEDED", "FAILED"]
    href: str


class JobStep(Record, frozen=True, kw_only=True):
    """One line of a job's history."""

    at: datetime
    step: str
    attempt: int
    what: str
    detail: Mapping[str, Any]


class JobSummary(Record, frozen=True, kw_only=True):
    """How many jobs have not ended, by state; and how many failed within a day."""

    PENDING: int
    RUNNING: int
    RETRYING: int
    failed_last_day: int


class Joined(Record, frozen=True, kw_only=True):
    """The invitation that was accepted, and the new user, who can log in now."""

    invitation: CommonInvitation
    user: User


class JsonWebKey(Record, frozen=True, kw_only=True):
    """A public key (RFC 8037)."""

    kty: str
    crv: str
    x: str
    kid: str
    use: str
    alg: str


class Jwks(Record, frozen=True, kw_only=True):
    """The keys that verify access tokens (RFC 7517)."""

    keys: tuple[JsonWebKey, ...]


class Kind(Record, frozen=True, kw_only=True):
    """What a kind is, where its routes lie, what its resources look like. `x-kind` in a schema: a reference to that kind."""

    name: str
    plural: str
    title: str
    title_plural: str
    summary: str
    service: str
    namespace: Literal["tenant", "ops", "common"]
    scope: Literal["project", "organization", "platform"]
    collection: str
    prefix: str
    columns: tuple[Column, ...]
    actions: tuple[Action, ...]
    permissions: Mapping[str, str]
    create: Mapping[str, Any] | None = None
    update: Mapping[str, Any] | None = None
    spec: Mapping[str, Any]
    observed: Mapping[str, Any]


class KindCatalog(Record, frozen=True, kw_only=True):
    """Every kind."""

    kinds: tuple[Kind, ...]


class KindSummary(Record, frozen=True, kw_only=True):
    """How many of a kind there are, and in which statuses."""

    kind: str
    total: int
    statuses: Mapping[str, int]


class Link(Record, frozen=True, kw_only=True):
    """A resource at the other end of a link."""

    role: str
    resource: ResourceBrief


class Links(Record, frozen=True, kw_only=True):
    """What a resource uses, and what uses it."""

    uses: tuple[Link, ...]
    used_by: tuple[Link, ...]
    truncated: bool


class LoginView(Record, frozen=True, kw_only=True):
    """An access token, good for `expires_in` seconds: send it as `Authorization: Bearer TOKEN`."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    refresh_token: str | None = None
    refresh_expires_in: int
    session_id: str
    user: User


class Me(Record, frozen=True, kw_only=True):
    """Who is asking, a user or a service account, and the roles that they have now, those of their groups included."""

    user: User | None = None
    service_account: ServiceAccount | None = None
    role_bindings: tuple[Binding, ...]


class Member(Record, frozen=True, kw_only=True):
    """A user in a group."""

    user_id: str
    email: str
    name: str
    added_at: datetime


class MemberPage(Record, frozen=True, kw_only=True):
    """A page of a group's members."""

    items: tuple[Member, ...]
    next: str | None = None


class Methods(Record, frozen=True, kw_only=True):
    """The ways to log in here."""

    password: bool
    sso: SsoMethod | None = None


class Missing(Record, frozen=True, kw_only=True):
    """What is needed: the permission, by one of these roles bound there; or a credential of a wider scope."""

    permission: str
    roles: tuple[str, ...]
    scope: bool


class Network(Resource, frozen=True, kw_only=True):
    """A layer 2 network of the project's own."""

    spec: NetworkSpec
    observed: Nothing


class NetworkBulk(Record, frozen=True, kw_only=True):
    """Networks that were made by one request, and the parent of their jobs."""

    items: tuple[Network, ...]
    job: JobReference | None = None


class NetworkPage(Record, frozen=True, kw_only=True):
    """A page of networks."""

    items: tuple[Network, ...]
    next: str | None = None


class NetworkSpec(Record, frozen=True, kw_only=True):
    """`mtu` in bytes: what guests are told; the default leaves room for Geneve on an underlay of 1500."""

    mtu: int = 1442


class NewApiKey(Record, frozen=True, kw_only=True):
    """A new key, with the token that is told once: a repetition is answered without it."""

    id: str
    user_id: str | None = None
    organization_id: str | None = None
    service_account_id: str | None = None
    name: str
    scopes: tuple[str, ...] | None = None
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None
    token: str | None = None


class NewInvitation(Record, frozen=True, kw_only=True):
    """An invitation, and the token to accept it with, which is told only now: pass it on."""

    id: str
    organization_id: str
    project_id: str | None = None
    email: str
    role: str
    invited_by: str
    status: Literal["open", "accepted", "revoked", "expired"]
    expires_at: datetime
    accepted_at: datetime | None = None
    accepted_by: str | None = None
    revoked_at: datetime | None = None
    created_at: datetime
    token: str


class NicSpec(Record, frozen=True, kw_only=True):
    """A port as the machine's card; `owned`: it goes with the machine."""

    port: str
    owned: bool


class Nothing(Record, frozen=True, kw_only=True):
    """A kind that has no fields of this sort."""


class Organization(Resource, frozen=True, kw_only=True):
    """A tenant: owns projects, users' roles and what they cost, with a quota for all projects together."""

    spec: OrganizationSpec
    observed: Nothing


class OrganizationPage(Record, frozen=True, kw_only=True):
    """A page of organizations."""

    items: tuple[Organization, ...]
    next: str | None = None


class OrganizationSpec(Record, frozen=True, kw_only=True):
    """Nothing but its name yet."""

    description: str = ""


class OwnPermissions(Record, frozen=True, kw_only=True):
    """What the caller may do in a place, with the credential that they are using."""

    permissions: tuple[str, ...]


class OwnPlaces(Record, frozen=True, kw_only=True):
    """Where the caller may go, by name."""

    projects: tuple[OwnProject, ...]
    organizations: tuple[Place, ...]
    platform: bool
    truncated: bool


class OwnProject(Record, frozen=True, kw_only=True):
    """A project in which the caller may do something."""

    id: str
    name: str
    organization_id: str
    organization_name: str


class PermissionPage(Record, frozen=True, kw_only=True):
    """All permissions, on one page."""

    items: tuple[str, ...]
    next: None = None


class Place(Record, frozen=True, kw_only=True):
    """An organization in which the caller may do something, or has a project to do it in."""

    id: str
    name: str


class PlannedJob(Record, frozen=True, kw_only=True):
    """A job that would be started, and the steps of its workflow."""

    workflow: str
    resource_id: str
    steps: tuple[str, ...]


class PlannedResource(Record, frozen=True, kw_only=True):
    """A resource that would be made or changed; `changes` are its fields as they would be."""

    id: str
    kind: str
    name: str
    host_id: str | None = None
    host_name: str | None = None
    changes: Mapping[str, Any]


class Pool(Resource, frozen=True, kw_only=True):
    """Where a host keeps volumes."""

    spec: PoolSpec
    observed: Nothing


class PoolPage(Record, frozen=True, kw_only=True):
    """A page of pools."""

    items: tuple[Pool, ...]
    next: str | None = None


class PoolSpec(Record, frozen=True, kw_only=True):
    """A storage pool of a host. `engine_name` is what the storage engine calls it; `gib` may be given away."""

    host: str
    engine_name: str
    gib: int


class Port(Resource, frozen=True, kw_only=True):
    """A network card's place on a network, with an address of its own."""

    spec: PortSpec
    observed: PortObserved


class PortBulk(Record, frozen=True, kw_only=True):
    """Ports that were made by one request, and the parent of their jobs."""

    items: tuple[Port, ...]
    job: JobReference | None = None


class PortObserved(Record, frozen=True, kw_only=True):
    """`up`: a card sits on the port and is connected."""

    up: bool = False


class PortPage(Record, frozen=True, kw_only=True):
    """A page of ports."""

    items: tuple[Port, ...]
    next: str | None = None


class PortSpec(Record, frozen=True, kw_only=True):
    """What should be, with everything decided. `mac` and `address` never change."""

    network: str
    subnet: str
    address: str
    mac: str
    security_groups: tuple[str, ...] = ()


class Process(Record, frozen=True, kw_only=True):
    """A process, as it was last heard of."""

    kind: Literal["api", "worker", "agent"]
    id: str
    name: str
    version: str | None = None
    started_at: datetime | None = None
    last_seen: datetime | None = None
    alive: bool


class Project(Resource, frozen=True, kw_only=True):
    """A place for resources within an organization, with a quota of its own."""

    spec: ProjectSpec
    observed: Nothing
    deleted_at: datetime | None = None
    restorable_until: datetime | None = None


class ProjectPage(Record, frozen=True, kw_only=True):
    """A page of projects."""

    items: tuple[Project, ...]
    next: str | None = None


class ProjectSpec(Record, frozen=True, kw_only=True):
    """Nothing but its name yet."""

    description: str = ""


class Provider(Resource, frozen=True, kw_only=True):
    """The engine that carries out compute, storage or network in a cluster."""

    spec: ProviderSpec
    observed: Nothing


class ProviderPage(Record, frozen=True, kw_only=True):
    """A page of providers."""

    items: tuple[Provider, ...]
    next: str | None = None


class ProviderSpec(Record, frozen=True, kw_only=True):
    """One engine of one cluster."""

    cluster: str
    service: Literal["compute", "storage", "network"]
    driver: Literal["libvirt", "ovn", "simulated"]


class Queue(Record, frozen=True, kw_only=True):
    """What waits on the bus: a cluster's tasks for its agents, or (`reports`) what agents said for the workers."""

    queue: Literal["tasks", "reports"]
    cluster: str | None = None
    cluster_name: str | None = None
    waiting: int
    in_flight: int
    oldest_seconds: float | None = None


class Quota(Record, frozen=True, kw_only=True):
    """The quota of a project, or (`project_id` null) of all projects of an organization: vms, vcpus, memory_mib, …"""

    organization_id: str
    project_id: str | None = None
    dimensions: Mapping[str, QuotaDimension]


class QuotaDefaults(Record, frozen=True, kw_only=True):
    """The limits of all projects, or of all organizations, that have none of their own. null: without limit."""

    of: Literal["projects", "organizations"]
    limits: Mapping[str, int | None]


class QuotaDimension(Record, frozen=True, kw_only=True):
    """How much of something is used, and how much may be."""

    used: int
    limit: int | None = None
    own: bool


class QuotaEffect(Record, frozen=True, kw_only=True):
    """What a dimension of a quota would be."""

    used: int
    after: int
    limit: int | None = None


class Recovery(Record, frozen=True, kw_only=True):
    """The second factor counts from now on. Each recovery code is good once; they are told only now."""

    recovery_codes: tuple[str, ...] | None = None


class ResourceBrief(Record, frozen=True, kw_only=True):
    """A resource in short."""

    id: str
    kind: str
    name: str
    status: str


class ResourceEvent(Record, frozen=True, kw_only=True):
    """A change of a resource."""

    entity: Literal["resource"]
    id: str
    kind: str
    name: str
    status: str
    revision: int
    at: datetime
    organization_id: str | None = None
    project_id: str | None = None
    job_id: str | None = None
    changed_by: str | None = None
    deleted: bool


class RevokedAgent(Record, frozen=True, kw_only=True):
    """The agent's credentials are void. It can be enrolled again."""

    agent_id: str
    was_enrolled: bool


class Role(Record, frozen=True, kw_only=True):
    """A role of the organization's own, which is given there or in a project of it."""

    id: str
    organization_id: str
    name: str
    description: str
    permissions: tuple[str, ...]
    created_at: datetime
    updated_at: datetime


class RolePage(Record, frozen=True, kw_only=True):
    """A page of custom roles, oldest first."""

    items: tuple[Role, ...]
    next: str | None = None


class Rule(Record, frozen=True, kw_only=True):
    """One kind of traffic that is allowed. `remote` is a range, `self` (members of this group), or null: everywhere."""

    direction: Literal["ingress", "egress"]
    protocol: Literal["tcp", "udp", "icmp", "any"] | None = None
    port_min: int | None = None
    port_max: int | None = None
    remote: str | None = None


class SearchResults(Record, frozen=True, kw_only=True):
    """What was found: by id, by name (the whole one first), by address, by label."""

    items: tuple[FoundResource, ...]


class Secret(Resource, frozen=True, kw_only=True):
    """A value that is kept sealed, in versions."""

    spec: SecretSpec
    observed: Nothing


class SecretBulk(Record, frozen=True, kw_only=True):
    """Secrets that were made by one request, and the parent of their jobs."""

    items: tuple[Secret, ...]
    job: JobReference | None = None


class SecretPage(Record, frozen=True, kw_only=True):
    """A page of secrets."""

    items: tuple[Secret, ...]
    next: str | None = None


class SecretSpec(Record, frozen=True, kw_only=True):
    """Which version is the current one."""

    version: int


class SecretValue(Record, frozen=True, kw_only=True):
    """A value, as it was written."""

    version: int
    value: str


class SecretVersion(Record, frozen=True, kw_only=True):
    """A version that is kept."""

    version: int
    created_at: datetime
    current: bool


class SecurityGroup(Resource, frozen=True, kw_only=True):
    """Rules of what may reach a port and what it may reach."""

    spec: SecurityGroupSpec
    observed: Nothing


class SecurityGroupBulk(Record, frozen=True, kw_only=True):
    """Security-groups that were made by one request, and the parent of their jobs."""

    items: tuple[SecurityGroup, ...]
    job: JobReference | None = None


class SecurityGroupPage(Record, frozen=True, kw_only=True):
    """A page of security-groups."""

    items: tuple[SecurityGroup, ...]
    next: str | None = None


class SecurityGroupSpec(Record, frozen=True, kw_only=True):
    """At most 100 rules; without any, only replies and DHCP pass."""

    rules: tuple[Rule, ...] = ()


class ServiceAccount(Record, frozen=True, kw_only=True):
    """What a program acts as, unless disabled."""

    id: str
    organization_id: str
    project_id: str | None = None
    name: str
    description: str
    disabled_at: datetime | None = None
    created_at: datetime


class ServiceAccountPage(Record, frozen=True, kw_only=True):
    """A page of service accounts, oldest first."""

    items: tuple[ServiceAccount, ...]
    next: str | None = None


class Session(Record, frozen=True, kw_only=True):
    """A login that goes on."""

    id: str
    method: str
    address: str | None = None
    user_agent: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    current: bool


class SessionPage(Record, frozen=True, kw_only=True):
    """A page of sessions, oldest first."""

    items: tuple[Session, ...]
    next: str | None = None


class Share(Record, frozen=True, kw_only=True):
    """How much of something is given away."""

    claimed: int
    total: int


class Span(Record, frozen=True, kw_only=True):
    """One bar of the waterfall, and those below it."""

    span_id: str
    name: str
    service: str
    start_ms: float
    duration_ms: float
    status: Literal["ok", "error"]
    error: str | None = None
    attributes: Mapping[str, str | int | float | bool]
    children: tuple[Span, ...]


class SshKey(Resource, frozen=True, kw_only=True):
    """A public key that machines let in."""

    spec: SshKeySpec
    observed: Nothing


class SshKeyBulk(Record, frozen=True, kw_only=True):
    """Ssh-keys that were made by one request, and the parent of their jobs."""

    items: tuple[SshKey, ...]
    job: JobReference | None = None


class SshKeyPage(Record, frozen=True, kw_only=True):
    """A page of ssh-keys."""

    items: tuple[SshKey, ...]
    next: str | None = None


class SshKeySpec(Record, frozen=True, kw_only=True):
    """The key, and its fingerprint as ssh-keygen shows it."""

    public_key: str
    fingerprint: str


class SsoMethod(Record, frozen=True, kw_only=True):
    """Single sign-on: send the browser to GET /auth/sso/start."""

    name: str


class Subnet(Resource, frozen=True, kw_only=True):
    """A range of addresses of a network, served by DHCP."""

    spec: SubnetSpec
    observed: Nothing


class SubnetBulk(Record, frozen=True, kw_only=True):
    """Subnets that were made by one request, and the parent of their jobs."""

    items: tuple[Subnet, ...]
    job: JobReference | None = None


class SubnetPage(Record, frozen=True, kw_only=True):
    """A page of subnets."""

    items: tuple[Subnet, ...]
    next: str | None = None


class SubnetSpec(Record, frozen=True, kw_only=True):
    """What should be, with everything decided."""

    network: str
    cidr: str
    gateway: str
    dns_servers: tuple[str, ...] = ()


class Summary(Record, frozen=True, kw_only=True):
    """How much there is and how it is. What one may not read is not there, or null."""

    kinds: tuple[KindSummary, ...]
    vms: VmSummary | None = None
    jobs: JobSummary | None = None
    drift_open: int | None = None


class System(Record, frozen=True, kw_only=True):
    """How the platform itself is."""

    version: str
    processes: tuple[Process, ...]
    queues: tuple[Queue, ...] | None = None
    database: Database
    jobs: JobFigures


class Topology(Record, frozen=True, kw_only=True):
    """A project's resources and what they use of one another."""

    nodes: tuple[ResourceBrief, ...]
    links: tuple[TopologyLink, ...]
    truncated: bool


class TopologyLink(Record, frozen=True, kw_only=True):
    """One resource uses another."""

    from_: str = field(name="from")
    to: str
    role: str


class Totp(Record, frozen=True, kw_only=True):
    """Whether a login needs a code."""

    enabled: bool
    recovery_codes_left: int


class Trace(Record, frozen=True, kw_only=True):
    """Where the time of a job went."""

    job_id: str
    trace_id: str
    state: Literal["kept", "not_sampled", "gone"]
    sentence: str
    source: Literal["spans", "history"]
    started_at: datetime
    duration_ms: float
    truncated: bool
    spans: tuple[Span, ...]


class TrafficRule(Record, frozen=True, kw_only=True):
    """A rule of the operators, and how many jobs it holds now."""

    id: str
    action: Literal["pause", "reject", "rate", "concurrency"]
    limit: int | None = None
    organization_id: str | None = None
    project_id: str | None = None
    kind: str | None = None
    cluster_id: str | None = None
    verbs: tuple[Literal["create", "update", "delete", "correct"], ...]
    owner_id: str | None = None
    reason: str
    expires_at: datetime
    expired: bool
    held_jobs: int
    created_at: datetime
    updated_at: datetime


class TrafficRulePage(Record, frozen=True, kw_only=True):
    """A page of rules, oldest first."""

    items: tuple[TrafficRule, ...]
    next: str | None = None


class User(Record, frozen=True, kw_only=True):
    """Somebody who can log in, unless disabled."""

    id: str
    email: str
    name: str
    disabled_at: datetime | None = None
    created_at: datetime


class UserPage(Record, frozen=True, kw_only=True):
    """A page of users, oldest first."""

    items: tuple[User, ...]
    next: str | None = None


class Vm(Resource, frozen=True, kw_only=True):
    """A virtual machine."""

    spec: VmSpec
    observed: VmObserved


class VmBulk(Record, frozen=True, kw_only=True):
    """Vms that were made by one request, and the parent of their jobs."""

    items: tuple[Vm, ...]
    job: JobReference | None = None


class VmObserved(Record, frozen=True, kw_only=True):
    """What the hypervisor says."""

    power: Literal["running", "stopped", "paused", "crashed"] | None = None
    reboots: int = 0
    restart_required: bool = False


class VmPage(Record, frozen=True, kw_only=True):
    """A page of vms."""

    items: tuple[Vm, ...]
    next: str | None = None


class VmSpec(Record, frozen=True, kw_only=True):
    """What should be, with everything decided. The first disk is what it boots from."""

    vcpus: int
    memory_mib: int
    hostname: str
    power: Literal["running", "stopped"] | None = None
    reboots: int = 0
    disks: tuple[DiskSpec, ...]
    nics: tuple[NicSpec, ...] = ()
    authorized_keys: tuple[str, ...] = ()
    user_data_secret: str | None = None


class VmSummary(Record, frozen=True, kw_only=True):
    """How many machines run. `other`: paused, crashed, being made, or not known."""

    running: int
    stopped: int
    other: int


class Volume(Resource, frozen=True, kw_only=True):
    """A disk of the project's own."""

    spec: VolumeSpec
    observed: VolumeObserved


class VolumeBulk(Record, frozen=True, kw_only=True):
    """Volumes that were made by one request, and the parent of their jobs."""

    items: tuple[Volume, ...]
    job: JobReference | None = None


class VolumeObserved(Record, frozen=True, kw_only=True):
    """What the storage engine says: the size in bytes."""

    size_bytes: int | None = None


class VolumePage(Record, frozen=True, kw_only=True):
    """A page of volumes."""

    items: tuple[Volume, ...]
    next: str | None = None


class VolumeSpec(Record, frozen=True, kw_only=True):
    """What should be."""

    size_gib: int
    image: str | None = None


class WaitingDevice(Record, frozen=True, kw_only=True):
    """A device that waits for your decision: let it in only if it was you who asked, there and then."""

    address: str | None = None
    user_agent: str
    created_at: datetime
    expires_at: datetime


class Why(Record, frozen=True, kw_only=True):
    """Why a resource is as it is: one causal timeline. Without a resource: why what was asked for by this name is not there."""

    name: str
    resource: WhySubject | None = None
    summary: str
    entries: tuple[WhyEntry, ...]
    more: bool


class WhyEntry(Record, frozen=True, kw_only=True):
    """One thing that happened to a resource, or on the way to it."""

    at: datetime
    what: str
    who: str | None = None
    who_name: str | None = None
    job_id: str | None = None
    step: str | None = None
    sentence: str
    detail: Mapping[str, Any]


class WhySubject(Record, frozen=True, kw_only=True):
    """Which resource, and where it stands now; deleted ones too."""

    id: str
    kind: str
    name: str
    organization_id: str | None = None
    project_id: str | None = None
    status: str
    wanted: str
    host_id: str | None = None
    generation: int
    observed_generation: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None
    job: JobReference | None = None
