"""Quota of an organization: what all its projects use together, claimed with each project's own, whoever comes at once."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from tests.conftest import MakeDatabase
from tests.controlplane.cloud import Cloud
from tests.controlplane.resources.test_claims import limit, limit_organization, recount

from groundplane.controlplane.network.network import NETWORK, NetworkSpec
from groundplane.controlplane.network.security_group import SECURITY_GROUP, SecurityGroupSpec
from groundplane.controlplane.resources import quota
from groundplane.controlplane.resources.manager import Outcome
from groundplane.controlplane.resources.problems import QuotaExceededError, ResourceNotFoundError
from groundplane.controlplane.schema.migrate import HERE
from groundplane.controlplane.storage.volume import VOLUME, VolumeRequest, VolumeUpdate
from groundplane.kernel.ids import new_id
from groundplane.processes.catalog import KINDS


async def _open_projects(cloud: Cloud, count: int) -> list[UUID]:
    """So many projects of the organization, the first of them the cloud's own."""
    projects = [cloud.project_id]
    for number in range(1, count):
        await cloud.open_project(f"project-{number}")
        projects.append(cloud.project_id)
    return projects


async def _volume_in(cloud: Cloud, project_id: UUID, name: str, gib: int = 1) -> Outcome:
    async with cloud.database.transaction() as tx:
        return await cloud.manager.create(
            tx, VOLUME, VolumeRequest(size_gib=gib), name=name, labels={}, actor_id=None,
            organization_id=cloud.organization_id, project_id=project_id,
        )  # fmt: skip


# What is counted.


async def test_an_organization_uses_what_its_projects_use(cloud: Cloud) -> None:
    first, second = await _open_projects(cloud, 2)
    await _volume_in(cloud, first, "a", 2)
    await _volume_in(cloud, second, "b", 3)
    await cloud.run()
    assert await cloud.used(organization=True) == {"volumes": 2, "volume_gib": 5}
    assert await cloud.used() == {"volumes": 1, "volume_gib": 3}
    await cloud.deleted((await cloud.named(VOLUME, "b")).id)
    assert await cloud.used(organization=True) == {"volumes": 1, "volume_gib": 2}
    await recount(cloud)


async def test_growing_takes_the_difference_of_both(cloud: Cloud) -> None:
    volume = await cloud.made(VOLUME, VolumeRequest(size_gib=2))
    await cloud.change(volume.id, VolumeUpdate(size_gib=5))
    assert await cloud.used(organization=True) == await cloud.used() == {"volumes": 1, "volume_gib": 5}
    await recount(cloud)


# What is refused.


async def test_an_organization_that_is_full_refuses_each_of_its_projects(cloud: Cloud) -> None:
    first, second = await _open_projects(cloud, 2)
    await limit_organization(cloud, volumes=9, volume_gib=4)
    await _volume_in(cloud, first, "a", 3)
    with pytest.raises(QuotaExceededError, match=r"organization it's quota of volume_gib is 4; 3 are used and 2 more") as told:
        await _volume_in(cloud, second, "b", 2)
    assert told.value.detail.endswith("Delete something in any of its projects, or ask the operators for a higher limit.")
    assert told.value.context == {
        "quota": "volume_gib", "of": "organization", "name": "it", "limit": 4, "used": 3, "asked": 2,
    }  # fmt: skip
    await _volume_in(cloud, second, "c", 1)
    await cloud.run()
    await recount(cloud)


async def test_a_project_that_is_full_is_named_though_its_organization_is_too(cloud: Cloud) -> None:
    await limit(cloud, volumes=1, volume_gib=1)
    await limit_organization(cloud, volumes=1, volume_gib=1)
    await cloud.made(VOLUME, VolumeRequest(size_gib=1), name="a")
    with pytest.raises(QuotaExceededError, match="project it's quota of volumes is 1; 1 are used and 1 more"):
        await cloud.make(VOLUME, VolumeRequest(size_gib=1), name="b")


async def test_what_the_organization_refuses_leaves_nothing_in_the_project(cloud: Cloud) -> None:
    await limit_organization(cloud, volumes=1, volume_gib=9)
    await cloud.made(VOLUME, VolumeRequest(size_gib=1), name="a")
    before = await cloud.holdings()
    with pytest.raises(QuotaExceededError):
        await cloud.make(VOLUME, VolumeRequest(size_gib=1), name="b")
    with pytest.raises(QuotaExceededError):
        await cloud.make_many(VOLUME, VolumeRequest(size_gib=1), 3)
    assert await cloud.holdings() == before


async def test_a_limit_below_what_is_used_only_stops_growth(cloud: Cloud) -> None:
    volume = await cloud.made(VOLUME, VolumeRequest(size_gib=3), name="a")
    await limit_organization(cloud, volumes=1, volume_gib=1, networks=1)
    with pytest.raises(QuotaExceededError, match="quota of volume_gib is 1; 3 are used and 1 more"):
        await cloud.change(volume.id, VolumeUpdate(size_gib=4))
    await cloud.change(volume.id, VolumeUpdate(size_gib=3))
    await cloud.run()
    await cloud.made(NETWORK, NetworkSpec())
    await cloud.deleted(volume.id)
    assert await cloud.used(organization=True) == {"networks": 1}


