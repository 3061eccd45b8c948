"""Tells what the engines hold: everything when the control plane asks, and each change as an engine tells it.

A message that does not get through is not sent again, since the next look finds what it missed.
"""

import asyncio
import random
import traceback
from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from uuid import UUID, uuid4

import nats.errors
import structlog
from nats.aio.msg import Msg
from pydantic import ValidationError

from groundplane.contracts.faults import ProviderError
from groundplane.contracts.reports import InventoryChunk, Sighting, State
from groundplane.contracts.specs import SpecKind
from groundplane.contracts.tasks import Look, Scope, look_subject
from groundplane.dataplane.agent.drivers import Drivers
from groundplane.dataplane.agent.identity import AgentIdentity
from groundplane.dataplane.agent.leases import Lease
from groundplane.dataplane.agent.reporter import Reporter
from groundplane.dataplane.providers.provider import Observer
from groundplane.kernel.bus import Bus
from groundplane.kernel.ending import ending

log = structlog.get_logger()

CHUNK = 500
SCOPES_AT_ONCE = 16
SIGHTINGS_AT_ONCE = 64
OBSERVE_SECONDS = 60.0
RECONNECT_SECONDS = 1.0

Provided = tuple[tuple[SpecKind, ...], Observer]


class Inventory:
    """Answers looks and passes on events, as long as the lease is held."""

    def __init__(self, bus: Bus, identity: AgentIdentity, *, drivers: Drivers, lease: Lease, reporter: Reporter) -> None:
        self._bus = bus
        self._cluster_id = identity.cluster_id
        self._clock = identity.clock
        self._drivers = drivers
        self._lease = lease
        self._reporter = reporter
        self._asked = asyncio.Event()
        self._look: Look | None = None
        self._sayings = asyncio.Semaphore(SIGHTINGS_AT_ONCE)

    async def answer_looks(self) -> None:
        """Answer looks, one at a time; of several that wait, only the newest. Until cancelled."""
        subscription = await self._bus.nats.subscribe(look_subject(self._cluster_id), cb=self._note)
        try:
            while not ending():
                await self._asked.wait()
                self._asked.clear()
                if self._look is not None and self._lease.held():
                    await self._answer(self._look)
        finally:
            with suppress(nats.errors.Error):
                await subscription.unsubscribe()

    async def pass_on_events(self) -> None:
        """Listen to all providers, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for scope, _kinds, observer in self._drivers.observers():
                group.create_task(self._listen(scope, observer, group))

    async def _note(self, message: Msg) -> None:
        try:
            self._look = Look.model_validate_json(message.data)
        except ValidationError:
            log.warning("look.unreadable")
            return
        self._asked.set()

    async def _answer(self, look: Look) -> None:
        look_id = uuid4()
        scopes: defaultdict[Scope, list[Provided]] = defaultdict(list)
        for scope, kinds, observer in self._drivers.observers():
            scopes[scope].append((kinds, observer))
        slots = asyncio.Semaphore(SCOPES_AT_ONCE)

        async def tell(scope: Scope, provided: list[Provided]) -> None:
            async with slots:
                await self._tell_scope(look, look_id, scope, provided)

        async with asyncio.TaskGroup() as group:
            for scope, provided in scopes.items():
                group.create_task(tell(scope, provided))

    async def _tell_scope(self, look: Look, look_id: UUID, scope: Scope, provided: list[Provided]) -> None:
        kinds: list[SpecKind] = []
        states: list[State] = []
        for some_kinds, observer in provided:
            seen = await _observe(scope, observer)
            if seen is not None:
                kinds.extend(some_kinds)
                states.extend(seen)
        if not kinds or not self._lease.held():
            return
        chunks = [states[start : start + CHUNK] for start in range(0, len(states), CHUNK)] or [[]]
        for number, chunk in enumerate(chunks):
            message = InventoryChunk(
                cluster_id=self._cluster_id,
                scope=scope,
                look_id=look_id,
                asked_at=look.asked_at,
                kinds=tuple(kinds),
                number=number,
                total=len(chunks),
                states=tuple(chunk),
            )
            await self._say(message, f"look:{look_id}:{scope}:{number}")

    async def _listen(self, scope: Scope, observer: Observer, group: asyncio.TaskGroup) -> None:
        """Pass on in the order of the events, but do not wait for one to be stored before the next is sent."""
        while not ending():
            events = observer.events()
            try:
                async for state in events:
                    sighting = Sighting(cluster_id=self._cluster_id, scope=scope, at=self._clock(), state=state)
                    await self._sayings.acquire()
                    saying = group.create_task(self._say(sighting, f"sighting:{uuid4()}"))
                    saying.add_done_callback(lambda _saying: self._sayings.release())
                    if ending():
                        return
            except Exception:  # an engine's event stream may break in any way; it is taken up again
                log.error("events.broken", scope=scope, error=traceback.format_exc())  # noqa: TRY400 - no locals
            finally:
                if isinstance(events, AsyncGenerator):
                    await events.aclose()
            await asyncio.sleep(RECONNECT_SECONDS * (1 + random.random()))  # noqa: S311 - only spreads the load

    async def _say(self, message: InventoryChunk | Sighting, message_id: str) -> None:
        if not self._lease.held():
            return
        try:
            await self._reporter.say(message, message_id)
        except (nats.errors.Error, TimeoutError) as error:
            log.warning("inventory.not_sent", type=message.type, error=repr(error))


async def _observe(scope: Scope, observer: Observer) -> Sequence[State] | None:
    """What the provider sees; None when it cannot see, which is not the same as nothing."""
    try:
        return await asyncio.wait_for(observer.observe(), OBSERVE_SECONDS)
    except (ProviderError, TimeoutError) as error:
        log.warning("observe.failed", scope=scope, error=repr(error))
    except Exception:  # one scope's trouble must not blind the others
        log.error("observe.failed", scope=scope, error=traceback.format_exc())  # noqa: TRY400 - no locals
    return None
