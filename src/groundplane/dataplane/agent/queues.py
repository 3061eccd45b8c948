"""One task at a time for each resource, in the order of arrival; tasks of different resources do not wait for each other."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from uuid import UUID

CROWD = 3
"""How many tasks of one resource may be here at the same time, the running one included."""


class Queues:
    """A queue for each resource that a task is here for."""

    def __init__(self) -> None:
        self._last: dict[UUID, asyncio.Event] = {}
        self._here: Counter[UUID] = Counter()

    def is_crowded(self, resource_ids: AbstractSet[UUID]) -> bool:
        """Are enough tasks here for one of the resources already?"""
        return any(self._here[resource_id] >= CROWD for resource_id in resource_ids)

    @asynccontextmanager
    async def turn(self, resource_ids: AbstractSet[UUID]) -> AsyncIterator[None]:
        """Take a place in the queue of each resource at once; inside, it is the caller's turn in all of them."""
        before = {self._last[resource_id] for resource_id in resource_ids if resource_id in self._last}
        mine = asyncio.Event()
        for resource_id in resource_ids:
            self._last[resource_id] = mine
        self._here.update(resource_ids)
        try:
            for each in before:
                await each.wait()
            yield
        finally:
            mine.set()
            self._leave(resource_ids, mine)

    def _leave(self, resource_ids: AbstractSet[UUID], mine: asyncio.Event) -> None:
        for resource_id in resource_ids:
            self._here[resource_id] -= 1
            if not self._here[resource_id]:
                del self._here[resource_id]
            if self._last.get(resource_id) is mine:
                del self._last[resource_id]
