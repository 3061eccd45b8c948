"""Resources: names, labels, pages, links, the journal. What a request does is there or not there, whole."""

from uuid import UUID

import pytest
from pydantic import ValidationError
from tests.controlplane.cloud import KINDS_BY_NAME, Cloud
from tests.controlplane.scenes import boot_machine, lay_network, machine, prepare

from groundplane.controlplane.compute.vm import VM
from groundplane.controlplane.compute.vm.models import VmUpdate
from groundplane.controlplane.network.network import NETWORK, NetworkSpec
from groundplane.controlplane.network.port import PORT, PortRequest, PortUpdate
from groundplane.controlplane.network.security_group import SECURITY_GROUP, Rule, SecurityGroupSpec
from groundplane.controlplane.resources import pages, store
from groundplane.controlplane.resources.organization import ORGANIZATION
from groundplane.controlplane.resources.problems import (
    BeingDeletedError,
    InUseError,
    NameTakenError,
    ReferenceNotFoundError,
    ResourceNotFoundError,
    UnchangeableError,
)
from groundplane.controlplane.resources.project import PROJECT, ProjectSpec
from groundplane.controlplane.resources.selectors import equals
from groundplane.controlplane.storage.volume import VOLUME, VolumeRequest
from groundplane.kernel.database import CheckViolationError
from groundplane.kernel.ids import new_id


async def _project(cloud: Cloud, name: str) -> UUID:
    return (await cloud.make(PROJECT, ProjectSpec(), name=name, project=False)).resource.id


# Names.


async def test_a_name_is_taken_once_per_project_and_kind(cloud: Cloud) -> None:
    await cloud.made(NETWORK, NetworkSpec(), name="lan")
    with pytest.raises(NameTakenError, match="network named 'lan'"):
        await cloud.make(NETWORK, NetworkSpec(), name="lan")
    await cloud.make(SECURITY_GROUP, SecurityGroupSpec(), name="lan")
    cloud.project_id = await _project(cloud, "other")
    await cloud.make(NETWORK, NetworkSpec(), name="lan")


async def test_a_name_is_free_again_when_its_bearer_is_gone(cloud: Cloud) -> None:
    network = await cloud.made(NETWORK, NetworkSpec(), name="lan")
    await cloud.delete(network.id)
    with pytest.raises(NameTakenError):
        await cloud.make(NETWORK, NetworkSpec(), name="lan")  # its removal is not confirmed yet
    await cloud.run()
    again = await cloud.made(NETWORK, NetworkSpec(), name="lan")
    assert again.id != network.id


async def test_a_refused_name_leaves_nothing_behind(cloud: Cloud) -> None:
    await boot_machine(cloud, name="web")
    tables = ("resource", "job", "quota_claim", "placement", "pool_share", "address", "link", "revision")
    before = [await cloud.value(f"SELECT count(*) FROM {table}") for table in tables]  # noqa: S608  # our own tables
    with pytest.raises(NameTakenError, match="vm named 'web'"):
        await cloud.make(VM, machine(), name="web")
    assert [await cloud.value(f"SELECT count(*) FROM {table}") for table in tables] == before  # noqa: S608  # our own tables
    assert not cloud.tasks


async def test_a_machines_own_volume_meets_a_volume_of_its_name(cloud: Cloud) -> None:
    await prepare(cloud)
    await cloud.made(VOLUME, VolumeRequest(size_gib=1), name="web-root")
    with pytest.raises(NameTakenError, match=r"made from it \(web-root, web-nic0\)"):
        await cloud.make(VM, machine(), name="web")


async def test_renaming(cloud: Cloud) -> None:
    network = await cloud.made(NETWORK, NetworkSpec(), name="lan")
    await cloud.made(NETWORK, NetworkSpec(), name="wan")
    with pytest.raises(NameTakenError):
        await cloud.change(network.id, name="wan")
    renamed = await cloud.change(network.id, name="dmz")
    assert (renamed.resource.name, renamed.job) == ("dmz", None)
    assert renamed.resource.generation == network.generation  # nothing that an engine is told of
    assert (await cloud.named(NETWORK, "dmz")).id == network.id


