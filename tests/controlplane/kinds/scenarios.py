"""Each workflow of each kind, as a request that starts it and what must be true in the end. One list for all laws."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from tests.controlplane.cloud import KINDS_BY_NAME, Cloud
from tests.controlplane.scenes import lay_network, machine, prepare

from groundplane.controlplane.compute.vm import VM
from groundplane.controlplane.compute.vm.models import VmUpdate
from groundplane.controlplane.jobs.bulk import GATHER
from groundplane.controlplane.network.network import NETWORK, NetworkSpec
from groundplane.controlplane.network.port import PORT, PortRequest, PortUpdate
from groundplane.controlplane.network.security_group import SECURITY_GROUP, Rule, SecurityGroupSpec
from groundplane.controlplane.network.subnet import SUBNET, SubnetRequest
from groundplane.controlplane.resources import store
from groundplane.controlplane.resources.kind import Kind
from groundplane.controlplane.resources.manager import Outcome
from groundplane.controlplane.storage.image import IMAGE
from groundplane.controlplane.storage.volume import VOLUME, VolumeRequest, VolumeUpdate

Request = Callable[[Cloud], Awaitable[Outcome]]
RULES = SecurityGroupSpec(rules=[Rule(direction="ingress", protocol="tcp", port_min=22)])


@dataclass(frozen=True)
class Scenario:
    """`prepare` makes what the request needs (all jobs seen through), `ask` is the request itself.

    `tasks` is how many tasks the workflow asks for when all goes well. `undoable`: a cancel leaves all as it was before.
    """

    kind: Kind
    verb: str
    prepare: Callable[[Cloud], Awaitable[object]]
    ask: Request
    tasks: int = 1
    undoable: bool = True

    @property
    def name(self) -> str:
        """As in the reports of a run: `vm-create`."""
        return f"{self.kind.name}-{self.verb}"

    @property
    def workflow(self) -> str | None:
        """The name of the workflow that the request starts."""
        correct = self.kind.on_update or self.kind.on_create
        roads = {"create": self.kind.on_create, "delete": self.kind.on_delete, "correct": correct, "bulk": GATHER}
        workflow = roads.get(self.verb, self.kind.on_update)
        return workflow.name if workflow else None


async def nothing(_cloud: Cloud) -> None:
    """The request needs nothing."""


async def _two_copies_of_an_image(cloud: Cloud) -> None:
    image = await cloud.image()
    if len(cloud.hosts) == 1:
        await cloud.add_host("second")
    for name in ("first", "second"):
        await cloud.made(VOLUME, VolumeRequest(size_gib=1, image="image"), name=name)
    assert await cloud.value("SELECT count(*) FROM image_copy WHERE image_id = $1", image.id) == 2
    for name in ("first", "second"):
        await cloud.deleted((await cloud.named(VOLUME, name)).id)


async def _network_and_group(cloud: Cloud) -> None:
    await lay_network(cloud)
    await cloud.made(SECURITY_GROUP, RULES, name="web")


def _asks(kind: Kind, verb: str) -> Request:
    async def ask(cloud: Cloud) -> Outcome:
        resource = await cloud.named(kind, "it")
        return await (cloud.delete(resource.id) if verb == "delete" else cloud.act(resource.id, verb))

    return ask


PREPARATIONS: Mapping[str, Callable[[Cloud], Awaitable[object]]] = {
    NETWORK.name: nothing,
    SUBNET.name: lambda cloud: cloud.made(NETWORK, NetworkSpec(), name="lan"),
    SECURITY_GROUP.name: nothing,
    PORT.name: _network_and_group,
    VOLUME.name: lambda cloud: cloud.image(),
    VM.name: prepare,
}
CREATIONS: Mapping[str, Request] = {
    NETWORK.name: lambda cloud: cloud.make(NETWORK, NetworkSpec()),
    SUBNET.name: lambda cloud: cloud.make(SUBNET, SubnetRequest(network="lan", cidr="10.0.0.0/24")),
    SECURITY_GROUP.name: lambda cloud: cloud.make(SECURITY_GROUP, RULES),
    PORT.name: lambda cloud: cloud.make(PORT, PortRequest(network="lan", security_groups=["web"])),
    VOLUME.name: lambda cloud: cloud.make(VOLUME, VolumeRequest(size_gib=1, image="image")),
    VM.name: lambda cloud: cloud.make(VM, machine(user_data="#cloud-config")),
}


def _after_creation(kind: Kind) -> Callable[[Cloud], Awaitable[object]]:
    async def prepare_and_create(cloud: Cloud) -> None:
        await PREPARATIONS[kind.name](cloud)
        await CREATIONS[kind.name](cloud)
        await cloud.run()

    return prepare_and_create


async def _update(cloud: Cloud, kind: Kind) -> Outcome:
    resource = await cloud.named(kind, "it")
    requests = {
        SECURITY_GROUP.name: SecurityGroupSpec(),
        PORT.name: PortUpdate(security_groups=[]),
        VOLUME.name: VolumeUpdate(size_gib=2),
        VM.name: VmUpdate(power="stopped"),
    }
    return await cloud.change(resource.id, requests[kind.name])


def _updates(kind: Kind) -> Request:
    return lambda cloud: _update(cloud, kind)


async def _delete_image(cloud: Cloud) -> Outcome:
    return await cloud.delete((await cloud.named(IMAGE, "image")).id)


def _corrects(kind: Kind) -> Request:
    async def ask(cloud: Cloud) -> Outcome:
        async with cloud.database.transaction() as tx:
            resource = await cloud.manager.lock(tx, (await store.get(tx, kind, cloud.project_id, "it")).id)
            return Outcome(resource, await cloud.manager.correct(tx, kind, resource))

    return ask


async def _many_ports(cloud: Cloud) -> Outcome:
    made = await cloud.make_many(PORT, PortRequest(network="lan", security_groups=["web"]), 3)
    return Outcome(made.resources[0], made.parent)


_MADE = [KINDS_BY_NAME[name] for name in CREATIONS]
SCENARIOS: tuple[Scenario, ...] = (
    *(Scenario(kind, "create", PREPARATIONS[kind.name], CREATIONS[kind.name]) for kind in _MADE),
    *(
        Scenario(kind, "update", _after_creation(kind), _updates(kind), undoable=kind is not VOLUME)  # volumes never shrink
        for kind in _MADE
        if kind.on_update
    ),
    *(
        Scenario(kind, action.verb, _after_creation(kind), _asks(kind, action.verb))
        for kind in _MADE
        for action in kind.actions
    ),
    *(Scenario(kind, "correct", _after_creation(kind), _corrects(kind), undoable=False) for kind in _MADE),
    *(Scenario(kind, "delete", _after_creation(kind), _asks(kind, "delete"), undoable=False) for kind in _MADE),
    Scenario(IMAGE, "delete", _two_copies_of_an_image, _delete_image, tasks=2, undoable=False),
    Scenario(PORT, "bulk", PREPARATIONS[PORT.name], _many_ports, tasks=3),
)


async def check_end(cloud: Cloud, outcome: Outcome) -> None:
    """The request is fulfilled, in the database and in the engine alike, and nothing of the work is left over."""
    assert outcome.job is not None
    await check_success(cloud, outcome.job.id)


async def check_success(cloud: Cloud, job_id: UUID) -> None:
    """As `check_end`, of a job."""
    job = await cloud.job(job_id)
    assert job.state == "SUCCEEDED", job.error
    assert await cloud.value("SELECT count(*) FROM job WHERE parent_id = $1 AND state <> 'SUCCEEDED'", job_id) == 0
    assert await cloud.value("SELECT count(*) FROM change_claim") == 0
    for row in await cloud.fetch("SELECT id, kind, wanted, status, generation, observed_generation FROM resource"):
        expected = "active" if row["wanted"] == "present" else "deleted"
        assert row["status"] == expected, row
        assert row["generation"] == row["observed_generation"], row
    await check_engine(cloud)


async def check_engine(cloud: Cloud) -> None:
    """The engine holds exactly what the database says, in the state that it says."""
    rows = await cloud.fetch(
        "SELECT id, kind, observed FROM resource WHERE deleted_at IS NULL AND kind = ANY($1)", list(CREATIONS)
    )
    known = {(row["kind"], row["id"]): row["observed"] for row in rows}
    held = {(row.key.kind, row.key.id): row.observed for row in cloud.engine.resources() if row.key.kind != "image"}
    assert held.keys() == known.keys()
    for row in await cloud.fetch("SELECT id, spec FROM resource WHERE kind = 'vm' AND deleted_at IS NULL"):
        assert held["vm", row["id"]]["power"] == row["spec"]["power"]
        assert held["vm", row["id"]]["reboots"] == row["spec"]["reboots"]
    copies = {(row["image_id"], row["host_id"]) for row in await cloud.fetch(_COPIES)}
    held_copies = {(row.key.id, UUID(row.key.scope)) for row in cloud.engine.resources(kind="image")}
    assert held_copies <= copies  # it is written down before the first volume there is asked for


_COPIES = "SELECT image_id, host_id FROM image_copy JOIN pool_capacity USING (pool_id)"
