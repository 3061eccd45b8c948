"""A page reads about as many rows as it answers, however many there are: looked at under the platform's session settings."""

import functools
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from bench import crowd
from tests.plans import Plan, nodes

from groundplane.controlplane import audit
from groundplane.controlplane.compute.vm import VM
from groundplane.controlplane.fleet import oversight
from groundplane.controlplane.jobs import figures
from groundplane.controlplane.jobs import job as jobs
from groundplane.controlplane.network import addresses
from groundplane.controlplane.resources import links, pages, search
from groundplane.controlplane.resources.pages import Filters, Sort
from groundplane.controlplane.resources.scopes import entering
from groundplane.controlplane.resources.selectors import Term, equals
from groundplane.controlplane.resources.summary import tallies
from groundplane.controlplane.storage.image import IMAGE
from groundplane.controlplane.storage.volume import VOLUME
from groundplane.kernel.database import Database, Tx

LIMIT = 51
CROWD = 40_000
"""Half are machines, in a hundred projects, all with the labels env=prod and tier=web."""


class Watched:
    """A connection that has each query explained while it is carried out."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.plans: list[Plan] = []

    async def execute(self, sql: str) -> str:
        """A setting of the transaction."""
        tag: str = await self.connection.execute(sql)
        return tag

    async def fetch(self, sql: str, *values: object) -> Sequence[Any]:
        """The rows of the statement."""
        (explained,) = await self.connection.fetchrow(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", *values)
        self.plans.append(json.loads(explained)[0]["Plan"])
        rows: Sequence[Any] = await self.connection.fetch(sql, *values)
        return rows


def rows_read(plan: Plan) -> int:
    """What all scans looked at."""
    return sum(
        int(each["Actual Loops"] * (each["Actual Rows"] + each.get("Rows Removed by Filter", 0)))
        for each in nodes(plan)
        if "Scan" in each["Node Type"]
    )


@pytest_asyncio.fixture(scope="module")
async def crowded(postgres_url: str, database: Database) -> Database:
    await crowd.fill(postgres_url, CROWD)
    return database


@pytest_asyncio.fixture
async def watched(crowded: Database) -> AsyncIterator[tuple[Tx, Watched]]:
    async with crowded.transaction() as tx:
        watch = Watched(tx.connection)
        yield replace(tx, connection=watch), watch


async def _project(tx: Tx) -> tuple[UUID, UUID]:
    (row,) = await tx.connection.connection.fetch(
        "SELECT id, organization_id FROM resource WHERE kind = 'project' AND name = 'crowd-7'"
    )
    return row["id"], row["organization_id"]


async def _confined(tx: Tx) -> tuple[UUID, UUID]:
    """As a tenant's request is: under row-level security."""
    project_id, organization_id = await _project(tx)
    question = entering(organization_id, project_id)
    places = [f"${number}" for number, _ in enumerate(question.values, 1)]
    await tx.connection.connection.fetch(question.sql.format(*places), *question.values)
    return project_id, organization_id


NOW = datetime.now(UTC)


@pytest.mark.parametrize(
    "filters",
    [
        Filters(),
        Filters(labels=[equals("env", "prod")]),
        Filters(labels=[equals("env", "prod"), equals("tier", "web")]),
        Filters(labels=[Term("env", "in", ("prod", "test")), Term("gone", "absent"), Term("tier", "exists")]),
        Filters(status="active"),
        Filters(created_after=NOW - timedelta(days=2)),
        Filters(created_before=NOW),
    ],
    ids=lambda filters: ",".join(name for name, value in vars(filters).items() if value),
)
async def test_a_page_of_a_project_reads_its_own_rows(watched: tuple[Tx, Watched], filters: Filters) -> None:
    tx, watch = watched
    project_id, organization_id = await _project(tx)
    where: dict[str, Any] = {"project_id": project_id, "organization_id": organization_id, "filters": filters, "limit": LIMIT}
    first = await pages.page(tx, VM, **where)
    second = await pages.page(tx, VM, **where, after=first[-1].id)
    assert len(first) == len(second) == LIMIT
    assert first[-1].id < second[0].id
    for plan in watch.plans:
        assert not [each["Node Type"] for each in nodes(plan) if each["Node Type"] in {"Sort", "Seq Scan", "Hash"}], plan
        assert rows_read(plan) <= LIMIT * (1 + len(filters.labels)) + 5, json.dumps(plan, indent=1)


