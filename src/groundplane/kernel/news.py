"""Tells other processes over the bus that there is something new, and not what. Whoever hears nothing finds it by looking."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import nats.errors
import structlog

from groundplane.kernel.bus import Bus

log = structlog.get_logger()

CHANGED_SUBJECT = "gp.changed"
GATHER_SECONDS = 0.01


class Announcer:
    """Says that something has changed, at most once in GATHER_SECONDS, however often it is called."""

    def __init__(self, bus: Bus, subject: str = CHANGED_SUBJECT) -> None:
        self._bus = bus
        self._subject = subject
        self._gathering: asyncio.TimerHandle | None = None
        self._saying: asyncio.Task[None] | None = None

    def __call__(self) -> None:
        """There is something new. Never waits, never raises."""
        if self._gathering is None:
            self._gathering = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._gathered)

    def _gathered(self) -> None:
        self._gathering = None
        self._saying = asyncio.create_task(self._say())

    async def _say(self) -> None:
        if not self._bus.nats.is_connected:
            return  # the client would keep it, and with it what matters would find no room
        with contextlib.suppress(nats.errors.Error):
            await self._bus.nats.publish(self._subject, b"")


@asynccontextmanager
async def heard(bus: Bus, wake: asyncio.Event, subject: str = CHANGED_SUBJECT) -> AsyncIterator[None]:
    """Inside, `wake` is set whenever somebody says that there is something new. A bus that is gone wakes nobody."""

    async def note(_message: object) -> None:
        wake.set()

    try:
        subscription = await bus.nats.subscribe(subject, cb=note)
    except nats.errors.Error as error:
        log.warning("news.not_heard", error=repr(error))
        yield
        return
    try:
        yield
    finally:
        with contextlib.suppress(nats.errors.Error):
            await subscription.unsubscribe()
