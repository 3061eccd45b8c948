"""Tells every subscriber what the engine's event table gained, whichever process wrote it. One poll for all hosts."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator

from groundplane.contracts.reports import State
from groundplane.contracts.specs import SpecKind

POLL_SECONDS = 0.1


class Subscription:
    """The events of one scope and some kinds, queued until they are read."""

    def __init__(self, feed: "Feed", scope: str, kinds: tuple[SpecKind, ...]) -> None:
        self.scope = scope
        self._kinds = kinds
        self._feed = feed
        self._queue: asyncio.Queue[State | None] = asyncio.Queue()

    def offer(self, state: State) -> None:
        """Queue the state, if it is of the kinds asked for."""
        if state.kind in self._kinds:
            self._queue.put_nowait(state)

    def close(self) -> None:
        """End the iteration after what is queued."""
        self._feed.leave(self)
        self._queue.put_nowait(None)

    async def states(self) -> AsyncGenerator[State, None]:
        """The states told from the subscription's beginning to its end."""
        while (state := await self._queue.get()) is not None:
            yield state


class Feed:
    """Polls the event table while anybody listens."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._subscriptions: dict[str, list[Subscription]] = {}
        self._sequence = 0
        self._polling: asyncio.Task[None] | None = None

    def subscribe(self, scope: str, kinds: tuple[SpecKind, ...]) -> Subscription:
        """Listen from now on; needs a running loop."""
        if self._polling is None or self._polling.done():
            self._sequence = self._last()
            self._polling = asyncio.get_running_loop().create_task(self._poll())
        subscription = Subscription(self, scope, kinds)
        self._subscriptions.setdefault(scope, []).append(subscription)
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """Tell this one nothing more."""
        listeners = self._subscriptions.get(subscription.scope, [])
        if subscription in listeners:
            listeners.remove(subscription)
        if not listeners:
            self._subscriptions.pop(subscription.scope, None)
        if not self._subscriptions:
            self._stop()

    def close(self) -> None:
        """End all subscriptions."""
        for listeners in list(self._subscriptions.values()):
            for subscription in list(listeners):
                subscription.close()
        self._stop()

    def _stop(self) -> None:
        if self._polling is not None:
            self._polling.cancel()
            self._polling = None

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            rows = self._database.execute(
                "SELECT sequence, scope, state FROM event WHERE sequence > ? ORDER BY sequence", (self._sequence,)
            ).fetchall()
            for row in rows:
                self._sequence = row["sequence"]
                for subscription in self._subscriptions.get(row["scope"], []):
                    subscription.offer(State.model_validate_json(row["state"]))

    def _last(self) -> int:
        row = self._database.execute("SELECT coalesce(max(sequence), 0) FROM event").fetchone()
        return int(row[0])


class Listeners:
    """A view's own part of the feed: what its `events` hands out and its `close` ends."""

    def __init__(self, feed: Feed, scope: str, kinds: tuple[SpecKind, ...]) -> None:
        self._feed = feed
        self._scope = scope
        self._kinds = kinds
        self._open: set[Subscription] = set()

    async def events(self) -> AsyncGenerator[State, None]:
        """The changes from the first step of the iteration until it is left, or until `close`."""
        subscription = self._feed.subscribe(self._scope, self._kinds)
        self._open.add(subscription)
        try:
            async for state in subscription.states():
                yield state
        finally:
            self._open.discard(subscription)
            subscription.close()

    def close(self) -> None:
        """End all iterations."""
        for subscription in list(self._open):
            subscription.close()
