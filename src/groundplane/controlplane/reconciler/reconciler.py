"""The reconciler as the worker runs it: takes in what the data plane says, and its own loops. One round never ends the rest."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from groundplane.contracts.reports import Heartbeat, InventoryChunk, Sighting
from groundplane.controlplane.reconciler import failures, heartbeats, incidents, inventory, sightings
from groundplane.controlplane.reconciler.correction import AT_ONCE, correct
from groundplane.controlplane.reconciler.looks import ask_for_looks
from groundplane.controlplane.resources.kind import Kind
from groundplane.controlplane.resources.manager import ResourceManager
from groundplane.kernel.bus import Bus
from groundplane.kernel.database import Database, Tx

log = structlog.get_logger()

CORRECT_SECONDS = 0.5
INCIDENT_SECONDS = 2.0
SWEEP_SECONDS = 60.0

Round = Callable[[], Awaitable[object]]


@dataclass(frozen=True)
class Reconciler:
    """Compares what should be with what is. `kinds` by name; corrections are `manager`'s ordinary jobs."""

    kinds: Mapping[str, Kind]
    manager: ResourceManager
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def observe(self, tx: Tx, messages: Sequence[Sighting | InventoryChunk | Heartbeat]) -> None:
        """Take in what the data plane says of itself; raises nothing that another try would not mend."""
        states = self.manager.states
        seen = [message for message in messages if isinstance(message, Sighting)]
        news = await sightings.apply(tx, self.kinds, states, seen) if seen else False
        for message in messages:
            if isinstance(message, Heartbeat):
                await heartbeats.apply(tx, message)
            elif isinstance(message, InventoryChunk) and await inventory.stage(tx, message):
                await tx.over_many()
                news |= await inventory.compare(tx, self.kinds, states, message)
        if news:
            tx.after_commit.append(self._tell)

    async def run(self, database: Database, bus: Bus, *, look_seconds: float) -> None:
        """The reconciler's loops, until cancelled. Any number of workers may run them."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.correct_for_ever(database))
            group.create_task(_for_ever("incidents", INCIDENT_SECONDS, lambda: self.refresh_incidents(database)))
            group.create_task(_for_ever("looks", look_seconds, lambda: ask_for_looks(bus, database)))
            group.create_task(_for_ever("failures", look_seconds, lambda: self.record_failures(database)))
            group.create_task(_for_ever("chunks", SWEEP_SECONDS, lambda: self.forget_incomplete(database)))

    async def correct_for_ever(self, database: Database) -> None:
        """Corrections on a short period, and at once when there is news."""

        async def correct_all() -> None:
            while await self.correct(database) >= AT_ONCE:
                pass

        await _for_ever("correct", CORRECT_SECONDS, correct_all, wake=self._news)

    async def correct(self, database: Database) -> int:
        """One round of corrections."""
        async with database.transaction() as tx:
            await tx.over_many()
            return await correct(tx, self.manager)

    async def refresh_incidents(self, database: Database) -> None:
        """One round of incidents."""
        async with database.transaction() as tx:
            await tx.over_many()
            await incidents.refresh(tx)

    async def record_failures(self, database: Database) -> None:
        """One round of finding failed jobs that no look tells of."""
        async with database.transaction() as tx:
            await tx.over_many()
            await failures.record(tx, self.kinds)

    async def forget_incomplete(self, database: Database) -> None:
        """One round of throwing away inventories that never became whole."""
        async with database.transaction() as tx:
            await inventory.forget_incomplete(tx)

    async def _tell(self) -> None:
        self._news.set()


async def _for_ever(name: str, seconds: float, work: Round, *, wake: asyncio.Event | None = None) -> None:
    """Do the work every `seconds`, or as soon as `wake` is set. What one round raises is logged; the next may do better."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("reconciler.round_failed", round=name)
        if wake is None:
            await asyncio.sleep(seconds)
        else:
            await _woken(wake, seconds)


async def _woken(wake: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await wake.wait()
    except TimeoutError:
        return
    wake.clear()
