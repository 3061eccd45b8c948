"""Transactions: rows and statements that are written behind, what is done last, savepoints, and what follows a commit."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from tests.statements import statements_of

from groundplane.kernel.database import (
    CheckViolationError,
    Database,
    Otherwise,
    RetryableDatabaseError,
    Tx,
    UniqueViolationError,
    UntoldRefusalError,
)
from groundplane.kernel.ids import new_id


class TakenError(Exception):
    """The name is taken."""


class ScarceError(Exception):
    """There are no more."""


@contextmanager
def sent(tx: Tx) -> Iterator[Counter[str]]:
    """The first words of all statements that are sent meanwhile."""
    with statements_of(tx) as statements:
        counted: Counter[str] = Counter()
        yield counted
    counted.update(statement.split()[0] for statement in statements)


def put(tx: Tx, name: str, **more: Any) -> UUID:
    """A new thing, written behind."""
    thing_id = new_id()
    tx.insert("thing", {"id": thing_id, "name": name, **more})
    return thing_id


async def together(database: Database, *works: Callable[[Tx], object]) -> None:
    """Do all of it in one transaction."""
    async with database.transaction() as tx:
        for work in works:
            work(tx)


def fall(_tx: Tx) -> None:
    """Something goes wrong."""
    raise ZeroDivisionError


async def names(database: Database) -> list[str]:
    """What there is."""
    async with database.transaction() as tx:
        return [row["name"] for row in await tx.fetch("SELECT name FROM thing ORDER BY name")]


async def test_all_that_is_written_behind_goes_in_one_statement(things: Database) -> None:
    async with things.transaction() as tx:
        old = put(tx, "old", size=1)
        await tx.flush()
        with sent(tx) as statements:
            for number in range(20):
                thing_id = put(tx, f"new-{number:02}", size=number)
                tx.insert("note", {"thing_id": thing_id, "text": "made"})
            put(tx, "another", tags={"env": "prod"})  # other columns
            tx.update("thing", old, {"size": 2})
            await tx.flush()
            await tx.flush()
        assert statements == {"WITH": 1}
        row = await tx.one("SELECT size, tags FROM thing WHERE name = 'another'")
        assert (row["size"], row["tags"]) == (7, {"env": "prod"})  # what is left out gets its default
        assert await tx.value("SELECT size FROM thing WHERE id = $1", old) == 2
        assert await tx.value("SELECT count(*) FROM note JOIN thing ON thing_id = thing.id") == 20


@pytest.mark.parametrize("ask", ["fetch", "row", "one", "value", "execute"])
async def test_whoever_asks_sees_what_was_written_behind(things: Database, ask: str) -> None:
    async with things.transaction() as tx:
        thing_id = put(tx, "seen")
        tx.update("thing", thing_id, {"size": 3})
        await getattr(tx, ask)("SELECT name FROM thing WHERE size = 3")
        assert not tx.pending("thing", thing_id)
        assert await tx.value("SELECT name FROM thing WHERE size = 3") == "seen"


async def test_many_sees_it_too(things: Database) -> None:
    async with things.transaction() as tx:
        thing_id = put(tx, "seen")
        await tx.many("INSERT INTO note (thing_id, text) VALUES ($1, $2)", [(thing_id, "a"), (thing_id, "b")])
        await tx.many("INSERT INTO note (thing_id, text) VALUES ($1, $2)", [])
        assert await tx.value("SELECT count(*) FROM note") == 2


async def test_rows_of_a_table_keep_their_order(things: Database) -> None:
    async with things.transaction() as tx:
        thing_id = put(tx, "it")
        for text in "abcdefghij":
            tx.insert("note", {"thing_id": thing_id, "text": text})
    async with things.transaction() as tx:
        rows = await tx.fetch("SELECT text FROM note ORDER BY number")
    assert "".join(row["text"] for row in rows) == "abcdefghij"


async def test_an_update_of_what_is_not_written_yet_changes_what_will_be(things: Database) -> None:
    """So that the row is written once: its journal has one entry, and its index one version."""
    async with things.transaction() as tx:
        thing_id = put(tx, "first")
        tx.update("thing", thing_id, {"name": "second"})
        tx.update("thing", thing_id, {"size": 5})
        assert tx.pending("thing", thing_id) == {"id": thing_id, "name": "second", "size": 5}
        with sent(tx) as statements:
            await tx.flush()
        assert statements == {"INSERT": 1}
        assert await tx.value("SELECT xmin = xmax OR xmax = 0 FROM thing") is True
    assert await names(things) == ["second"]


async def test_later_updates_of_a_row_are_added_to_earlier_ones(things: Database) -> None:
    async with things.transaction() as tx:
        first, second = put(tx, "first", size=1), put(tx, "second", size=1)
    async with things.transaction() as tx:
        tx.update("thing", first, {"size": 2, "name": "one"})
        tx.update("thing", second, {"size": 3})
        tx.update("thing", first, {"size": 4})
        with sent(tx) as statements:
            await tx.flush()
        assert statements == {"WITH": 1}
        rows = await tx.fetch("SELECT name, size FROM thing ORDER BY name")
    assert [tuple(row) for row in rows] == [("one", 4), ("second", 3)]


async def test_a_transaction_that_raises_leaves_nothing(things: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        await together(things, lambda tx: put(tx, "never"), fall)
    assert await names(things) == []


@pytest.mark.parametrize("noticed", [False, True])
async def test_a_connection_that_is_lost_between_two_statements_can_be_repeated(things: Database, noticed: bool) -> None:
    async def lose(tx: Tx) -> None:
        pid = await tx.value("SELECT pg_backend_pid()")
        async with things.transaction() as other:
            await other.value("SELECT pg_terminate_backend($1, 5000)", pid)
        if noticed:
            await asyncio.sleep(0.1)

    async def work() -> None:
        async with things.transaction() as tx:
            await lose(tx)
            put(tx, "never")

    with pytest.raises(RetryableDatabaseError):
        await work()
    assert await names(things) == []


async def test_a_violated_constraint_means_what_was_said(things: Database) -> None:
    def meant(tx: Tx) -> None:
        tx.refuse({"thing_name": lambda _error: TakenError()})

    async with things.transaction() as tx:
        put(tx, "taken")
    with pytest.raises(TakenError):
        await together(things, lambda tx: put(tx, "taken"), meant)
    with pytest.raises(UniqueViolationError):  # nobody said what it means
        await together(things, lambda tx: put(tx, "taken"))
    with pytest.raises(CheckViolationError):  # another constraint
        await together(things, lambda tx: put(tx, "huge", size=1000), meant)
    assert await names(things) == ["taken"]


async def test_a_refusal_is_told_what_is_violated(things: Database) -> None:
    async with things.transaction() as tx:
        put(tx, "taken")
    told: list[asyncpg.IntegrityConstraintViolationError] = []

    def taken(error: asyncpg.IntegrityConstraintViolationError) -> Exception:
        told.append(error)
        return TakenError()

    with pytest.raises(TakenError):
        await together(things, lambda tx: put(tx, "taken"), lambda tx: tx.refuse({"thing_name": taken}))
    assert told[0].detail == "Key (name)=(taken) already exists."


# Statements behind.


TAKE = """
    UPDATE tally SET count = count - (amounts ->> 'count')::int
    FROM unnest({keys}::uuid[], {amounts}::jsonb[]) AS claim (id, amounts)
    WHERE tally.id = claim.id AND count >= (amounts ->> 'count')::int