@pytest.mark.parametrize(
    "filters", [Filters(labels=[equals("env", "none")]), Filters(name="vm-107"), Filters(created_after=NOW + timedelta(days=1))]
)
async def test_what_few_have_is_found_without_reading_the_others(watched: tuple[Tx, Watched], filters: Filters) -> None:
    tx, watch = watched
    project_id, organization_id = await _project(tx)
    found = await pages.page(tx, VM, project_id=project_id, organization_id=organization_id, filters=filters, limit=LIMIT)
    assert [each.name for each in found] == (["vm-107"] if filters.name else [])
    (plan,) = watch.plans
    assert rows_read(plan) <= 5, json.dumps(plan, indent=1)


@pytest.mark.parametrize("labels", [(), ("env",)], ids=["", "labelled"])
@pytest.mark.parametrize(
    ("sort", "prefix"), [("-created_at", None), ("name", None), ("-name", None), ("name", "vm-1"), ("-name", "vm-1")]
)
async def test_a_page_in_order_reads_its_own_rows(
    watched: tuple[Tx, Watched], monkeypatch: pytest.MonkeyPatch, sort: Sort, prefix: str | None, labels: Sequence[str]
) -> None:
    monkeypatch.setattr(pages, "FEW", 0)
    tx, watch = watched
    project_id, organization_id = await _confined(tx)
    watch.plans.clear()
    filters = Filters(name_prefix=prefix, labels=[equals(key, "prod") for key in labels])
    where: dict[str, Any] = {"project_id": project_id, "organization_id": organization_id, "limit": LIMIT, "sort": sort}
    first = await pages.page(tx, VM, **where, filters=filters)
    after = first[-1].name if sort.endswith("name") else first[-1].id
    second = await pages.page(tx, VM, **where, filters=filters, after=after)
    assert len({each.id for each in (*first, *second)}) == 2 * LIMIT
    for plan in watch.plans:
        assert not [each["Node Type"] for each in nodes(plan) if each["Node Type"] in {"Sort", "Seq Scan", "Hash"}], plan
        assert rows_read(plan) <= LIMIT * (1 + len(labels)) + 5, json.dumps(plan, indent=1)


@pytest.mark.parametrize(
    ("sort", "filters"),
    [
        ("created_at", Filters(name_prefix="vm-10")),
        ("-created_at", Filters(name_prefix="vm-10")),
        ("-created_at", Filters(name_prefix="vm-10", labels=[equals("env", "prod")])),
        ("name", Filters(labels=[equals("env", "none")])),
    ],
)
async def test_what_few_match_is_gathered_and_sorted(watched: tuple[Tx, Watched], sort: Sort, filters: Filters) -> None:
    """Of 200 machines, those numbered 107, 1007 and 10007 to 10907."""
    tx, watch = watched
    project_id, organization_id = await _confined(tx)
    watch.plans.clear()
    where: dict[str, Any] = {"project_id": project_id, "organization_id": organization_id, "limit": LIMIT, "sort": sort}
    found = [each.name for each in await pages.page(tx, VM, **where, filters=filters)]
    of_prefix = ["vm-107", "vm-1007", *(f"vm-{number}" for number in range(10007, 11000, 100))]
    wanted = of_prefix if filters.name_prefix else []
    assert found == (wanted[::-1] if sort.startswith("-") else wanted)
    for plan in watch.plans:
        assert rows_read(plan) <= (2 + len(filters.labels)) * len(wanted) + 5, json.dumps(plan, indent=1)


async def test_pictures_and_users_read_what_they_show(watched: tuple[Tx, Watched]) -> None:
    tx, watch = watched
    project_id, _ = await _confined(tx)
    watch.plans.clear()
    picture = await links.topology(tx, project_id, ["image", "vm", "volume"], limit=1000)
    assert (len(picture.nodes), len(picture.links), picture.truncated) == (400, 200, False)
    cut = await links.topology(tx, project_id, ["image", "vm", "volume"], limit=90)
    assert (len(cut.nodes), cut.truncated) == (60, True)
    (volume, *_) = await links.uses(tx, next(node["id"] for node in picture.nodes if node["kind"] == "vm"))
    assert len(await links.users(tx, volume["id"], limit=10)) == 1
    for plan in watch.plans:
        assert rows_read(plan) <= 3 * 400 + 5, json.dumps(plan, indent=1)


