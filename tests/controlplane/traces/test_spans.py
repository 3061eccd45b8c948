"""Spans in the database: partitions by the hour, batches, and that losing them hurts nobody."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from tests.conftest import MakeDatabase

from groundplane.controlplane.traces import SpanWriter, keep_partitions, spans_of_trace
from groundplane.kernel.database import Database
from groundplane.kernel.ids import new_id
from groundplane.kernel.metrics import SPANS_DROPPED
from groundplane.kernel.telemetry import Local, Span

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


async def _partitions(database: Database) -> list[str]:
    async with database.transaction() as tx:
        rows = await tx.fetch("SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'span'::regclass")
    return sorted(row["name"] for row in rows)


async def _keep(database: Database) -> tuple[int, int]:
    async with database.transaction() as tx:
        return await keep_partitions(tx)


def _span(trace_id: str, name: str = "it", **more: object) -> Span:
    span = Span(trace_id, new_id().hex[16:], "", name, True, Local(), started_ns=1_000_000_000, service="api")
    span.ended_ns = 1_002_500_000
    for key, value in more.items():
        setattr(span, key, value)
    return span


async def _read(database: Database, trace_id: str) -> list[str]:
    async with database.transaction() as tx:
        return [span.name for span in await spans_of_trace(tx, trace_id, since=LONG_AGO, project_id=None, limit=10)]


def _dropped() -> float:
    (metric,) = SPANS_DROPPED.collect()
    return metric.samples[0].value


async def test_a_migrated_database_has_partitions_for_the_next_hours(database: Database) -> None:
    now = datetime.now(UTC)
    await _keep(database)
    names = await _partitions(database)
    assert names[-7:] == [f"span_{now + timedelta(hours=hours):%Y%m%d%H}" for hours in range(7)]


async def test_keeping_partitions_twice_or_at_once_does_no_more_than_once(make_database: MakeDatabase) -> None:
    database = await Database.connect(await make_database())
    async with database.transaction() as tx:
        for name in (await _partitions(database))[1:]:
            await tx.execute(f"DROP TABLE {name}")
    made = await asyncio.gather(*(_keep(database) for _ in range(8)))
    assert sorted(each for each, _ in made)[:7] == [0] * 7
    assert max(each for each, _ in made) >= 6
    assert await _keep(database) == (0, 0)
    await database.close()


async def test_a_partition_goes_when_all_of_it_is_more_than_a_day_old(make_database: MakeDatabase) -> None:
    database = await Database.connect(await make_database())
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    async with database.transaction() as tx:
        for hours in (24, 25, 26, 200):
            begin = hour - timedelta(hours=hours)
            await tx.execute(
                f"CREATE TABLE span_{begin:%Y%m%d%H} PARTITION OF span "
                f"FOR VALUES FROM ('{begin.isoformat()}') TO ('{(begin + timedelta(hours=1)).isoformat()}')"
            )
    _, dropped = await _keep(database)
    assert dropped == 2
    left = await _partitions(database)
    assert left[:2] == [f"span_{hour - timedelta(hours=hours):%Y%m%d%H}" for hours in (25, 24)]
    await database.close()


async def test_spans_are_written_in_batches_and_read_by_their_trace(database: Database) -> None:
    trace, other = new_id().hex, new_id().hex
    writer = SpanWriter(database)
    for number in range(1_200):
        writer.take(_span(trace if number in {0, 1_199} else other, f"number {number}"))
    await writer.flush()
    assert sorted(await _read(database, trace)) == ["number 0", "number 1199"]


async def test_a_span_that_was_told_twice_is_read_once(database: Database) -> None:
    trace = new_id().hex
    writer = SpanWriter(database)
    span = _span(trace)
    writer.take(span)
    await writer.flush()
    writer.take(span)
    await writer.flush()
    assert await _read(database, trace) == ["it"]


async def test_a_project_reads_its_own_spans_alone(database: Database) -> None:
    trace, project_id, stranger_id = new_id().hex, new_id(), new_id()
    writer = SpanWriter(database)
    writer.take(_span(trace, "mine", local=Local(None, project_id)))
    writer.take(_span(trace, "another's", local=Local(None, stranger_id)))
    writer.take(_span(trace, "nobody's"))
    await writer.flush()
    async with database.transaction() as tx:
        mine = await spans_of_trace(tx, trace, since=LONG_AGO, project_id=project_id, limit=10)
    assert [(span.name, span.microseconds, span.started_at.timestamp()) for span in mine] == [("mine", 2_500, 1.0)]


async def test_what_an_agent_says_is_made_storable(database: Database) -> None:
    trace = new_id().hex
    writer = SpanWriter(database)
    writer.take(_span(trace, "zero \0 and \ud800" + "x" * 10_000, attributes={str(n): "\0" * 999 for n in range(99)}))
    await writer.flush()
    (name,) = await _read(database, trace)
    assert len(name) == 200


async def test_what_is_too_much_is_dropped_and_counted(database: Database) -> None:
    before = _dropped()
    writer = SpanWriter(database, capacity=2)
    trace = new_id().hex
    for name in ("a", "b", "c"):
        writer.take(_span(trace, name))
    assert _dropped() == before + 1
    await writer.flush()
    assert sorted(await _read(database, trace)) == ["a", "b"]


async def test_a_database_that_takes_nothing_costs_the_spans_and_no_more(make_database: MakeDatabase) -> None:
    database = await Database.connect(await make_database())
    async with database.transaction() as tx:
        await tx.execute("DROP TABLE span")
    before = _dropped()
    writer = SpanWriter(database)
    writer.take(_span(new_id().hex))
    await writer.flush()
    assert _dropped() == before + 1
    with pytest.raises(asyncpg.PostgresError):
        await _keep(database)
    await database.close()