async def test_what_is_there_is_found_by_name_and_by_id(cloud: Cloud) -> None:
    network = await cloud.made(NETWORK, NetworkSpec(), name="lan")
    for reference in ("lan", NETWORK.public_id(network.id)):
        assert (await cloud.named(NETWORK, reference)).id == network.id
    for reference in ("wan", NETWORK.public_id(new_id()), SECURITY_GROUP.public_id(network.id)):
        with pytest.raises(ResourceNotFoundError):
            await cloud.named(NETWORK, reference)


async def test_another_projects_resources_are_not_found(cloud: Cloud) -> None:
    network = await cloud.made(NETWORK, NetworkSpec(), name="lan")
    cloud.project_id = await _project(cloud, "other")
    for reference in ("lan", NETWORK.public_id(network.id)):
        with pytest.raises(ResourceNotFoundError):
            await cloud.named(NETWORK, reference)
        with pytest.raises(ReferenceNotFoundError, match="network: there is no network"):
            await cloud.make(PORT, PortRequest(network=reference))


# Labels, selectors and pages.


async def test_selectors_ask_that_all_labels_be_equal(cloud: Cloud) -> None:
    labels: dict[str, dict[str, str]] = {
        "a": {"env": "prod", "tier": "web"},
        "b": {"env": "prod"},
        "c": {"env": "test"},
        "d": {},
    }
    for name, some in labels.items():
        await cloud.made(NETWORK, NetworkSpec(), name=name, labels=some)

    async def names(*selector: tuple[str, str]) -> list[str]:
        async with cloud.database.transaction() as tx:
            filters = pages.Filters(labels=[equals(key, value) for key, value in selector])
            page = await pages.page(tx, NETWORK, project_id=cloud.project_id, filters=filters)
            return [resource.name for resource in page]

    assert await names() == ["a", "b", "c", "d"]
    assert await names(("env", "prod")) == ["a", "b"]
    assert await names(("env", "prod"), ("tier", "web")) == ["a"]
    assert await names(("env", "prod"), ("tier", "db")) == []
    await cloud.change((await cloud.named(NETWORK, "a")).id, labels={"env": "test"})
    assert await names(("env", "test")) == ["a", "c"]
    assert await names(("tier", "web")) == []


async def test_pages_meet_every_resource_once_while_others_come_and_go(cloud: Cloud) -> None:
    for number in range(7):
        await cloud.made(NETWORK, NetworkSpec(), name=f"net-{number}")
    seen: list[str] = []
    after: UUID | None = None
    for turn in range(4):
        async with cloud.database.transaction() as tx:
            page = await pages.page(tx, NETWORK, project_id=cloud.project_id, after=after, limit=3)
        if not page:
            break
        seen += [resource.name for resource in page]
        after = page[-1].id
        if turn == 0:
            await cloud.deleted((await cloud.named(NETWORK, "net-2")).id)  # the page's last: the cursor needs no row
            await cloud.made(NETWORK, NetworkSpec(), name="net-7")
    assert seen == [f"net-{number}" for number in range(8)]


async def test_pages_are_of_one_project_and_filtered_by_name_and_status(cloud: Cloud) -> None:
    await cloud.made(NETWORK, NetworkSpec(), name="here")
    await cloud.make(NETWORK, NetworkSpec(), name="coming")
    here = cloud.project_id
    cloud.project_id = await _project(cloud, "other")
    await cloud.make(NETWORK, NetworkSpec(), name="there")
    async with cloud.database.transaction() as tx:
        of_here = await pages.page(tx, NETWORK, project_id=here)
        active = await pages.page(tx, NETWORK, project_id=here, filters=pages.Filters(status="active"))
        named = await pages.page(tx, NETWORK, project_id=here, filters=pages.Filters(name="coming"))
        nobody = await pages.page(tx, NETWORK, project_id=None, organization_ids=[])
        everybody = await pages.page(tx, NETWORK, project_id=None, organization_ids=[cloud.organization_id])
    assert [resource.name for resource in of_here] == ["here", "coming"]
    assert [resource.name for resource in active] == ["here"]
    assert [resource.name for resource in named] == ["coming"]
    assert not nobody
    assert len(everybody) == 3


# Links.


