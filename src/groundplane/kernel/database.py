"""PostgreSQL through asyncpg: a pool, transactions, and what is to happen after a commit. SQL stands where it is used."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, Self
from uuid import UUID

import asyncpg
import structlog
from pydantic_core import to_json

from groundplane.kernel import session
from groundplane.kernel.session import TENANT_ROLE, Session
from groundplane.kernel.telemetry import child_span

log = structlog.get_logger()

CLOCK_SECONDS = 10.0
"""How long the database's clock is carried on by our own before it is read again."""

Row = session.Row
UniqueViolationError = asyncpg.UniqueViolationError
ForeignKeyViolationError = asyncpg.ForeignKeyViolationError
ExclusionViolationError = asyncpg.ExclusionViolationError
CheckViolationError = asyncpg.CheckViolationError


class CollidedError(Exception):
    """Chance let two transactions want the same thing."""


class BeginAloneError(Exception):
    """A transaction that was shared came to nothing, perhaps because of another member: to be begun again as one of its own."""


class ForeignRowError(Exception):
    """A row that is to be written along with others is not of the organization that its transaction was let into."""


class UntoldRefusalError(Exception):
    """A claim found nothing to take, in a statement that was to be the last: begun again without haste, it says why."""


CollisionError = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError, CollidedError)
"""Others were in the way of a transaction: the same one, begun again, may go through."""
LostConnectionError = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,  # the server's last word, instead of an answer or behind it
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server hung up between two commands
    OSError,
)
"""The connection is gone; nobody knows what was committed."""
RetryableDatabaseError = (
    *CollisionError,
    *LostConnectionError,
    asyncpg.LockNotAvailableError,
    asyncpg.CannotConnectNowError,
)
"""What a caller that can repeat its whole transaction repeats it after."""


Json = dict[str, Any]
Refusals = Mapping[str, Callable[[asyncpg.IntegrityConstraintViolationError], Exception]]
"""What a violated constraint, by name, means to whoever asked for the row."""


@dataclass
class Question:
    """A question that is asked along with another statement, `{0}`, `{1}` … standing for its values; one row answers it."""

    sql: str
    values: tuple[object, ...]
    answer: Json | None = None

    def along_with(self, other: "Question") -> "Question":
        """Both as one, whose answer has the columns of both."""
        first = len(self.values)
        places = [f"{{{first + place}}}" for place, _ in enumerate(other.values)]
        sql = f"SELECT * FROM ({self.sql}) AS one CROSS JOIN ({other.sql.format(*places)}) AS other"  # noqa: S608  # our own
        return Question(sql, (*self.values, *other.values))


Otherwise = Callable[[], Awaitable[Exception]]


@dataclass(frozen=True)
class Claim:
    """What is taken of a row, and the error if it cannot be."""

    amounts: Mapping[str, int]
    otherwise: Otherwise


