"""Whose turn it is, and who is one too many.

One task at a time for each resource, in the order of arrival; tasks of different resources do not wait for each other. So
many tasks for each provider, so that one whose engine stands still does not fill the agent.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from groundplane.contracts.tasks import NETWORK_SCOPE, Scope

CROWD = 3
"""How many tasks of one resource may be here at the same time, the running one included."""


@dataclass(eq=False, slots=True)
class Place:
    """A task's place in the queue of each of its resources. `awake` is set when it is its turn, or when it need not wait."""

    resource_ids: AbstractSet[UUID]
    awake: asyncio.Event = field(default_factory=asyncio.Event)


class Queues:
    """A queue for each resource that a task is here for. The first in it is at work, once it is the first in all of its."""

    def __init__(self) -> None:
        self._queues: dict[UUID, deque[Place]] = {}

    def is_crowded(self, resource_ids: AbstractSet[UUID]) -> bool:
        """Are enough tasks here for one of the resources already?"""
        return any(len(self._queues.get(resource_id, ())) >= CROWD for resource_id in resource_ids)

    @contextmanager
    def place(self, resource_ids: AbstractSet[UUID]) -> Iterator[Place]:
        """Take a place in all the queues at once, and leave them at the end, whether it was one's turn by then or not."""
        place = Place(resource_ids)
        for resource_id in resource_ids:
            self._queues.setdefault(resource_id, deque()).append(place)
        self._call(place)
        try:
            yield place
        finally:
            self._leave(place)

    def _leave(self, place: Place) -> None:
        for resource_id in place.resource_ids:
            queue = self._queues[resource_id]
            queue.remove(place)
            if queue:
                self._call(queue[0])
            else:
                del self._queues[resource_id]

    def _call(self, place: Place) -> None:
        if all(self._queues[resource_id][0] is place for resource_id in place.resource_ids):
            place.awake.set()


class Shares:
    """How many tasks are here for each provider whose engine has not ended them: those of a host are one, the network one."""

    def __init__(self, *, per_host: int, of_network: int) -> None:
        self._per_host = per_host
        self._of_network = of_network
        self._here: Counter[Scope] = Counter()

    def are_taken(self, scopes: AbstractSet[Scope]) -> bool:
        """Has one of the providers as many tasks as it may have?"""
        return any(self._here[scope] >= self._limit(scope) for scope in scopes)

    @contextmanager
    def share(self, scopes: AbstractSet[Scope]) -> Iterator[None]:
        """Count as one more of each."""
        self._here.update(scopes)
        try:
            yield
        finally:
            self._here.subtract(scopes)

    def _limit(self, scope: Scope) -> int:
        return self._of_network if scope == NETWORK_SCOPE else self._per_host