async def test_what_is_used_stays_and_its_users_are_named(cloud: Cloud) -> None:
    network = await lay_network(cloud)
    port = await cloud.made(PORT, PortRequest(network="lan"), name="door")
    with pytest.raises(InUseError, match=r"lan is used by port door, subnet lan\.") as refused:
        await cloud.delete(network.id)
    used_by = refused.value.context["used_by"]
    assert {"id": PORT.public_id(port.id), "kind": "port", "name": "door"} in used_by
    assert len(used_by) == 2
    after = await cloud.resource(network.id)
    assert (after.status, after.wanted, after.revision) == ("active", "present", network.revision)


async def test_what_is_used_no_more_goes(cloud: Cloud) -> None:
    await lay_network(cloud)
    group = await cloud.made(SECURITY_GROUP, SecurityGroupSpec(), name="web")
    port = await cloud.made(PORT, PortRequest(network="lan", security_groups=["web"]), name="door")
    with pytest.raises(InUseError, match="port door"):
        await cloud.delete(group.id)
    await cloud.change(port.id, PortUpdate(security_groups=[]))
    await cloud.run()
    await cloud.deleted(group.id)


async def test_what_is_being_deleted_cannot_be_referred_to(cloud: Cloud) -> None:
    network = await cloud.made(NETWORK, NetworkSpec(), name="lan")
    await cloud.delete(network.id)
    with pytest.raises(ReferenceNotFoundError):
        await cloud.make(PORT, PortRequest(network="lan"))


