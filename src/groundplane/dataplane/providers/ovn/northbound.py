"""The connection to a northbound database: opened when first needed, it runs changes in its own thread and passes on news.

It knows no kind of resource.
"""

import asyncio
import logging
import queue
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from ovs.db.error import Error
from ovs.db.idl import Transaction
from ovsdbapp.backend.ovs_idl import idlutils, vlog
from ovsdbapp.backend.ovs_idl.connection import Connection

from groundplane.contracts.faults import ProviderError
from groundplane.contracts.reports import State
from groundplane.dataplane.providers.ovn.change import Change
from groundplane.dataplane.providers.ovn.faults import BAD_VALUE, DUPLICATE, contended, error_of, fault, unreachable
from groundplane.dataplane.providers.ovn.replica import Key, Replica

T = TypeVar("T")

_CONFLICTS: Final = 50
_FIRST_RETRY_SECONDS: Final = 0.001
_LONGEST_RETRY_SECONDS: Final = 0.2
_CONNECT_AGAIN_SECONDS: Final = 1.0
_LOAD_SECONDS: Final = 60.0  # for the whole database; a thousand ports take about one

# ovs logs by a logger of its own, which is silent until told otherwise; a value that it swallows is only said there.
vlog.use_python_logger(max_level=vlog.WARN)
_LOG = logging.getLogger(__name__)


class _TryAgain(Exception):  # noqa: N818  # no error: somebody else was first, or the connection is down
    """The transaction did not take place; compose it anew."""


class _Attempt(Generic[T]):
    """One transaction, as ovsdbapp's connection thread expects it: it calls `do_commit` and puts what comes of it.

    ovsdbapp's own Transaction would carry out a change whose caller gave up long ago, and would wait without limit
    when the database goes away while it tries again.
    """

    def __init__(
        self, replica: Replica, cluster: UUID, key: Key | None, write: Callable[[Change], None], read: Callable[[Replica], T]
    ) -> None:
        self.results = self
        self.abandoned = False
        self._replica, self._cluster, self._key, self._write, self._read = replica, cluster, key, write, read
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[T] = self._loop.create_future()

    def do_commit(self) -> T | None:
        """Compose, commit and read, all in the connection's thread."""
        if self.abandoned:
            return None
        self._replica.working_on = self._key
        try:
            self._commit()
            return self._read(self._replica)
        finally:
            self._replica.working_on = None

    def put(self, result: Any) -> None:
        """Hand the outcome to the event loop."""
        with suppress(RuntimeError):  # the loop may be closed by now
            self._loop.call_soon_threadsafe(self._settle, result)

    def _commit(self) -> None:
        transaction = Transaction(self._replica)
        try:
            self._write(Change(self._replica, transaction, self._cluster))
        except Error as error:
            transaction.abort()
            raise fault(BAD_VALUE, str(error)) from error
        except BaseException:
            transaction.abort()
            raise
        status = transaction.commit_block()
        if status == Transaction.ERROR:
            name, details = error_of(transaction.get_error())
            raise _TryAgain if name == DUPLICATE else fault(name, details)
        if status != Transaction.SUCCESS:
            raise _TryAgain

    def _settle(self, result: Any) -> None:
        if self.done.done():
            return
        if isinstance(result, idlutils.ExceptionResult):
            self.done.set_exception(result.ex)
        else:
            self.done.set_result(result)


class Northbound:
    """One northbound database, and in it one cluster's rows. `timeout` in seconds bounds each change."""

    def __init__(self, remote: str, cluster: UUID, timeout: float) -> None:
        self._remote, self._cluster, self._timeout = remote, cluster, timeout
        self._turn = asyncio.Lock()
        self._opening: asyncio.Task[Connection] | None = None
        self._listeners: set[asyncio.Queue[State | None]] = set()
        self._closed = False

    async def change(
        self,
        check: Callable[[], None],
        key: Key | None,
        write: Callable[[Change], None],
        read: Callable[[Replica], T | None],
    ) -> T:
        """Commit what `write` composes, then return what `read` finds in the replica, once that is not None.

        `check` is called before each attempt. `key` is what the change is about: news of it are not passed on.
        """
        try:
            async with asyncio.timeout(self._timeout), self._turn:
                return await self._until_committed(check, key, write, read)
        except TimeoutError:
            raise unreachable(self._remote, f"no answer within {self._timeout:g} s") from None

    def news(self) -> AsyncIterator[State]:
        """What changes from now on, but for what this process changes itself; ends when closed."""
        heard: asyncio.Queue[State | None] = asyncio.Queue()
        self._listeners.add(heard)
        if self._closed:
            heard.put_nowait(None)
        return self._listen(heard)

    async def close(self) -> None:
        """End the connection, its thread and all listening."""
        self._closed = True
        for heard in self._listeners:
            heard.put_nowait(None)
        if self._opening is None:
            return
        done, _ = await asyncio.wait({self._opening}, timeout=self._timeout)
        if done and self._opening.exception() is None:
            await asyncio.to_thread(_stop, self._opening.result(), self._timeout)

    async def _until_committed(
        self,
        check: Callable[[], None],
        key: Key | None,
        write: Callable[[Change], None],
        read: Callable[[Replica], T | None],
    ) -> T:
        delay, conflicts = _FIRST_RETRY_SECONDS, 0
        while conflicts < _CONFLICTS:
            opened = await self._open()
            check()
            with suppress(_TryAgain):
                found = await self._attempt(opened, _Attempt(opened.idl, self._cluster, key, write, read))
                if found is not None:
                    return found
            conflicts += opened.idl.connected
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LONGEST_RETRY_SECONDS)
        raise contended(self._remote)

    async def _attempt(self, opened: Connection, attempt: _Attempt[T]) -> T:
        try:
            opened.txns.put_nowait(attempt)
            return await attempt.done
        except queue.Full:
            raise unreachable(self._remote, "it has not answered to the last change yet") from None
        finally:
            attempt.abandoned = True

    async def _listen(self, heard: asyncio.Queue[State | None]) -> AsyncIterator[State]:
        try:
            await self._connected()
            while (state := await heard.get()) is not None:
                yield state
        finally:
            self._listeners.discard(heard)

    async def _connected(self) -> None:
        while not self._closed:
            try:
                await self._open()
            except ProviderError as error:
                _LOG.warning("%s", error)
                await asyncio.sleep(_CONNECT_AGAIN_SECONDS)
            else:
                return

    async def _open(self) -> Connection:
        if self._closed:
            raise unreachable(self._remote, "this connection was closed")
        if self._opening is None or (self._opening.done() and self._opening.exception() is not None):
            loop = asyncio.get_running_loop()
            self._opening = asyncio.create_task(asyncio.to_thread(self._connect, loop))
        return await asyncio.shield(self._opening)

    def _connect(self, loop: asyncio.AbstractEventLoop) -> Connection:
        def tell(state: State) -> None:
            with suppress(RuntimeError):  # the loop may be closed by now
                loop.call_soon_threadsafe(self._spread, state)

        try:
            opened = Connection(Replica.open(self._remote, self._cluster, tell), _LOAD_SECONDS)
            opened.start()
        except Exception as error:  # ovsdbapp raises no narrower one
            raise unreachable(self._remote, str(error) or type(error).__name__) from error
        if self._closed:
            _stop(opened, self._timeout)
        return opened

    def _spread(self, state: State) -> None:
        for heard in self._listeners:
            heard.put_nowait(state)


def _stop(opened: Connection, timeout: float) -> None:
    opened.txns.get_nowait()  # what was abandoned would keep the word to stop out of the queue
    opened.stop(timeout)
