"""The parts of the benchmark of jobs: its arithmetic, the bare SQL, what fills a database. `make bench` runs the whole."""

import sqlite3
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from bench import bare, crowd
from bench.jobs import engine_changed, engine_counted, more_than_asked, percentile
from bench.profiles import summary
from tests.conftest import MakeDatabase

_USED = """SELECT array_agg(used ORDER BY used) FROM (
               SELECT sum((quota_usage.used ->> $1)::bigint)::int AS used FROM quota_usage
               GROUP BY scope_id = organization_id) AS each"""
"""What all projects use together, and all organizations."""


@pytest.mark.parametrize(("percent", "value"), [(50, 5), (95, 10), (90, 9), (1, 1), (100, 10)])
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(percent: float, value: int) -> None:
    assert percentile([10, 1, 9, 2, 8, 3, 7, 4, 6, 5], percent) == value


def test_what_is_more_than_asked_is_counted_by_kind() -> None:
    before = {"vm": 5, "volume": 7}
    assert more_than_asked(before, {"vm": 15, "volume": 17, "port": 10}, 10) == 0
    assert more_than_asked(before, {"vm": 16, "volume": 12, "port": 12}, 10) == 3


def test_the_engine_is_asked_past_the_platform(tmp_path: Path) -> None:
    path, vm_id = tmp_path / "engine.sqlite", uuid4()
    with sqlite3.connect(path) as engine:
        engine.execute("CREATE TABLE resource (kind, id, present, changed_at)")
        rows = [("vm", str(vm_id), 1, 12.5), ("vm", str(uuid4()), 0, 1.0), ("port", "p", 1, 1.0), ("network", "n", 1, 1.0)]
        engine.executemany("INSERT INTO resource VALUES (?, ?, ?, ?)", rows)
    engine.close()
    assert engine_counted(path) == {"vm": 1, "port": 1}
    assert engine_changed(path, [vm_id]) == {vm_id: 12.5}


def test_a_profile_is_added_up_by_function() -> None:
    text = summary("main (a.py:1);work (b.py:7) 30\nmain (a.py:2);work (b.py:9) 10\nmain (a.py:3) 60\n")
    own, whole = text.split("with what it calls")
    assert "60.0%  main (a.py)" in own
    assert "40.0%  work (b.py)" in own
    assert "100.0%  main (a.py)" in whole


async def test_the_bare_sql_writes_what_it_says(make_database: MakeDatabase) -> None:
    machines = 23  # no multiple of the reports that are applied at once
    connection = await asyncpg.connect(await make_database())
    try:
        ground = await bare.furnish(connection, machines)
        tables = [*bare.ROWS, "change_claim"]
        before = {table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table in tables}  # noqa: S608
        await bare.create_all(connection, ground)
        after = {table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table in tables}  # noqa: S608
        made = {table: after[table] - before[table] for table in tables}
        assert made == {**{table: rows * machines for table, rows in bare.ROWS.items()}, "change_claim": 0}
        assert await connection.fetchval(_USED, "vms") == [machines, machines]
        assert await connection.fetchval("SELECT sum(vcpus_used) FROM host_capacity") == machines
        states = await connection.fetch("SELECT DISTINCT status FROM resource WHERE kind = 'vm'")
        assert [row["status"] for row in states] == ["active"]
        assert await connection.fetchval("SELECT count(*) FROM job WHERE state = 'SUCCEEDED'") == machines
    finally:
        await connection.close()


async def test_a_crowd_agrees_with_a_recount(make_database: MakeDatabase, capsys: pytest.CaptureFixture[str]) -> None:
    url = await make_database()
    await crowd.fill(url, 2000)
    assert "INSERT INTO resource" in capsys.readouterr().out
    connection = await asyncpg.connect(url)
    try:
        kinds = await connection.fetch("SELECT kind, count(*) FROM resource WHERE kind IN ('vm', 'volume') GROUP BY kind")
        assert {row["kind"]: row["count"] for row in kinds} == {"vm": 1000, "volume": 1000}
        unlinked = "SELECT count(*) FROM link LEFT JOIN resource ON resource.id = target_id WHERE resource.id IS NULL"
        assert await connection.fetchval(unlinked) == 0
        claimed = "SELECT count(*) FROM quota_claim AS held JOIN resource ON id = resource_id AND project_id = held.scope_id"
        assert await connection.fetchval(claimed) == 2000
        assert await connection.fetchval(_USED, "vms") == [1000, 1000]
        assert await connection.fetchval(_USED, "volumes") == [1000, 1000]
        free = "SELECT count(*) FROM host_capacity WHERE vcpus > vcpus_used OR memory_mib > memory_used"
        assert await connection.fetchval(free) == 0
        assert await connection.fetchval("SELECT count(*) FROM job WHERE ended_at IS NULL") == 0
        assert not await connection.fetch("SELECT FROM pg_tables WHERE tablename LIKE 'crowd%'")
    finally:
        await connection.close()