# Limits.


async def test_a_limit_is_ones_own_or_the_default_or_none(cloud: Cloud) -> None:
    scope = quota.Scope(cloud.project_id, cloud.organization_id, cloud.project_id)
    async with cloud.database.transaction() as tx:
        default = quota.Scope(quota.DEFAULT_OF_PROJECTS)
        await quota.set_limits(tx, default, {"volumes": 7}, replace=False, actor_id=None)
        await quota.set_limits(tx, scope, {"networks": 3, "ports": None}, replace=True, actor_id=None)
        account = await quota.account(tx, cloud.project_id)
    assert account.own == {"networks", "ports"}
    told = (account.limits["volumes"], account.limits["networks"], account.limits["ports"], account.limits["vms"])
    assert told == (7, 3, None, 10_000)
    assert (account.left("networks"), account.left("ports"), account.left("what nobody declares")) == (3, None, None)


async def test_a_default_that_is_lowered_holds_for_whoever_has_no_limit_of_their_own(cloud: Cloud) -> None:
    async with cloud.database.transaction() as tx:
        scope = quota.Scope(quota.DEFAULT_OF_ORGANIZATIONS)
        await quota.set_limits(tx, scope, {"networks": 0}, replace=False, actor_id=None)
    with pytest.raises(QuotaExceededError, match="organization it's quota of networks is 0"):
        await cloud.make(NETWORK, NetworkSpec())
    await limit_organization(cloud, networks=1)
    await cloud.make(NETWORK, NetworkSpec())


async def test_limits_are_journaled(cloud: Cloud) -> None:
    await limit_organization(cloud, networks=1)
    row = (await cloud.fetch("SELECT * FROM revision WHERE entity = 'quota'"))[0]
    assert (row["entity_id"], row["organization_id"], row["project_id"]) == (cloud.organization_id, cloud.organization_id, None)
    assert (row["reason"], row["state"]["limits"]["networks"]) == ("set limits", 1)


# Dimensions.


async def test_every_dimension_is_declared_and_has_a_default_for_projects(cloud: Cloud) -> None:
    """A new kind brings its dimensions, and in its own schema file what a project may use of them."""
    async with cloud.database.transaction() as tx:
        assert set(await quota.limits_of(tx, quota.DEFAULT_OF_PROJECTS)) == set(quota.dimensions(KINDS))


def test_what_a_kind_does_not_declare_it_cannot_take() -> None:
    with pytest.raises(LookupError, match="kind network takes quota of networks: name that in its `dimensions`"):
        type(NETWORK).takes(_Undeclared, NetworkSpec())  # type: ignore[arg-type]


class _Undeclared:
    name = "network"
    dimensions = ()
    quota = staticmethod(NETWORK.quota)


# Many at once.


async def test_the_last_of_an_organizations_quota_goes_to_one_of_its_projects(cloud: Cloud) -> None:
    projects = await _open_projects(cloud, 5)
    await limit_organization(cloud, volumes=1, volume_gib=99)
    requests = [_volume_in(cloud, project_id, f"vol-{turn}") for turn in range(4) for project_id in projects]
    answers = await asyncio.gather(*requests, return_exceptions=True)
    assert sum(isinstance(answer, Outcome) for answer in answers) == 1
    assert sum(isinstance(answer, QuotaExceededError) for answer in answers) == len(requests) - 1
    await cloud.run()
    await recount(cloud)


async def test_creates_and_deletes_in_many_projects_never_wait_in_a_ring(cloud: Cloud) -> None:
    """All meet in the organization's row. PostgreSQL counts the deadlocks that it had to end: there is none."""
    projects = await _open_projects(cloud, 5)
    old = [(await _volume_in(cloud, project_id, f"old-{turn}")).resource for turn in range(4) for project_id in projects]
    await cloud.run()
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    before = await cloud.value(deadlocks)
    for volume in old:
        await cloud.delete(volume.id)
    tasks, cloud.tasks[:] = list(cloud.tasks), []
    reports = [await cloud.carry_out(task) for task in tasks]
    batches = [reports[first::4] for first in range(4)]  # each of several projects
    creates = [_volume_in(cloud, project_id, f"new-{turn}") for turn in range(4) for project_id in projects]
    await asyncio.gather(*creates, *(cloud.report(*batch) for batch in batches))
    await cloud.run()
    await recount(cloud)
    assert await cloud.used(organization=True) == {"volumes": 20, "volume_gib": 20}
    assert await cloud.value(deadlocks) == before


