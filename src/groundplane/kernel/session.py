"""One transaction on one of asyncpg's connections, in no more messages than it has statements.

Each round trip costs a tenth of a millisecond of CPU, and lets the locks of a transaction wait for our event loop to come round
to it again. PostgreSQL takes several commands in one message, which asyncpg does not offer; so BEGIN is put in front of the
first statement and COMMIT behind the last one on asyncpg's way to the socket. That leans on its insides, whose version the lock
file holds; `tests/kernel/test_session.py` says what is relied on.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

Row = asyncpg.Record

TENANT_ROLE = "groundplane_tenant"
"""Who a transaction is once it was let into an organization: a role that owns nothing, under row-level security."""

_SYNC = b"S\x00\x00\x00\x04"
"""Ends what is sent for one statement: now PostgreSQL answers."""


def _command(name: bytes, *texts: bytes) -> bytes:
    """Carry out the prepared statement of this name, which takes these texts (Bind and Execute of the protocol)."""
    values = b"".join(len(text).to_bytes(4, "big") + text for text in texts)
    bind = b"\x00" + name + b"\x00" + bytes(2) + len(texts).to_bytes(2, "big") + values + bytes(2)
    execute = b"\x00" + bytes(4)
    return b"B" + (len(bind) + 4).to_bytes(4, "big") + bind + b"E" + (len(execute) + 4).to_bytes(4, "big") + execute


_PREPARED = {
    "gp_begin": "BEGIN",
    "gp_commit": "COMMIT",
    "gp_nobody": "SET LOCAL ROLE NONE",
    "gp_tenant": f"""SELECT WHERE set_config('groundplane.organization', $1, true) IS NULL
                               OR set_config('role', '{TENANT_ROLE}', true) IS NULL""",
    "gp_impatient": "SET LOCAL lock_timeout = '250ms'",
}
_BEGIN, _COMMIT, _NOBODY, _IMPATIENT = (_command(f"gp_{name}".encode()) for name in ("begin", "commit", "nobody", "impatient"))
_AS_IT_IS = (b"", "")
_CHANGES = ("INSERT", "UPDATE", "DELETE")
"""A statement without these words changes nothing, and locks nothing."""


class _Wire:
    """asyncpg's way to the socket: puts commands around the next statement, within its message."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._write = transport.write
        self.before = self.after = b""

    def write(self, data: memoryview) -> None:
        """Send."""
        if (self.before or self.after) and data[-len(_SYNC) :] == _SYNC:
            self._write(b"".join((self.before, data[: -len(_SYNC)], self.after, _SYNC)))
            self.before = self.after = b""
        else:
            self._write(data)

    def __getattr__(self, name: str) -> Any:
        """Everything else is the transport's."""
        return getattr(self._transport, name)


_asyncpg: Any = asyncpg.protocol


class _Protocol(_asyncpg.Protocol):  # type: ignore[misc]  # its types are no help here
    """asyncpg's own, with a wire that we can reach."""

    def connection_made(self, transport: Any) -> None:
        """Connected."""
        self.wire = _Wire(transport)
        super().connection_made(self.wire)


_asyncpg.Protocol = _Protocol  # connections are made with whatever stands there


async def prepare(connection: Any) -> None:
    """Make a new connection ready for sessions."""
    wire = connection._protocol.wire  # noqa: SLF001  # see the module
    wire.prepared = [await connection.prepare(sql, name=name) for name, sql in _PREPARED.items()]  # lives as long as it is held


