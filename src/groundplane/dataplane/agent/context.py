"""What a running task may do, and how it says that it goes on."""

from datetime import datetime

import structlog

from groundplane.contracts.faults import permanent, transient
from groundplane.dataplane.agent.leases import Lease
from groundplane.kernel.clock import Clock

log = structlog.get_logger()


class TaskContext:
    """A provider's Context: the agent's lease, the task's last moment, and whether it was stopped.

    Its methods may be called from any thread. `moved` is set by progress and taken back by who tells of it.
    """

    def __init__(self, lease: Lease, not_after: datetime, clock: Clock) -> None:
        self._lease = lease
        self._not_after = not_after
        self._clock = clock
        self._stopped = False
        self.moved = False

    def stop(self) -> None:
        """Let the engine not be touched any more."""
        self._stopped = True

    def check(self) -> None:
        """See Context."""
        self._lease.check()
        if self._stopped:
            raise permanent("stopped", "The task was stopped, since its job is being cancelled.")
        if self._clock() > self._not_after:
            raise transient("too_late", "The task's last moment has passed; it was not carried out.")

    def progress(self, text: str) -> None:
        """See Context."""
        log.debug("task.progress", text=text)
        self.moved = True