async def test_what_several_jobs_give_back_is_taken_in_the_order_of_creates(cloud: Cloud) -> None:
    """While a batch waits for the organization's row it holds all its projects', and not the other way round."""
    projects = await _open_projects(cloud, 3)
    old = [(await _volume_in(cloud, project_id, "old")).resource for project_id in projects]
    await cloud.run()
    for volume in old:
        await cloud.delete(volume.id)
    tasks, cloud.tasks[:] = list(cloud.tasks), []
    reports = [await cloud.carry_out(task) for task in tasks]
    free = "SELECT scope_id FROM quota_usage WHERE scope_id = ANY($1::uuid[]) FOR NO KEY UPDATE SKIP LOCKED"
    async with cloud.database.transaction() as other:
        await other.execute("SELECT FROM quota_usage WHERE scope_id = $1 FOR UPDATE", cloud.organization_id)
        batch = asyncio.create_task(cloud.report(*reports))
        async with asyncio.timeout(30):
            while await cloud.fetch(free, projects[:1]):  # noqa: ASYNC110  # the database has no event for it
                await asyncio.sleep(0.05)
        held = await cloud.fetch(free, projects)
    await batch
    assert held == []
    assert await cloud.used(organization=True) == {}


async def test_a_create_on_its_way_and_the_deletion_of_its_project(cloud: Cloud) -> None:
    """Either the project is not empty, or the create finds it gone."""
    answers = await asyncio.gather(
        cloud.make(SECURITY_GROUP, SecurityGroupSpec()), cloud.delete(cloud.project_id), return_exceptions=True
    )
    assert sum(isinstance(answer, Outcome) for answer in answers) == 1
    living = await cloud.value("SELECT count(*) FROM resource WHERE kind = 'security_group' AND deleted_at IS NULL")
    assert living == isinstance(answers[0], Outcome)


async def test_nothing_is_claimed_in_a_closed_account(cloud: Cloud) -> None:
    async with cloud.database.transaction() as tx:
        await quota.close_account(tx, cloud.project_id)
    with pytest.raises(ResourceNotFoundError, match="The project is gone"):
        await cloud.make(NETWORK, NetworkSpec())


# Installations that are there.


@pytest.fixture
async def old(postgres_server: str, make_database: MakeDatabase) -> AsyncIterator[Any]:
    """A connection to a database as it was before organizations had quotas."""
    server = await asyncpg.connect(await make_database())
    name = f"old_{new_id().hex}"
    await server.execute(f"CREATE DATABASE {name}")
    connection = await asyncpg.connect(postgres_server.format(name))
    for part in ("0001_initial", "0002_jobs", "0003_traffic"):
        await connection.execute((HERE / f"{part}.sql").read_text())
    yield connection
    await connection.close()
    await server.execute(f"DROP DATABASE {name}")
    await server.close()


_AS_BEFORE = """
    INSERT INTO resource (id, kind, organization_id, project_id, scope_id, name, status, spec, reason) VALUES
        ($1, 'organization', $1, NULL, NULL, 'acme', 'active', '{}', 'a test'),
        ($2, 'organization', $2, NULL, NULL, 'idle', 'active', '{}', 'a test'),
        ($3, 'project', $1, $3, $1, 'one', 'active', '{}', 'a test'),
        ($4, 'project', $1, $4, $1, 'two', 'active', '{}', 'a test'),
        ($5, 'volume', $1, $3, $3, 'a', 'active', '{}', 'a test'), ($6, 'volume', $1, $4, $4, 'b', 'active', '{}', 'a test')
"""


async def test_an_upgrade_counts_for_organizations_what_is_claimed_and_keeps_limits(old: Any) -> None:
    acme, idle, one, two, a, b = (new_id() for _ in range(6))
    async with old.transaction():
        await old.execute(_AS_BEFORE, acme, idle, one, two, a, b)
        await old.execute("INSERT INTO quota_usage (scope_id, volumes, volume_gib) VALUES ($1, 1, 2), ($2, 1, 3)", one, two)
        claim = "INSERT INTO quota_claim (resource_id, scope_id, amounts) VALUES ($1, $2, $3::text::jsonb)"
        await old.execute(claim, a, one, '{"volumes": 1, "volume_gib": 2}')
        await old.execute(claim, b, two, '{"volumes": 1, "volume_gib": 3}')
        await old.execute("INSERT INTO quota_limit VALUES ($1, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7)", one)
    await old.execute((HERE / "0006_quota.sql").read_text())
    rows = await old.fetch("SELECT scope_id, organization_id, used::text FROM quota_usage")
    used = {row["scope_id"]: {name: each for name, each in json.loads(row["used"]).items() if each} for row in rows}
    of_one, of_two, of_both = ({"volumes": count, "volume_gib": gib} for count, gib in ((1, 2), (1, 3), (2, 5)))
    assert used == {one: of_one, two: of_two, acme: of_both, idle: {}}
    assert {row["organization_id"] for row in rows if row["scope_id"] != idle} == {acme}
    limits = {
        row["scope_id"]: json.loads(row["limits"]) for row in await old.fetch("SELECT scope_id, limits::text FROM quota_limit")
    }
    assert (limits[one]["volumes"], limits[quota.DEFAULT_OF_PROJECTS]["vms"]) == (7, 10_000)
    assert limits[quota.DEFAULT_OF_ORGANIZATIONS] == {}