@pytest.mark.parametrize("whole", [False, True], ids=["project", "platform"])
async def test_summaries_count_without_looking_at_all(watched: tuple[Tx, Watched], whole: bool) -> None:
    tx, watch = watched
    project_id, _ = (None, None) if whole else await _confined(tx)
    watch.plans.clear()
    counted = await tallies(tx, [IMAGE, VM, VOLUME], project_id=project_id)
    most = CROWD // 2 if whole else CROWD // 2 // crowd.PROJECTS
    assert {name: tally.statuses["active"] for name, tally in counted.items()} == {"image": 0, "vm": most, "volume": most}
    assert await figures.counts(tx, project_id=project_id) == {"FAILED": 0}
    for plan in watch.plans:
        assert rows_read(plan) <= 10 * crowd.PROJECTS, json.dumps(plan, indent=1)


@pytest.mark.parametrize("whole", [False, True], ids=["project", "platform"])
async def test_searches_read_what_they_find(watched: tuple[Tx, Watched], whole: bool) -> None:
    tx, watch = watched
    project_id, organization_id = (None, None) if whole else await _confined(tx)
    watch.plans.clear()
    await tx.execute(pages.IN_ORDER)
    kinds = ["image", "vm", "volume"]
    assert len(await search.by_name(tx, kinds, "vm-1", project_id=project_id, limit=20)) == 20
    assert await search.by_name(tx, kinds, "zz", project_id=project_id, limit=20) == []
    labelled = functools.partial(search.by_label, tx, kinds, "env", project_id=project_id, organization_id=organization_id)
    assert len(await labelled("prod", limit=20)) == 40
    assert await labelled("none", limit=20) == []
    assert await addresses.holders(tx, IPv4Address("10.0.0.9"), project_id=project_id, limit=20) == []
    for plan in watch.plans:
        assert rows_read(plan) <= 4 * 20 * len(kinds) + 5, json.dumps(plan, indent=1)


async def test_a_page_of_a_hosts_machines_reads_its_own_rows(watched: tuple[Tx, Watched]) -> None:
    """Of a host with all 20,000, which is made for this question only."""
    tx, watch = watched
    (host,) = await tx.connection.connection.fetch("SELECT host_id FROM placement LIMIT 1")
    await tx.connection.connection.execute("SAVEPOINT own")
    await tx.connection.connection.execute("UPDATE placement SET host_id = $1", host["host_id"])
    await tx.connection.connection.execute("ANALYZE placement")
    first = await oversight.machines_of_host(tx, host["host_id"], limit=LIMIT)
    second = await oversight.machines_of_host(tx, host["host_id"], after=first[-1]["id"], limit=LIMIT)
    await tx.connection.connection.execute("ROLLBACK TO own")
    assert len(first) == len(second) == LIMIT
    assert first[-1]["id"] < second[0]["id"]
    assert first[0]["organization_name"].startswith("crowd-")
    for plan in watch.plans:
        assert rows_read(plan) <= 5 * LIMIT, json.dumps(plan, indent=1)


async def test_the_health_of_hosts_is_read_by_the_page(watched: tuple[Tx, Watched]) -> None:
    tx, watch = watched
    found = await oversight.host_health_page(tx, limit=LIMIT)
    assert {row["gib"] for row in found} == {CROWD // 2 // crowd.HOSTS}
    (plan,) = watch.plans
    assert rows_read(plan) <= 6 * LIMIT + 5, json.dumps(plan, indent=1)


async def test_pages_of_jobs_and_of_the_audit_log_too(watched: tuple[Tx, Watched]) -> None:
    tx, watch = watched
    project_id, _ = await _project(tx)
    assert len(await jobs.page(tx, project_id=project_id, created_after=NOW - timedelta(days=3), limit=LIMIT)) == LIMIT
    assert (
        len(await audit.page(tx, project_id=project_id, outcome="allowed", since=NOW - timedelta(days=3), limit=LIMIT)) == LIMIT
    )
    for plan in watch.plans:
        assert not [each for each in nodes(plan) if each["Node Type"] in {"Sort", "Seq Scan"}]
        assert rows_read(plan) <= LIMIT + 5