async def test_what_is_being_deleted_cannot_be_changed(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    await cloud.delete(vm.id)
    with pytest.raises(BeingDeletedError):
        await cloud.act(vm.id, "start")
    with pytest.raises(BeingDeletedError):
        await cloud.change(vm.id, name="other")


async def test_a_machines_volume_and_port_belong_to_it_alone(cloud: Cloud) -> None:
    await boot_machine(cloud, name="web")
    for kind, name in ((VOLUME, "web-root"), (PORT, "web-nic0")):
        with pytest.raises(InUseError, match="vm web"):
            await cloud.delete((await cloud.named(kind, name)).id)


async def test_what_came_with_a_machine_goes_with_it_and_what_was_there_stays(cloud: Cloud) -> None:
    await prepare(cloud)
    data = await cloud.made(VOLUME, VolumeRequest(size_gib=1), name="data")
    vm = await cloud.made(VM, machine().model_copy(update={"volumes": ["data"]}), name="web")
    await cloud.deleted(vm.id)
    assert (await cloud.resource(data.id)).status == "active"
    assert cloud.holds("volume", data.id)
    for kind, name in ((VOLUME, "web-root"), (PORT, "web-nic0")):
        with pytest.raises(ResourceNotFoundError):
            await cloud.named(kind, name)


async def test_an_organization_with_projects_stays(cloud: Cloud) -> None:
    with pytest.raises(InUseError, match="project it"):
        await cloud.delete(cloud.organization_id)
    await cloud.deleted(cloud.project_id)
    await cloud.deleted(cloud.organization_id)
    assert (await cloud.resource(cloud.organization_id)).status == "deleted"


async def test_a_project_with_resources_stays(cloud: Cloud) -> None:
    network = await cloud.made(NETWORK, NetworkSpec())
    with pytest.raises(InUseError, match="still holds 1"):
        await cloud.delete(cloud.project_id)
    await cloud.deleted(network.id)
    await cloud.deleted(cloud.project_id)


@pytest.mark.parametrize("kind", ["cluster", "host", "pool"])
async def test_infrastructure_that_is_used_stays(cloud: Cloud, kind: str) -> None:
    await boot_machine(cloud)
    resource_id = await cloud.value("SELECT id FROM resource WHERE kind = $1", kind)
    with pytest.raises(InUseError):
        await cloud.delete(resource_id)


async def test_an_empty_cluster_is_taken_apart(cloud: Cloud) -> None:
    for kind in ("pool", "host", "cluster"):
        await cloud.delete(await cloud.value("SELECT id FROM resource WHERE kind = $1", kind))
    assert await cloud.value("SELECT count(*) FROM host_capacity") == 0


# The journal.


async def test_every_change_is_in_the_journal_with_its_job_and_reason(cloud: Cloud) -> None:
    group = await cloud.made(SECURITY_GROUP, SecurityGroupSpec())
    update = await cloud.change(group.id, SecurityGroupSpec(rules=[Rule(direction="egress")]))
    await cloud.run()
    deletion = await cloud.delete(group.id)
    await cloud.run()
    async with cloud.database.transaction() as tx:
        rows = await store.journal(tx, group.id)
    assert [row["revision"] for row in rows] == list(range(1, len(rows) + 1))
    assert all(row["reason"] for row in rows)
    reasons = [row["reason"] for row in rows]
    assert reasons[:2] == ["create security_group", "security_group.ensure succeeded"]
    assert reasons[2:4] == ["update security_group", "security_group.ensure succeeded"]
    assert reasons[4:] == ["delete", "absence confirmed"]
    assert update.job is not None
    assert deletion.job is not None
    assert rows[3]["job_id"] == update.job.id
    assert rows[5]["job_id"] == deletion.job.id
    assert [row["state"].get("status") for row in rows] == ["creating", "active", "updating", "active", "deleting", "deleted"]


async def test_the_journal_tells_the_state_of_any_time(cloud: Cloud) -> None:
    """The first row holds everything, each later one what it changed."""
    group = await cloud.made(SECURITY_GROUP, SecurityGroupSpec())
    await cloud.change(group.id, labels={"env": "prod"})
    await cloud.change(group.id, SecurityGroupSpec(rules=[Rule(direction="egress")]))
    await cloud.run()
    async with cloud.database.transaction() as tx:
        state: dict[str, object] = {}
        for row in await store.journal(tx, group.id):
            state |= row["state"]
    now = await cloud.resource(group.id)
    assert state["spec"] == now.spec
    assert state["labels"] == {"env": "prod"}
    assert state["status"] == "active"
    assert state["generation"] == now.generation


async def test_a_change_without_a_reason_is_refused(cloud: Cloud) -> None:
    network = await cloud.made(NETWORK, NetworkSpec())
    with pytest.raises(CheckViolationError, match="says no reason"):
        await cloud.execute("UPDATE resource SET name = 'quiet' WHERE id = $1", network.id)
    with pytest.raises(CheckViolationError, match="says no reason"):
        await cloud.execute(
            "INSERT INTO resource (id, kind, name, status, spec) VALUES ($1, 'network', 'quiet', 'active', '{}')", new_id()
        )
    assert (await cloud.resource(network.id)).name == "it"


async def test_a_reason_serves_for_one_change_only(cloud: Cloud) -> None:
    network = await cloud.made(NETWORK, NetworkSpec())
    await cloud.execute("UPDATE resource SET name = 'once', reason = 'a test' WHERE id = $1", network.id)
    with pytest.raises(CheckViolationError):
        await cloud.execute("UPDATE resource SET name = 'twice' WHERE id = $1", network.id)


@pytest.mark.parametrize("statement", ["UPDATE revision SET reason = 'nothing'", "DELETE FROM revision"])
async def test_the_journal_only_grows(cloud: Cloud, statement: str) -> None:
    await cloud.made(NETWORK, NetworkSpec())
    with pytest.raises(Exception, match="append-only"):
        await cloud.execute(statement)


async def test_jobs_write_the_same_stream(cloud: Cloud) -> None:
    network = await cloud.made(NETWORK, NetworkSpec())
    job = await cloud.last_job(network.id)
    rows = await cloud.fetch(
        "SELECT kind, state FROM revision WHERE entity = 'job' AND entity_id = $1 ORDER BY sequence", job.id
    )
    assert (rows[0]["state"]["state"], rows[-1]["state"]["state"]) == ("RUNNING", "SUCCEEDED")
    assert {row["kind"] for row in rows} == {"network.ensure"}


# What is refused.


async def test_a_kind_without_updates_refuses_them(cloud: Cloud) -> None:
    network = await cloud.made(NETWORK, NetworkSpec())
    with pytest.raises(UnchangeableError):
        await cloud.change(network.id, NetworkSpec(mtu=1400))


async def test_what_a_request_does_not_know_is_refused() -> None:
    with pytest.raises(ValidationError):
        NetworkSpec.model_validate({"mtu": 1442, "colour": "blue"})
    with pytest.raises(ValidationError):
        VmUpdate.model_validate({"power": "paused"})


def test_no_two_kinds_share_a_word() -> None:
    kinds = KINDS_BY_NAME.values()
    assert len({kind.prefix for kind in kinds}) == len({kind.plural for kind in kinds}) == len(KINDS_BY_NAME)
    assert ORGANIZATION in kinds
