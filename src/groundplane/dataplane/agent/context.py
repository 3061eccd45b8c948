"""What a running task may do, and how it says that it goes on."""

import asyncio
from datetime import datetime

import structlog

from groundplane.contracts.faults import transient
from groundplane.dataplane.agent.leases import Lease
from groundplane.kernel.clock import Clock

log = structlog.get_logger()


class TaskContext:
    """A provider's Context: the agent's lease and the task's last moment. Its methods may be called from any thread."""

    def __init__(self, lease: Lease, not_after: datetime, clock: Clock) -> None:
        self._lease = lease
        self._not_after = not_after
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self.moved = asyncio.Event()

    def check(self) -> None:
        """See Context."""
        self._lease.check()
        if self._clock() > self._not_after:
            raise transient("too_late", "The task's last moment has passed; it was not carried out.")

    def progress(self, text: str) -> None:
        """See Context."""
        log.debug("task.progress", text=text)
        self._loop.call_soon_threadsafe(self.moved.set)
