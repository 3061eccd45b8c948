"""The connection to one host's libvirt: made when it is needed, made anew when it was lost, never blocking the event loop.

libvirt's calls block, so they run in threads; its events come from one thread for the whole process. It knows nothing of
machines or volumes.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import libvirt

from groundplane.contracts.faults import ProviderError
from groundplane.dataplane.providers.libvirt.errors import UNREACHABLE, mapped
from groundplane.dataplane.providers.libvirt.turns import attended
from groundplane.dataplane.providers.provider import Context

T = TypeVar("T")
Work = Callable[[Any], T]
"""What is done with an open `libvirt.virConnect`, in a thread."""

THREADS = 16
KEEPALIVE_SECONDS, KEEPALIVE_COUNT = 5, 3
_event_thread_lock = threading.Lock()
_event_threads: list[threading.Thread] = []


def _run_events() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()


def _start_events() -> None:
    """Start libvirt's event loop, once in the process and before the first connection: libvirt asks for that."""
    with _event_thread_lock:
        if _event_threads:
            return
        libvirt.registerErrorHandler(lambda *_: None, None)  # else every handled error is printed too
        libvirt.virEventRegisterDefaultImpl()
        _event_threads.append(threading.Thread(target=_run_events, name="libvirt-events", daemon=True))
        _event_threads[0].start()


class Connection:
    """One libvirt URI.

    `opened` is called in a thread with every new `virConnect` (to register for events), `lost` in the event loop when one
    is gone.
    """

    def __init__(
        self,
        uri: str,
        *,
        opened: Callable[[Any, asyncio.AbstractEventLoop], None] = lambda *_: None,
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        self._uri = uri
        self._opened, self._lost = opened, lost
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="libvirt")
        self._connect: Any = None
        self._opening: asyncio.Task[Any] | None = None
        self._closed = False
        self.generation = 0
        """Raised with every new connection: what was learnt of the host before may be wrong after."""

    async def read(self, work: Work[T]) -> T:
        """Do `work` in a thread; libvirt's errors leave as ProviderError. A dead connection is opened anew next time."""
        connect = await self.open()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, _call, work, connect)
        except ProviderError as error:
            if error.fault.code == UNREACHABLE.code:
                self._drop(connect)
            raise

    async def change(self, context: Context, work: Work[T]) -> T:
        """Do `work` that changes the engine: only if the context allows it, and telling it that work goes on."""
        context.check()
        return await attended(context, "waiting for the host", self.read(work))

    async def open(self) -> Any:
        """Return the open connection, or open one; many callers share one attempt, which outlives an impatient one."""
        if self._closed:
            raise ProviderError(UNREACHABLE.code, "The provider is closed.", fault_class="transient")
        if self._connect is not None:
            return self._connect
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
            self._opening.add_done_callback(self._has_opened)
        return await asyncio.shield(self._opening)

    async def close(self) -> None:
        """Close for good. Calls that run in threads end by themselves."""
        self._closed = True
        if self._opening is not None:
            await asyncio.wait({self._opening})
        connect, self._connect = self._connect, None
        if connect is not None:
            await asyncio.get_running_loop().run_in_executor(self._threads, _close, connect)
        self._threads.shutdown(wait=False)

    async def _open(self) -> Any:
        loop = asyncio.get_running_loop()
        connect = await loop.run_in_executor(self._threads, self._open_blocking, loop)
        self._connect = connect
        self.generation += 1
        return connect

    def _open_blocking(self, loop: asyncio.AbstractEventLoop) -> Any:
        _start_events()
        try:
            connect = libvirt.open(self._uri)
            connect.setKeepAlive(KEEPALIVE_SECONDS, KEEPALIVE_COUNT)
            connect.registerCloseCallback(lambda gone, *_: _soon(loop, self._drop, gone), None)
            self._opened(connect, loop)
        except libvirt.libvirtError as error:
            raise mapped(error, alive=False) from error
        return connect

    def _has_opened(self, task: asyncio.Task[Any]) -> None:
        self._opening = None
        if not task.cancelled():
            task.exception()  # seen here, if every caller has gone away

    def _drop(self, connect: Any) -> None:
        if connect is self._connect and not self._closed:
            self._connect = None
            self._threads.submit(_close, connect)
            self._lost()


def _soon(loop: asyncio.AbstractEventLoop, work: Callable[..., None], *arguments: Any) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(work, *arguments)


def _call(work: Work[T], connect: Any) -> T:
    try:
        return work(connect)
    except libvirt.libvirtError as error:
        raise mapped(error, alive=_alive(connect)) from error


def _alive(connect: Any) -> bool:
    try:
        return bool(connect.isAlive() == 1)
    except libvirt.libvirtError:
        return False


def _close(connect: Any) -> None:
    try:
        connect.unregisterCloseCallback()
        connect.close()
    except libvirt.libvirtError:
        pass  # it was dead
