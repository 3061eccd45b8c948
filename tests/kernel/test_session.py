"""What is relied on of asyncpg's insides: BEGIN goes with the first statement, COMMIT with the last, each in one message."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from tests.conftest import MakeDatabase

from groundplane.kernel.database import Database
from groundplane.kernel.ids import new_id
from groundplane.kernel.session import TENANT_ROLE, Session, prepare

TABLES = """
    CREATE TABLE thing (id int PRIMARY KEY);
    CREATE TABLE part (thing_id int REFERENCES thing DEFERRABLE INITIALLY DEFERRED);
    CREATE TYPE colour AS ENUM ('red', 'green');
    CREATE TABLE paint (colours colour[]);
"""
PUT = "INSERT INTO thing VALUES ($1) RETURNING id"


@pytest_asyncio.fixture
async def url(make_database: MakeDatabase) -> str:
    """A database with some small tables."""
    url = await make_database()
    connection = await asyncpg.connect(url)
    await connection.execute(TABLES)
    await connection.close()
    return url


@pytest_asyncio.fixture
async def connection(url: str) -> AsyncIterator[Any]:
    """A connection that is ready for sessions and has prepared nothing else yet."""
    connection = await asyncpg.connect(url)
    await prepare(connection)
    yield connection
    await connection.close()


class Sent:
    """Counts what goes to the socket."""

    def __init__(self, connection: Any) -> None:
        wire = connection._protocol.wire
        self.messages: list[bytes] = []
        self._send = wire._write
        wire._write = self

    def __call__(self, data: Any) -> None:
        self.messages.append(bytes(data))
        self._send(data)


async def things(connection: Any) -> list[int]:
    """What there is for everybody."""
    return [row["id"] for row in await connection.fetch("SELECT id FROM thing ORDER BY id")]


async def test_a_transaction_takes_as_many_messages_as_it_has_statements(connection: Any) -> None:
    for number in range(2):  # the first time, statements are prepared
        sent = Sent(connection)
        session = Session(connection)
        assert await session.fetchval(PUT, 2 * number) == 2 * number
        assert connection.is_in_transaction()
        row = await session.finish(PUT, 2 * number + 1)
        assert row is not None
        assert row["id"] == 2 * number + 1
        assert not connection.is_in_transaction()
    assert len(sent.messages) == 2
    assert await things(connection) == [0, 1, 2, 3]


async def test_a_single_statement_is_a_transaction_in_one_message(connection: Any) -> None:
    await Session(connection).finish(PUT, 1)
    sent = Sent(connection)
    await Session(connection).finish(PUT, 2)
    assert len(sent.messages) == 1
    assert await things(connection) == [1, 2]


@pytest.mark.parametrize("known", [False, True])
async def test_the_first_statement_is_undone_with_the_rest(connection: Any, known: bool) -> None:
    if known:
        await Session(connection).finish(PUT, 0)
        await connection.execute("DELETE FROM thing")
    session = Session(connection)
    await session.fetch(PUT, 1)
    await session.rollback()
    assert await things(connection) == []


async def test_what_has_no_values_is_begun_with_too(connection: Any) -> None:
    session = Session(connection)
    assert await session.execute("INSERT INTO thing VALUES (1), (2); INSERT INTO thing VALUES (3)") == "INSERT 0 1"
    assert await session.execute("DELETE FROM thing WHERE id < $1", 3) == "DELETE 2"
    await session.executemany(PUT, [(4,), (5,)])
    assert connection.is_in_transaction()
    await session.rollback()
    assert await things(connection) == []
    session = Session(connection)
    await session.executemany(PUT, [(4,), (5,)])
    await session.commit()
    assert await things(connection) == [4, 5]


async def test_a_last_statement_that_fails_commits_nothing(connection: Any) -> None:
    await Session(connection).finish(PUT, 1)
    session = Session(connection)
    await session.fetch(PUT, 2)
    with pytest.raises(asyncpg.UniqueViolationError):
        await session.finish(PUT, 1)
    await session.rollback()
    assert not connection.is_in_transaction()
    assert await things(connection) == [1]


async def test_a_commit_that_fails_is_told_and_commits_nothing(connection: Any) -> None:
    session = Session(connection)
    await session.fetch(PUT, 1)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await session.finish("INSERT INTO part VALUES ($1)", 9)  # found out at the commit
    assert not connection.is_in_transaction()
    await session.rollback()
    assert await things(connection) == []


async def test_types_that_are_asked_for_on_the_way_do_not_commit(connection: Any) -> None:
    """asyncpg sends statements of its own before one with a type that it does not know."""
    session = Session(connection)
    await session.fetch(PUT, 1)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await session.finish(
            "WITH a AS (INSERT INTO part VALUES (9)) INSERT INTO paint VALUES ($1) RETURNING colours", ["red", "green"]
        )
    assert await things(connection) == []
    row = await Session(connection).finish("INSERT INTO paint VALUES ($1) RETURNING colours", ["green"])
    assert row is not None
    assert row["colours"] == ["green"]


async def test_a_value_of_another_type_sends_nothing(connection: Any) -> None:
    await Session(connection).finish(PUT, 1)
    session, sent = Session(connection), Sent(connection)
    with pytest.raises(asyncpg.DataError):
        await session.fetch(PUT, "text")
    await session.rollback()
    assert not sent.messages
    session = Session(connection)
    await session.fetch(PUT, 2)
    await session.rollback()
    assert await things(connection) == [1]


async def test_nothing_is_sent_after_the_end(connection: Any) -> None:
    session = Session(connection)
    await session.finish(PUT, 1)
    with pytest.raises(RuntimeError):
        await session.fetch(PUT, 2)
    assert await things(connection) == [1]


async def test_a_session_that_asks_nothing_sends_nothing(connection: Any) -> None:
    sent = Sent(connection)
    session = Session(connection)
    await session.commit()
    await Session(connection).rollback()
    assert not sent.messages


@pytest.mark.parametrize("last", [False, True])
async def test_a_cancelled_transaction_leaves_nothing_and_the_connection_is_good(
    url: str, last: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever waits is cancelled while the server is at work on the statement with which it begins, or ends."""
    database = await Database.connect(url, size=1)

    async def slow() -> None:
        async with database.transaction() as tx:
            if last:
                tx.behind("INSERT INTO thing SELECT 1 FROM pg_sleep(5) WHERE true = ANY({0}::bool[])", True)
            else:
                await tx.fetch("WITH a AS (INSERT INTO thing VALUES (1)) SELECT pg_sleep(5) WHERE $1", True)

    with caplog.at_level(logging.ERROR):
        for _ in range(2):
            task = asyncio.create_task(slow())
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            async with database.transaction() as tx:
                assert await tx.value("SELECT count(*) FROM thing") == 0
    await database.close()
    assert not caplog.records