class Session:
    """A transaction, from its first statement on. Its methods are called as asyncpg's own.

    One that is `impatient` fails rather than wait for long for rows that others hold.
    """

    def __init__(self, connection: Any, *, impatient: bool = False) -> None:
        self._start = _BEGIN + _IMPATIENT if impatient else _BEGIN
        self._connection = connection
        self._protocol = connection._protocol  # noqa: SLF001  # see the module
        self._begun = self._ended = False
        self._first: tuple[bytes, str] = _AS_IT_IS
        self.changed = False
        """May a statement have changed or locked something since this was last set?"""

    def enter(self, organization_id: UUID) -> None:
        """With the next statement be let into an organization: from then on nobody else's rows are seen."""
        name = str(organization_id)
        text = f"SET LOCAL groundplane.organization = '{name}'; SET LOCAL ROLE {TENANT_ROLE}; "
        self._first = (_command(b"gp_tenant", name.encode()), text)

    def leave(self) -> None:
        """With the next statement leave the organization that the transaction was let into."""
        self._first = (_NOBODY, "SET LOCAL ROLE NONE; ") if self._begun else _AS_IT_IS

    async def fetch(self, sql: str, *values: object) -> Sequence[Row]:
        """All rows."""
        rows: Sequence[Row] = await self._send(sql, values)
        return rows

    async def fetchrow(self, sql: str, *values: object) -> Row | None:
        """The first row, or None."""
        rows = await self._send(sql, values, limit=1)
        return rows[0] if rows else None

    async def fetchval(self, sql: str, *values: object) -> Any:
        """The first column of the first row, or None."""
        rows = await self._send(sql, values, limit=1)
        return rows[0][0] if rows else None

    async def execute(self, sql: str, *values: object) -> str:
        """Carry out a statement, or several without values; answers the command's tag."""
        if values:
            _, tag, _ = await self._send(sql, values, tagged=True)
            return str(tag.decode())
        _, before = self._first
        begin = "" if self._begun else "BEGIN; "
        self._begun, self._first, self.changed = True, _AS_IT_IS, True
        text: str = await self._connection.execute(begin + before + sql)
        return text

    async def executemany(self, sql: str, values: Sequence[Sequence[object]]) -> None:
        """The same statement for each tuple of values."""
        if not self._begun or self._first != _AS_IT_IS:
            await self.execute("")
        self.changed = True
        await self._connection.executemany(sql, values)

    async def finish(self, sql: str, *values: object) -> Row | None:
        """The first row of a statement with which the transaction is committed. If either fails, nothing was done."""
        rows = await self._send(sql, values, last=True)
        self._ended = True
        return rows[0] if rows else None

    async def commit(self) -> None:
        """Commit what was not committed yet."""
        if self._begun and not self._ended:
            await self._connection.execute("COMMIT")
        self._ended = True

    async def rollback(self) -> None:
        """Undo what was not committed."""
        if self._begun and not self._ended and not self._connection.is_closed():
            await self._connection.execute("ROLLBACK")
        self._ended = True

    async def _send(
        self, sql: str, values: Sequence[object], *, limit: int = 0, tagged: bool = False, last: bool = False
    ) -> Any:
        if self._ended:
            raise RuntimeError("the transaction has ended")
        if self._connection.is_closed():
            raise asyncpg.InterfaceError("The connection was lost between two statements.")
        statement = await self._connection._get_statement(sql, None)  # noqa: SLF001  # see the module
        wire = self._protocol.wire
        self.changed = self.changed or any(word in sql for word in _CHANGES)
        begun, first = self._begun, self._first
        wire.before = first[0] if begun else self._start + first[0]
        self._begun, self._first = True, _AS_IT_IS
        if last:
            wire.after = _COMMIT
        try:
            return await self._protocol.bind_execute(statement, values, "", limit, tagged, None)
        except (asyncpg.OutdatedSchemaCacheError, asyncpg.InvalidCachedStatementError):
            await self._connection.reload_schema_state()
            raise
        except asyncpg.PostgresError:
            self._ended = not self._protocol.is_in_transaction()  # the commit itself may be what failed
            raise
        finally:
            if wire.before:  # nothing was sent: a value was not of its parameter's type
                self._begun, self._first = begun, first
            wire.before = wire.after = b""
