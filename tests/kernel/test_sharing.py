"""Shared transactions: all are committed, or each begins again alone; nobody's refusal is another's."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from tests.kernel.test_database import TAKE, THINGS, TakenError, names, put, take

from groundplane.kernel import sharing
from groundplane.kernel.database import (
    BeginAloneError,
    Database,
    ForeignRowError,
    RetryableDatabaseError,
    Tx,
    UntoldRefusalError,
    send_pile,
)
from groundplane.kernel.ids import new_id
from groundplane.kernel.sharing import Sharing

Work = Callable[[Tx], Awaitable[object]]
PARTY = UUID(int=7)


class RefusedError(Exception):
    """Somebody may not."""


def making(name: str, *, then: Work | None = None) -> Work:
    """Asks something, makes a thing, and does what else is to be done."""

    async def work(tx: Tx) -> None:
        await tx.value("SELECT 1")
        put(tx, name)
        if then is not None:
            await then(tx)

    return work


def writing(name: str) -> Work:
    """Makes a thing without asking anything."""

    async def work(tx: Tx) -> None:
        put(tx, name)

    return work


async def shared(where: Sharing, *works: Work, party: UUID = PARTY) -> list[BaseException | None]:
    """All of it at once, each as a member: what each raised."""

    async def one(work: Work) -> None:
        async with where.transaction(party) as tx:
            await work(tx)

    return list(await asyncio.gather(*(one(work) for work in works), return_exceptions=True))


async def transactions(database: Database) -> list[list[str]]:
    """What was made in each, the largest first."""
    async with database.transaction() as tx:
        rows = await tx.fetch("SELECT array_agg(name ORDER BY name) AS names FROM thing GROUP BY xmin::text")
    return sorted((row["names"] for row in rows), key=len, reverse=True)


def kinds(outcomes: list[BaseException | None]) -> list[type | None]:
    """What was raised."""
    return [None if each is None else type(each) for each in outcomes]


@pytest.mark.parametrize("work", [making, writing])
async def test_what_comes_together_is_committed_together_half_of_it_while_the_others_ask(
    things: Database, work: Callable[[str], Work]
) -> None:
    many = [f"it-{number}" for number in range(10)]
    assert kinds(await shared(Sharing(things), *map(work, many))) == [None] * 10
    assert await names(things) == many
    first, *others = await transactions(things)
    assert first == many[:5]
    assert len(others) <= 2


async def test_who_is_alone_waits_for_nobody_and_sends_no_more_than_alone(things: Database) -> None:
    where = Sharing(things)
    for name in ("one", "other"):
        assert await shared(where, making(name)) == [None]
        assert await names(things)  # it is there once it has returned
    assert await transactions(things) == [["one"], ["other"]]


async def test_what_was_committed_is_followed_up_once_for_each_and_never_before(things: Database) -> None:
    seen: list[tuple[str, int]] = []

    def following(name: str) -> Work:
        async def work(tx: Tx) -> None:
            async def tell() -> None:
                seen.append((name, len(await names(things))))

            tx.after_commit.append(tell)

        return making(name, then=work)

    await shared(Sharing(things), *(following(name) for name in ("a", "b", "c")))
    assert sorted(seen) == [("a", 3), ("b", 3), ("c", 3)]


async def test_there_is_an_end_to_how_many_share(things: Database) -> None:
    many = 2 * sharing.MOST + 3
    await shared(Sharing(things, lanes=1), *(making(f"it-{number:02}") for number in range(many)))
    assert len(await names(things)) == many
    assert len((await transactions(things))[0]) == sharing.MOST


async def test_a_party_shares_with_itself_and_others_begin_another(things: Database) -> None:
    where = Sharing(things, lanes=2)
    many = [making(f"a-{number}") for number in range(sharing.QUEUE + 1)]
    one, other = UUID(int=1), UUID(int=2)
    await asyncio.gather(shared(where, *many, party=one), shared(where, making("b"), party=other))
    assert ["b"] in await transactions(things)


async def refuse(_tx: Tx) -> None:
    """Somebody may not."""
    raise RefusedError


async def test_who_is_refused_leaves_nothing_and_the_others_go_on(things: Database) -> None:
    works = [making("a"), making("never", then=refuse), making("b"), making("neither", then=refuse)]
    assert kinds(await shared(Sharing(things), *works)) == [None, RefusedError, None, RefusedError]
    assert await transactions(things) == [["a", "b"]]


@pytest.mark.parametrize("first", [True, False])
async def test_who_may_have_changed_something_and_is_refused_takes_all_along(things: Database, first: bool) -> None:
    async def change(tx: Tx) -> None:
        await tx.execute("UPDATE tally SET count = 0")
        raise RefusedError

    works = [making("good"), making("bad", then=change)]
    outcomes = kinds(await shared(Sharing(things), *(works[::-1] if first else works)))
    if first:
        assert outcomes == [RefusedError, None]  # who joined afterwards joined another
    else:
        assert outcomes == [BeginAloneError, RefusedError]
    async with things.transaction() as tx:
        assert await tx.value("SELECT count FROM tally") == 2


async def test_after_a_violated_constraint_each_begins_alone_and_who_was_alone_is_told(things: Database) -> None:
    def refusing(name: str) -> Work:
        async def work(tx: Tx) -> None:
            tx.refuse({"thing_name": lambda _error: TakenError()})

        return making(name, then=work)

    where = Sharing(things)
    assert kinds(await shared(where, refusing("a"), refusing("twice"), refusing("twice"))) == [BeginAloneError] * 3
    assert await names(things) == []
    assert await shared(where, refusing("twice")) == [None]
    assert kinds(await shared(where, refusing("twice"))) == [TakenError]


async def test_claims_of_one_row_are_added_up(things: Database) -> None:
    async def claim(tx: Tx) -> None:
        take(tx, 1)

    where = Sharing(things)
    assert kinds(await shared(where, making("a", then=claim), making("b", then=claim))) == [None, None]
    async with things.transaction() as tx:
        assert await tx.value("SELECT count FROM tally") == 0
        await tx.execute("UPDATE tally SET count = 1")
    assert kinds(await shared(where, making("c", then=claim), making("d", then=claim))) == [BeginAloneError] * 2
    assert await names(things) == ["a", "b"]
    assert kinds(await shared(where, making("c", then=claim))) == [None]
    assert kinds(await shared(where, making("d", then=claim))) == [UntoldRefusalError]


async def test_what_members_claim_they_know_of_each_other(things: Database) -> None:
    known: list[int] = []

    async def count(tx: Tx) -> None:
        take(tx, 1)
        known.append(tx.claimed(TAKE, THINGS)["count"])

    async with things.transaction() as tx:
        await tx.execute("UPDATE tally SET count = 3")
    where = Sharing(things)
    await shared(where, making("a", then=count), making("b", then=count))
    await shared(where, making("c", then=count))
    assert known == [1, 2, 1]


async def test_who_changes_rows_begins_alone(things: Database) -> None:
    async def change(tx: Tx) -> None:
        tx.update("thing", new_id(), {"size": 1})

    outcomes = await shared(Sharing(things), making("a"), making("b", then=change), making("c"))
    assert kinds(outcomes) == [None, BeginAloneError, None]


async def test_who_has_left_holds_nothing_any_more(things: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async def slowly(*values: Any, **more: Any) -> object:
        await asyncio.sleep(0.2)
        return await send_pile(*values, **more)

    async def hold(tx: Tx) -> None:
        assert await tx.value("SELECT pg_try_advisory_xact_lock(1)")

    async def hold_and_leave(tx: Tx) -> None:
        await hold(tx)
        tx.alone()

    async def leave_and_come_back(where: Sharing) -> None:
        assert kinds(await shared(where, hold_and_leave)) == [BeginAloneError]
        async with things.transaction() as tx:
            await hold(tx)

    monkeypatch.setattr(sharing, "send_pile", slowly)
    where = Sharing(things)
    outcomes, _ = await asyncio.gather(shared(where, making("a"), making("c")), leave_and_come_back(where))
    assert kinds(outcomes) == [None, None]


async def test_a_row_of_another_organization_is_not_written_for_anybody(things: Database) -> None:
    async with things.transaction() as tx:
        await tx.execute("ALTER TABLE thing ADD organization_id uuid")
    mine, other = new_id(), new_id()

    def within(organization_id: UUID, of: UUID) -> Work:
        async def work(tx: Tx) -> None:
            tx.within = organization_id
            put(tx, str(of), organization_id=of)

        return work

    assert kinds(await shared(Sharing(things), within(mine, mine), within(mine, other))) == [None, ForeignRowError]
    assert await names(things) == [str(mine)]


async def test_what_is_common_to_all_is_asked_once_and_what_is_not_by_each(things: Database) -> None:
    answers: list[Any] = []

    async def ask(tx: Tx) -> None:
        both = [await tx.common("SELECT clock_timestamp(), $1::text", name) for name in ("it", "else")]
        answers.extend(rows[0][0] for rows in (*both, await tx.aside("SELECT clock_timestamp()")))

    where = Sharing(things)
    assert kinds(await shared(where, making("a", then=ask), making("b", then=ask))) == [None, None]
    assert len(await transactions(things)) == 1
    assert answers[:2] == answers[3:5]
    assert len(set(answers)) == 4
    await shared(where, making("c", then=ask))
    async with things.transaction() as tx:
        await ask(tx)
        await ask(tx)
    assert len(set(answers)) == 4 + 3 + 6


async def test_who_is_cancelled_at_their_turn_takes_all_along_and_later_nobody(things: Database) -> None:
    where, at_work = Sharing(things), asyncio.Event()

    async def dawdle(_tx: Tx) -> None:
        at_work.set()
        await asyncio.sleep(60)

    good, slow = asyncio.create_task(shared(where, making("a"))), asyncio.create_task(shared(where, making("b", then=dawdle)))
    await at_work.wait()
    slow.cancel()
    assert kinds(await good) == [BeginAloneError]

    async def slowly(*values: Any, **more: Any) -> object:
        at_work.set()
        await asyncio.sleep(0.1)
        return await send_pile(*values, **more)

    at_work.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sharing, "send_pile", slowly)
        tasks = [asyncio.create_task(shared(where, making(name))) for name in ("c", "d")]
        await at_work.wait()
        for task in tasks[1:]:
            task.cancel()
        assert kinds(await tasks[0]) == [None]
    assert await names(things) == ["c", "d"]


async def test_nobody_waits_for_long_for_what_somebody_else_holds(things: Database) -> None:
    async def hold(tx: Tx) -> None:
        await tx.fetch("SELECT FROM tally FOR UPDATE")

    async def claim(tx: Tx) -> None:
        take(tx, 1)

    where = Sharing(things)
    async with things.transaction() as tx:
        await hold(tx)
        for work in (hold, claim):
            async with asyncio.timeout(5):
                outcomes = kinds(await shared(where, making("a"), making("b", then=work)))
            assert outcomes == [BeginAloneError] * 2
            assert kinds(await shared(where, making("b", then=work))) == [BeginAloneError]
    assert await names(things) == []


async def test_what_was_lost_with_the_connection_is_told_to_all(things: Database) -> None:
    async def hang_up(_tx: Tx) -> None:
        async with things.transaction() as tx:
            await tx.fetch(
                """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE query LIKE '%SELECT 1' AND state = 'idle in transaction'
                     AND datname = current_database() AND pid <> pg_backend_pid()"""
            )

    where = Sharing(things)
    outcomes = await shared(where, making("a"), making("b", then=hang_up))
    assert [isinstance(each, RetryableDatabaseError) for each in outcomes] == [True, True], outcomes
    assert await names(things) == []
    assert kinds(await shared(where, making("c"))) == [None]


async def test_a_party_that_was_refused_is_avoided_for_a_moment(things: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    where = Sharing(things)
    where.avoid(PARTY)
    assert kinds(await shared(where, making("a"))) == [BeginAloneError]
    assert kinds(await shared(where, making("b"), party=UUID(int=8))) == [None]
    monkeypatch.setattr(sharing, "monotonic", lambda: 1e12)
    assert kinds(await shared(where, making("c"))) == [None]