@pytest.mark.parametrize("first", ["simple", "prepared", "unsent"])
async def test_who_leaves_is_nobody_with_the_next_statement_that_is_sent(connection: Any, first: str) -> None:
    session = Session(connection)
    await session.execute("SET LOCAL ROLE pg_monitor")
    assert await session.fetchval("SELECT current_user") == "pg_monitor"
    session.leave()
    if first == "simple":
        await session.execute("SELECT 1")
    elif first == "unsent":
        with pytest.raises(asyncpg.DataError):
            await session.fetch("SELECT $1::int", "no number")
    assert await session.fetchval("SELECT current_user") != "pg_monitor"
    await session.rollback()


WHERE = "SELECT current_user::text || ' ' || current_setting('groundplane.organization', true)"


@pytest_asyncio.fixture
async def for_tenants(connection: Any) -> None:
    """Their role, which belongs to the whole server, and what it may write."""
    await connection.execute(
        f"""DO $$ BEGIN CREATE ROLE {TENANT_ROLE}; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
            GRANT ALL ON thing TO {TENANT_ROLE}"""
    )


@pytest.mark.parametrize("first", ["begun", "new", "simple", "many", "unsent"])
@pytest.mark.usefixtures("for_tenants")
async def test_who_enters_is_in_that_organization_with_the_next_statement_that_is_sent(connection: Any, first: str) -> None:
    await connection.fetchval(WHERE)  # prepares it
    session, one, other = Session(connection), new_id(), new_id()
    session.enter(other)
    if first != "new":
        assert await session.fetchval(WHERE) == f"{TENANT_ROLE} {other}"
    session.enter(one)
    if first == "simple":
        await session.execute("SELECT 1")
    elif first == "many":
        await session.executemany(PUT, [(1,)])
        assert await connection.fetchval(WHERE) == f"{TENANT_ROLE} {one}"
    elif first == "unsent":
        with pytest.raises(asyncpg.DataError):
            await session.fetch("SELECT $1::int", "no number")
    sent = Sent(connection)
    assert await session.fetchval(WHERE) == f"{TENANT_ROLE} {one}"
    assert len(sent.messages) == 1
    session.leave()
    assert TENANT_ROLE not in await session.fetchval(WHERE)
    await session.rollback()
    assert TENANT_ROLE not in await connection.fetchval("SELECT current_user")
