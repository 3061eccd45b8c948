"""What transactions send to the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from groundplane.kernel.database import Tx
from groundplane.kernel.session import Session


class _Told:
    """A session that notes its statements."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.statements: list[str] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.session, name)

        def told(*values: Any) -> Any:
            if values:
                self.statements.append(values[0])
            return method(*values)

        return told


@contextmanager
def statements_of(tx: Tx) -> Iterator[list[str]]:
    """All statements that it sends meanwhile."""
    session = tx.connection
    tx.connection = told = _Told(session)
    try:
        yield told.statements
    finally:
        tx.connection = session


@contextmanager
def all_statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """All statements that any transaction sends meanwhile, but for its end."""
    said: list[str] = []
    send, execute = Session._send, Session.execute

    async def spied_send(session: Session, sql: str, *values: Any, **more: Any) -> Any:
        said.append(sql)
        return await send(session, sql, *values, **more)

    async def spied_execute(session: Session, sql: str, *values: Any) -> str:
        if not values:  # else it is sent as all others
            said.append(sql)
        return await execute(session, sql, *values)

    with monkeypatch.context() as patch:
        patch.setattr(Session, "_send", spied_send)
        patch.setattr(Session, "execute", spied_execute)
        yield said