@dataclass
class Pile:
    """What is written behind: new rows by table, changes by table and id, rows for statements, claims by statement and key."""

    inserts: dict[str, list[Json]] = field(default_factory=dict)
    updates: dict[str, dict[UUID, Json]] = field(default_factory=dict)
    statements: dict[str, dict[tuple[Any, ...], tuple[Any, ...]]] = field(default_factory=dict)
    claims: dict[str, dict[UUID, Claim]] = field(default_factory=dict)
    refusals: dict[str, Callable[[asyncpg.IntegrityConstraintViolationError], Exception]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Is there anything to write?"""
        return bool(self.updates or self.statements or self.claims or any(self.inserts.values()))

    def claim(self, sql: str, key: UUID, claim: Claim) -> None:
        """One more claim; of what is claimed already, so much more."""
        of_sql = self.claims.setdefault(sql, {})
        if (held := of_sql.get(key)) is not None:
            names = {**held.amounts, **claim.amounts}
            amounts = {name: held.amounts.get(name, 0) + claim.amounts.get(name, 0) for name in names}
            claim = Claim(amounts, claim.otherwise)
        of_sql[key] = claim

    def in_order(self) -> list[tuple[str, dict[UUID, Claim]]]:
        """All claims in the order in which everybody makes them: by the statements' texts, and by the keys."""
        by_text = sorted(self.claims.items(), key=lambda item: item[0].lstrip())
        return [(sql, dict(sorted(of_sql.items()))) for sql, of_sql in by_text]

    def each_claim(self) -> list[tuple[str, UUID, Claim]]:
        """As `in_order`, one by one."""
        return [(sql, key, claim) for sql, of_sql in self.in_order() for key, claim in of_sql.items()]

    def add(self, other: "Pile") -> None:
        """All of another one too."""
        for table, rows in other.inserts.items():
            self.inserts.setdefault(table, []).extend(rows)
        for sql, of_sql in other.statements.items():
            self.statements.setdefault(sql, {}).update(of_sql)
        for sql, key, claim in other.each_claim():
            self.claim(sql, key, claim)
        if other.updates:
            raise ValueError("changes of rows are not shared")


@dataclass
class Tx:
    """One open transaction. Whoever opened it commits; nobody else does. `after_commit` runs once it is durable.

    What is given to `insert`, `update` and `behind` is written behind: all of it in one statement, before the next one that
    is sent or with the commit, whichever comes first. So whoever asks the database anything sees it, and who does not ask
    pays one round trip for all. `last` holds what takes the rows that everybody waits for: done when all else is.

    In haste, claims go with the commit too, so that the rows that everybody waits for are held for no round trip of ours. One
    that is refused raises UntoldRefusalError then.
    """

    connection: Any
    clock: Callable[[], datetime]
    after_commit: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    last: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    read: dict[Any, Any] = field(default_factory=dict)
    wrote: bool = False
    """May this transaction have changed something?"""
    haste: bool = False
    within: UUID | None = None
    """The organization that this transaction was let into, and whose rows alone it sees."""
    ahead: Pile | None = None
    """What others have written behind who share this transaction, and joined it before; None if it is nobody else's."""
    asked: dict[Any, Any] | None = None
    """What those who joined before asked that is common to all, and what is `remembered`; None if it is nobody else's."""
    _pile: Pile = field(default_factory=Pile)
    _fresh: dict[tuple[str, UUID], Json] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        """The database's clock, as well as this process knows it: for deadlines, never for what must be exact."""
        return self.clock()

    @property
    def remembered(self) -> dict[Any, Any]:
        """What is known of rows that this transaction holds, for all who share it."""
        return self.read if self.asked is None else self.asked

    async def fetch(self, sql: str, *values: object) -> Sequence[Row]:
        """All rows."""
        await self.flush()
        rows: Sequence[Row] = await self.connection.fetch(sql, *values)
        return rows

    async def fetch_along(self, along: "Question | None", sql: str, *values: object) -> Sequence[Row]:
        """As `fetch`, of a statement that answers a row; `along` is answered in the same round trip."""
        if along is None:
            return await self.fetch(sql, *values)
        places = [f"${len(values) + place}" for place, _ in enumerate(along.values, 1)]
        rows = await self.fetch(
            f"WITH main AS ({sql}), along AS ({along.sql.format(*places)}) "  # noqa: S608  # both are our own
            "SELECT main.*, (SELECT row_to_json(along) FROM along)::text AS along FROM main",
            *values,
            *along.values,
        )
        along.answer = json.loads(rows[0]["along"]) if rows and rows[0]["along"] else None
        return rows

    async def row(self, sql: str, *values: object) -> Row | None:
        """The first row, or None."""
        await self.flush()
        row: Row | None = await self.connection.fetchrow(sql, *values)
        return row

    async def aside(self, sql: str, *values: object) -> Sequence[Row]:
        """All rows of a statement to which nothing that is written behind matters, and which therefore does not send it."""
        rows: Sequence[Row] = await self.connection.fetch(sql, *values)
        return rows

    async def common(self, sql: str, *values: Hashable) -> Sequence[Row]:
        """As `aside`, of what is nobody's own and looks alike to all: those who share the transaction ask it once."""
        if self.asked is None:
            return await self.aside(sql, *values)
        if (sql, values) not in self.asked:
            self.asked[sql, values] = await self.aside(sql, *values)
        rows: Sequence[Row] = self.asked[sql, values]
        return rows

    async def one(self, sql: str, *values: object) -> Row:
        """The first row; LookupError when there is none."""
        row = await self.row(sql, *values)
        if row is None:
            raise LookupError(sql)
        return row

    async def value(self, sql: str, *values: object) -> Any:
        """The first column of the first row, or None."""
        await self.flush()
        return await self.connection.fetchval(sql, *values)

    async def execute(self, sql: str, *values: object) -> int:
        """Carry out a statement; answers how many rows it touched."""
        await self.flush()
        self.wrote = True
        tag: str = await self.connection.execute(sql, *values)
        count = tag.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def many(self, sql: str, values: Sequence[Sequence[object]]) -> None:
        """The same statement for each tuple of values, in one round trip."""
        await self.flush()
        if values:
            self.wrote = True
            await self.connection.executemany(sql, values)

    @asynccontextmanager
    async def unconfined(self) -> AsyncIterator[None]:
        """Inside, see everybody's rows again: for what is counted over all organizations, and told to none."""
        if self.within is None:
            yield
            return
        await self.execute("SET LOCAL ROLE NONE")
        yield
        await self.execute(f"SET LOCAL ROLE {TENANT_ROLE}")

    def alone(self) -> None:
        """What follows must know all that was written before it. Raises BeginAloneError if others write behind here too."""
        if self.ahead is not None:
            raise BeginAloneError

    async def over_many(self) -> None:
        """From now on this transaction's statements compare many rows with many, and are planned for that."""
        await self.execute(_OVER_MANY)

    def insert(self, table: str, row: Json) -> None:
        """Write a new row behind. Rows of a table keep their order; columns that are left out get their default."""
        self._pile.inserts.setdefault(table, []).append(row)
        if "id" in row:
            self._fresh[table, row["id"]] = row

    def refuse(self, refusals: Refusals) -> None:
        """Say what it means should one of these constraints be violated by what is written behind."""
        self._pile.refusals.update(refusals)

    def update(self, table: str, row_id: UUID, changes: Json) -> None:
        """Change columns of the row with this `id`, written behind; later changes of the same row are added to earlier ones."""
        fresh = self.pending(table, row_id)
        target = self._pile.updates.setdefault(table, {}).setdefault(row_id, {}) if fresh is None else fresh
        target.update(changes)

    def behind(self, sql: str, *values: object, key: int = 1) -> None:
        """Write a row for a statement behind: that takes the arrays `{0}`, `{1}` … of all such rows' values, in their order.

        Of rows with the same first `key` values only the last counts. No other statement may touch what it touches.
        """
        self._pile.statements.setdefault(sql, {})[values[:key]] = values

    def claim(self, sql: str, key: UUID, amounts: Mapping[str, int], *, otherwise: Otherwise) -> None:
        """Take amounts of the row with this key, written behind; what is taken of one row several times is taken at once.

        The statement takes of each row of `{keys}` (uuid[]) the amounts in `{amounts}` (jsonb[]), in their order. If it does
        not touch the row, the error that `otherwise` answers is raised.
        """
        self._pile.claim(sql, key, Claim(dict(amounts), otherwise))

    def claimed(self, sql: str, key: UUID) -> Mapping[str, int]:
        """What is claimed of a row here and not taken yet, by others who share this transaction too."""
        claimed: Counter[str] = Counter()
        for pile in (self._pile,) if self.ahead is None else (self.ahead, self._pile):
            if (claim := pile.claims.get(sql, {}).get(key)) is not None:
                claimed.update(claim.amounts)
        return claimed

    def pending(self, table: str, row_id: UUID) -> Json | None:
        """The new row with this `id` that is not written yet."""
        return self._fresh.get((table, row_id))

    def unwritten(self, table: str) -> Sequence[Json]:
        """The new rows of this table that will be written together, those too that are still to come."""
        return self._pile.inserts.setdefault(table, [])

    async def flush(self) -> None:
        """Send what is written behind. Raises what the violated constraint means, or asyncpg's own error."""
        if not self._pile:
            return
        claims = self._pile.each_claim()
        touched = await self._write(self.connection.fetchrow)
        for (_, _, claim), count in zip(claims, touched or (), strict=bool(touched)):
            if not count:
                raise await claim.otherwise()

    async def finish(self) -> None:
        """Write all that is left, and with it, last of all, what everybody waits for."""
        await self._turn_to_last()
        await self.flush()

    async def close(self) -> None:
        """As `finish`; the same statement commits, if no claim's refusal can need another one."""
        await self._turn_to_last()
        if self._pile.claims and not self.haste:
            await self.flush()
        elif self._pile:
            await self._write(self.connection.finish, haste=self.haste)

    async def hand_over(self) -> Pile:
        """All that is left to be written, which others will write along with theirs.

        Raises BeginAloneError if that changes rows that are there; ForeignRowError for a row of another organization: who
        writes for several is under no row-level security.
        """
        await self._turn_to_last()
        if self._pile.updates:
            self.alone()
        if self.within is not None:
            for table, rows in self._pile.inserts.items():
                if any(row.get("organization_id", self.within) != self.within for row in rows):
                    raise ForeignRowError(f"a row of {table} is not of organization {self.within}")
        self.wrote = self.wrote or bool(self._pile)
        pile, self._pile, self._fresh = self._pile, Pile(), {}
        return pile

    async def _turn_to_last(self) -> None:
        while self.last:
            await self.last.pop(0)()

    async def _write(self, send: Callable[..., Awaitable[Row | None]], *, haste: bool = False) -> Row | None:
        """Everything that is written behind, in one statement: how many rows each claim touched, if not in haste."""
        self.wrote = True
        pile, self._pile, self._fresh = self._pile, Pile(refusals=self._pile.refusals), {}
        return await send_pile(pile, send, haste=haste)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """What happens inside is undone alone if it raises, and so is what it wanted done later."""
        await self.flush()
        marks = [(actions, len(actions)) for actions in (self.after_commit, self.last)]
        await self.connection.execute("SAVEPOINT part")
        try:
            yield
            await self.flush()
            await self.connection.execute("RELEASE SAVEPOINT part")
        except BaseException:
            await self.connection.execute("ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part")
            self._pile, self._fresh = Pile(refusals=self._pile.refusals), {}
            self.read.clear()
            for actions, mark in marks:
                del actions[mark:]
            raise


async def send_pile(pile: Pile, send: Callable[..., Awaitable[Row | None]], *, haste: bool = False) -> Row | None:
    """All that was written behind, in one statement. Raises what a violated constraint means; UntoldRefusalError, in haste."""
    sql, values = _statement(pile, haste=haste)
    try:
        return await send(sql, *values)
    except asyncpg.IntegrityConstraintViolationError as error:
        meaning = pile.refusals.get(error.constraint_name or "")
        if meaning is None:
            raise
        raise meaning(error) from error
    except asyncpg.DivisionByZeroError as error:
        if not haste:
            raise
        raise UntoldRefusalError from error


def _statement(pile: Pile, *, haste: bool) -> tuple[str, list[object]]:
    """One statement for everything: a part for each table and set of columns, for each statement, and for each claim.

    It answers how many rows each claim touched. In haste all claims of a statement are one part, and it fails (a division by
    zero) if it did not touch all of them.
    """
    parts: list[str] = []
    values: list[object] = []
    for table, rows in pile.inserts.items():
        for columns, alike in _by_columns(rows):
            names = ", ".join(columns)
            new = _recordset(table, alike, values)
            parts.append(f"INSERT INTO {table} ({names}) SELECT {names} FROM {new}")  # noqa: S608  # our own tables and columns
    for table, changed in pile.updates.items():
        for columns, alike in _by_columns([{"id": row_id, **changes} for row_id, changes in changed.items()]):
            changes = ", ".join(f"{name} = new.{name}" for name in columns if name != "id")
            new = _recordset(table, alike, values)
            parts.append(f"UPDATE {table} SET {changes} FROM {new} AS new WHERE {table}.id = new.id")  # noqa: S608  # our own
    for sql, of_sql in pile.statements.items():
        parts.append(sql.format(*_places([list(column) for column in zip(*of_sql.values(), strict=True)], values)))
    if not pile.claims:
        *parts, main = parts
    else:
        counts = []
        for sql, claims in pile.in_order() if haste else [(sql, {key: claim}) for sql, key, claim in pile.each_claim()]:
            amounts = [claim.amounts for claim in claims.values()]
            places = dict(zip(("keys", "amounts"), _places([list(claims), amounts], values), strict=True))
            parts.append(f"{sql.format(**places)} RETURNING 1 AS taken_{len(parts)}")
            count = f"(SELECT count(*) FROM w{len(parts) - 1})"  # noqa: S608  # of our own
            counts.append(f"1 / ({count} = {_places([len(claims)], values)[0]}::int)::int" if haste else count)
        main = f"SELECT {', '.join(counts)}"
    ahead = ", ".join(f"w{number} AS ({part})" for number, part in enumerate(parts))
    return (f"WITH {ahead} {main}" if parts else main), values


def _recordset(table: str, rows: Sequence[Json], values: list[object]) -> str:
    """Rows of a table as one JSON parameter, which is added to `values`."""
    (place,) = _places([to_json(rows).decode()], values)
    return f"json_populate_recordset(NULL::{table}, {place}::json)"


def _places(more: Iterable[object], values: list[object]) -> list[str]:
    """The placeholders of more values, which are added to those that there are."""
    first = len(values) + 1
    values += more
    return [f"${place}" for place in range(first, len(values) + 1)]


def _by_columns(rows: Sequence[Json]) -> list[tuple[tuple[str, ...], list[Json]]]:
    groups: dict[tuple[str, ...], list[Json]] = {}
    for row in rows:
        groups.setdefault(tuple(row), []).append(row)
    return list(groups.items())


class Database:
    """A pool of connections to PostgreSQL 18.

    `on_write` is called after the commit of what may have changed something. It is not called for writes whose rows are
    answered (`RETURNING`) and that come with no other: whoever waits for news looks by themselves too.
    """

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self.on_write: Callable[[], None] | None = None
        self._clock_checked = -CLOCK_SECONDS
        self._clock = datetime.min.replace(tzinfo=UTC)

    @classmethod
    async def connect(cls, url: str, *, size: int = 16) -> Self:
        """Open the pool; raises asyncpg's errors or OSError when the server does not answer."""
        pool = await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=size,
            init=_prepare,
            reset=_keep_session,
            statement_cache_size=512,
            server_settings=_SESSION,
        )
        return cls(pool)

    @asynccontextmanager
    async def transaction(self, *, haste: bool = False) -> AsyncIterator[Tx]:
        """Commit when the block ends, roll back when it raises; then do what was to be done after the commit.

        `haste` is for who can begin again after UntoldRefusalError.
        """
        async with self.connection() as connection:
            own = Session(connection)
            tx = Tx(own, self.now, haste=haste)
            with child_span("transaction"):
                try:
                    yield tx
                    await tx.close()
                    await own.commit()
                except BaseException:
                    await own.rollback()
                    raise
        await self.follow_up(tx)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """One of the pool's."""
        async with self._pool.acquire() as connection:
            await self._read_clock(connection)
            yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Tx]:
        """For what reads only: each statement is a transaction of its own, and one message."""
        async with self.connection() as connection:
            yield Tx(connection, self.now)

    async def follow_up(self, tx: Tx) -> None:
        """Do what was to be done after the commit."""
        if tx.wrote and self.on_write is not None:
            self.on_write()
        for action in tx.after_commit:
            try:
                await action()
            except Exception:  # the row is the truth: what is lost here is asked again from it
                log.warning("after_commit.failed", exc_info=True)

    async def _read_clock(self, connection: Any) -> None:
        if monotonic() - self._clock_checked > CLOCK_SECONDS:
            self._clock = (await connection.fetchval("SELECT clock_timestamp()")).astimezone(UTC)
            self._clock_checked = monotonic()

    def now(self) -> datetime:
        """The clock as it was read last, carried on by our own monotonic one."""
        return self._clock + timedelta(seconds=monotonic() - self._clock_checked)

    @property
    def connections(self) -> tuple[int, int, int]:
        """How many connections are in use, how many are open, and how many there may be."""
        size = self._pool.get_size()
        return size - self._pool.get_idle_size(), size, self._pool.get_max_size()

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()


# Statements are few, sent for ever, and find a few rows by their keys. Planning each anew costs more than a plan that knows
# its values saves; and a plan that was made while a table was small must not read it from end to end when it has grown.
_SESSION = {
    "statement_timeout": "60s",  # the server's clock for it costs less than a timer of ours for each
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
_OVER_MANY = """SET LOCAL plan_cache_mode = auto; SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on;
                SET LOCAL enable_mergejoin = on"""


async def _prepare(connection: Any) -> None:
    await session.prepare(connection)
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda value: b"\x01" + to_json(value),
        decoder=lambda value: json.loads(value[1:]),
    )


async def _keep_session(_connection: Any) -> None:
    """Sessions are only ever changed by SET LOCAL, so there is nothing to reset and a round trip is saved."""