"""
NOTE = "INSERT INTO note (thing_id, text) SELECT * FROM unnest({0}::uuid[], {1}::text[])"
THINGS, NOTHING = UUID(int=1), UUID(int=2)


def take(tx: Tx, count: int, key: UUID = THINGS, otherwise: Otherwise | None = None) -> None:
    """Claim some of a tally."""
    tx.claim(TAKE, key, {"count": count}, otherwise=otherwise or _scarce)


async def _scarce() -> Exception:
    return ScarceError()


async def test_a_claim_goes_with_the_rows(things: Database) -> None:
    async with things.transaction() as tx:
        put(tx, "it")
        take(tx, 1)
        with sent(tx) as statements:
            await tx.flush()
        assert statements == {"WITH": 1}
        assert await tx.value("SELECT count FROM tally") == 1
    assert await names(things) == ["it"]


async def test_a_statement_behind_takes_all_its_rows_at_once_and_of_rows_with_a_key_the_last(things: Database) -> None:
    async with things.transaction() as tx:
        one, other = put(tx, "one"), put(tx, "other")
        tx.behind(NOTE, one, "old")
        tx.behind(NOTE, other, "of the other")
        tx.behind(NOTE, one, "new")
        with sent(tx) as statements:
            await tx.flush()
        assert statements == {"WITH": 1}
        assert [row["text"] for row in await tx.fetch("SELECT text FROM note ORDER BY text")] == ["new", "of the other"]


async def test_a_claim_that_finds_nothing_raises_what_was_said_and_undoes_all(things: Database) -> None:
    with pytest.raises(ScarceError):
        await together(things, lambda tx: put(tx, "it"), lambda tx: take(tx, 3))
    assert await names(things) == []
    async with things.transaction() as tx:
        assert await tx.value("SELECT count FROM tally") == 2


async def test_what_is_claimed_twice_is_claimed_at_once(things: Database) -> None:
    async with things.transaction() as tx:
        take(tx, 1)
        take(tx, 1)
    async with things.transaction() as tx:
        assert await tx.value("SELECT count FROM tally") == 0
        await tx.execute("UPDATE tally SET count = 2")
    with pytest.raises(ScarceError):
        await together(things, lambda tx: take(tx, 1), lambda tx: take(tx, 2))


async def test_of_several_claims_it_is_known_which_found_nothing(things: Database) -> None:
    async def wrong() -> Exception:
        return AssertionError()

    with pytest.raises(ScarceError):
        await together(things, lambda tx: take(tx, 1, otherwise=wrong), lambda tx: take(tx, 1, NOTHING))


async def test_in_haste_a_claim_goes_with_the_commit(things: Database) -> None:
    async with things.transaction(haste=True) as tx:
        put(tx, "it")
        take(tx, 1)
        with sent(tx) as statements:
            await tx.close()
    assert statements == {"WITH": 1}
    assert await names(things) == ["it"]


async def test_in_haste_a_refused_claim_undoes_all_and_does_not_say_why(things: Database) -> None:
    async def try_to(*, ask: bool) -> None:
        async with things.transaction(haste=True) as tx:
            put(tx, "it")
            take(tx, 3)
            if ask:
                await tx.value("SELECT 1")

    with pytest.raises(UntoldRefusalError):
        await try_to(ask=False)
    with pytest.raises(ScarceError):  # sent before the end, it is seen at once
        await try_to(ask=True)
    assert await names(things) == []


# Last.


async def test_what_everybody_waits_for_is_done_last_and_once(things: Database) -> None:
    done: list[str] = []
    async with things.transaction() as tx:

        async def take_it() -> None:
            done.append("taken")
            take(tx, 1)

            async def more() -> None:
                done.append("more")

            tx.last.append(more)

        tx.last.append(take_it)
        put(tx, "it")
        await tx.value("SELECT 1")
        assert not done
        await tx.finish()
        assert done == ["taken", "more"]
    assert done == ["taken", "more"]
    async with things.transaction() as tx:
        assert await tx.value("SELECT count FROM tally") == 1


async def test_what_is_done_last_may_still_refuse(things: Database) -> None:
    def later(tx: Tx) -> None:
        async def take_it() -> None:
            take(tx, 9)

        tx.last.append(take_it)

    with pytest.raises(ScarceError):
        await together(things, later, lambda tx: put(tx, "it"))
    assert await names(things) == []


# Savepoints.


async def test_a_savepoint_undoes_only_what_is_inside(things: Database) -> None:
    done: list[str] = []

    async def say(text: str) -> None:
        done.append(text)

    async def inside(tx: Tx) -> None:
        async with tx.savepoint():
            put(tx, "inside and sent")
            await tx.flush()
            put(tx, "inside")
            take(tx, 1)
            tx.last.append(lambda: say("last inside"))
            tx.after_commit.append(lambda: say("after inside"))
            tx.read["stale"] = True
            fall(tx)

    async with things.transaction() as tx:
        put(tx, "before")
        tx.last.append(lambda: say("last before"))
        tx.after_commit.append(lambda: say("after before"))
        with pytest.raises(ZeroDivisionError):
            await inside(tx)
        assert not tx.read
        put(tx, "after")
    assert await names(things) == ["after", "before"]
    assert done == ["last before", "after before"]
    async with things.transaction() as tx:
        assert await tx.value("SELECT count FROM tally") == 2


async def test_what_is_refused_is_refused_within_its_savepoint(things: Database) -> None:
    """Rows written behind are sent before the savepoint ends, so that whoever set it meets the refusal."""

    async def within(tx: Tx, name: str) -> None:
        async with tx.savepoint():
            put(tx, name)

    async with things.transaction() as tx:
        put(tx, "taken")
        with pytest.raises(UniqueViolationError):
            await within(tx, "taken")
        await within(tx, "free")
    assert await names(things) == ["free", "taken"]


# After the commit.


async def test_what_follows_a_commit_follows_in_order_and_never_a_rollback(things: Database) -> None:
    done: list[str] = []

    async def say(text: str) -> None:
        done.append(text)
        assert await names(things) == ["it"]  # it is there for everybody

    async def get_lost() -> None:
        raise ConnectionRefusedError

    with pytest.raises(ZeroDivisionError):
        await together(things, lambda tx: tx.after_commit.append(lambda: say("never")), fall)
    async with things.transaction() as tx:
        put(tx, "it")
        for action in (lambda: say("first"), get_lost, lambda: say("second")):
            tx.after_commit.append(action)
        assert not done
    assert done == ["first", "second"]  # what fails is lost without harm: the row is the truth


async def test_the_clock_is_the_databases(things: Database) -> None:
    async with things.transaction() as tx:
        assert abs((await tx.value("SELECT clock_timestamp()") - tx.now).total_seconds()) < 0.5
