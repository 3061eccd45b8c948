"""The right to touch engines: one lease for all that the agents of a lease group serve, so that one of them works at a time.

The lease is an entry `<cluster>.<group>` of a NATS key-value bucket that forgets entries not written for its TTL. The
holder writes it anew well before that, by revision; others take it when it is gone, or when its holder is a process that
is dead beside them. One entry for a group, not one for each host: a thousand hosts would be a thousand writes every few
seconds. `up` has one group for the whole cluster; larger clusters are cut into groups of hosts.

`check` never asks the bus: a lease counts as held until a moment that lies before the server's own, by the monotonic clock
from before the write was sent. A lease is a convenience that keeps two agents apart; what makes a second one harmless is
the fence in the engine.
"""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import nats.errors
import psutil
import structlog
from nats.js.client import JetStreamContext
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue
from pydantic import BaseModel, ValidationError

from groundplane.contracts.faults import transient
from groundplane.contracts.rights import LEASES_PREFIX, LEASES_STREAM
from groundplane.contracts.tasks import LEASES_BUCKET
from groundplane.dataplane.agent.identity import AgentIdentity
from groundplane.kernel.ending import ending

log = structlog.get_logger()

RENEW_SHARE = 0.3
"""Of the bucket's TTL: the time between two renewals (3 s of 10 s)."""
MARGIN_SHARE = 0.2
"""Of the bucket's TTL: how long before the server's moment a lease counts as lost here."""
RETRY_SECONDS = 0.5
CALL_SECONDS = 2.0


class Holder(BaseModel):
    """Who holds a lease: a process of an agent, told exactly enough to know from beside it whether it still lives."""

    agent_id: str
    process: str
    place: str
    pid: int
    started_at: float

    def is_dead(self) -> bool:
        """Is it certain that this process is gone? Only known of the same boot and process namespace."""
        if self.place != _place():
            return False
        try:
            return psutil.Process(self.pid).create_time() != self.started_at
        except psutil.NoSuchProcess:
            return True
        except psutil.Error:
            return False


def _place() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"


class Lease:
    """The lease of a group. `run` takes and keeps it; `gained` and `lost` follow it, `check` guards each engine call."""

    def __init__(self, js: JetStreamContext, identity: AgentIdentity, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._key = f"{identity.cluster_id}.{identity.lease_group}"
        self._clock = clock
        self._me = Holder(
            agent_id=str(identity.agent_id),
            process=uuid4().hex,
            place=_place(),
            pid=os.getpid(),
            started_at=psutil.Process().create_time(),
        )
        self._value = self._me.model_dump_json().encode()
        # Made here, not asked for: an agent may read and write its cluster's keys, not look at the bucket.
        self._bucket = KeyValue(LEASES_BUCKET, LEASES_STREAM, LEASES_PREFIX, js, direct=True)
        self._ttl = identity.lease_seconds
        self._revision = 0
        self._held_until = 0.0
        self._gained = asyncio.Event()
        self._lost = asyncio.Event()

    def held(self) -> bool:
        """May engines be touched now?"""
        return self._clock() < self._held_until

    def check(self) -> None:
        """Raise `lease_lost` (transient) unless engines may be touched now."""
        if not self.held():
            raise transient("lease_lost", "This agent's lease ran out, so another one may be at work.")

    async def gained(self) -> None:
        """Wait until the lease is held."""
        await self._gained.wait()

    async def lost(self) -> None:
        """Wait until the lease that was gained is lost."""
        await self._lost.wait()

    async def run(self) -> None:
        """Take the lease whenever it is free and keep it, until cancelled."""
        while not ending():
            taken = await self._try_take()
            if not taken:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            log.info("lease.gained", key=self._key, revision=self._revision)
            self._lost.clear()
            self._gained.set()
            await self._keep()
            if not ending():
                self._forget()
                log.warning("lease.lost", key=self._key)

    async def release(self) -> None:
        """Give the lease back, so that another agent can take it at once. Call it after `run` was cancelled."""
        revision, held = self._revision, self.held()
        self._forget()
        if held:
            try:
                await asyncio.wait_for(self._bucket.delete(self._key, last=revision), CALL_SECONDS)
            except (nats.errors.Error, TimeoutError) as error:
                log.warning("lease.not_released", error=repr(error))  # it runs out by itself

    def _forget(self) -> None:
        self._held_until = 0.0
        self._gained.clear()
        self._lost.set()

    async def _try_take(self) -> bool:
        try:
            return await asyncio.wait_for(self._take(), CALL_SECONDS)
        except KeyWrongLastSequenceError:
            return False  # another agent was faster
        except (nats.errors.Error, TimeoutError) as error:
            log.debug("lease.not_taken", error=repr(error))
            return False

    async def _take(self) -> bool:
        asked_at = self._clock()
        entry = await self._entry()
        if entry is None:
            self._hold(await self._bucket.create(self._key, self._value), asked_at)
            return True
        if not self._is_free(entry.value or b""):
            return False
        self._hold(await self._bucket.update(self._key, self._value, last=entry.revision), asked_at)
        return True

    def _is_free(self, value: bytes) -> bool:
        try:
            holder = Holder.model_validate_json(value)
        except ValidationError:
            return False  # from a newer release; it runs out by itself
        return holder.process == self._me.process or holder.is_dead()

    async def _keep(self) -> None:
        pause = self._ttl * RENEW_SHARE
        while self.held() and not ending():
            await asyncio.sleep(min(pause, max(0.0, self._held_until - self._clock())))
            renewed = self.held() and await self._try_renew()
            pause = self._ttl * RENEW_SHARE if renewed else RETRY_SECONDS

    async def _try_renew(self) -> bool:
        asked_at = self._clock()
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await self._renew(asked_at)
        except (nats.errors.Error, TimeoutError) as error:
            log.warning("lease.not_renewed", error=repr(error))
            return False
        return True

    async def _renew(self, asked_at: float) -> None:
        try:
            self._hold(await self._bucket.update(self._key, self._value, last=self._revision), asked_at)
        except KeyWrongLastSequenceError:
            # Either a write of ours got through whose answer was lost, or the lease is another's.
            entry = await self._entry()
            if entry is None or entry.value != self._value:
                self._held_until = 0.0
                return
            self._hold(await self._bucket.update(self._key, self._value, last=entry.revision), asked_at)

    async def _entry(self) -> KeyValue.Entry | None:
        try:
            return await self._bucket.get(self._key)
        except KeyNotFoundError:
            return None

    def _hold(self, revision: int, asked_at: float) -> None:
        self._revision = revision
        self._held_until = asked_at + self._ttl * (1 - MARGIN_SHARE)
