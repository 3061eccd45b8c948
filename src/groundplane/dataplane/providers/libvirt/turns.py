"""Waiting without being taken for dead: every second of a wait is told to the context.

Also one task at a time per resource, within this process; between agents the lease sees to that.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Hashable
from contextlib import asynccontextmanager
from typing import TypeVar
from weakref import WeakValueDictionary

from groundplane.dataplane.providers.provider import Context

T = TypeVar("T")
TELL_SECONDS = 1.0


async def attended(context: Context, text: str, work: Awaitable[T]) -> T:
    """Await `work`, and call `context.progress(text)` every second until it ends."""
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=TELL_SECONDS))[0]:
            context.progress(text)
    finally:
        if not task.done():
            task.cancel()
    return task.result()


class Turns:
    """A lock per key, kept only as long as somebody wants it."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    def taken(self, *key: Hashable) -> bool:
        """Say whether somebody holds the key's lock."""
        return key in self._locks and self._locks[key].locked()

    @asynccontextmanager
    async def of(self, context: Context, *key: Hashable) -> AsyncIterator[None]:
        """Hold the key's lock."""
        lock = self._locks.setdefault(key, asyncio.Lock())
        acquiring = asyncio.ensure_future(lock.acquire())
        try:
            await attended(context, "waiting for another task on the same resource", acquiring)
            yield
        finally:
            if acquiring.done() and not acquiring.cancelled():
                lock.release()
