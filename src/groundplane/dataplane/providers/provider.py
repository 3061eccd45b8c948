"""What every provider is: told what should be (ensure, remove), says what is (observe, events). Holds no truth of its own.

The laws, held by the conformance suite:
- `ensure` and `remove` are idempotent; killed halfway, the next call finishes the work.
- The engine itself remembers the highest fence of each resource. A call with a lower fence raises `stale_fence`
  and changes nothing; an equal one is carried out again. `remove` leaves a tombstone with its fence, so that a late
  `ensure` with a lower fence stays without effect; an `ensure` with a higher fence makes the resource anew.
- Tombstones older than `TOMBSTONE_SECONDS` may be forgotten, since no task lives that long.
- Before each change in the engine, `Context.check()` is called: it raises when the lease is lost, or the task is too old
  or stopped. A call to the engine that has begun is not interrupted; a provider that waits for something asks `check` now
  and then, so that it does not wait for nothing.
- Every engine error leaves as `ProviderError`, mapped in one table per provider.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol
from uuid import UUID

from groundplane.contracts.reports import State
from groundplane.contracts.specs import ImageSource

TOMBSTONE_SECONDS = 86_400


class Context(Protocol):
    """What a call is allowed to do and whom it tells."""

    def check(self) -> None:
        """Raise ProviderError unless the engine may still be touched. May be called from any thread, and costs nothing.

        `lease_lost` and `too_late` are transient; `stopped` is permanent: the task's job is being cancelled.
        """

    def progress(self, text: str) -> None:
        """Say that the work goes on; moves the idle deadline of the step."""


class Channel(Protocol):
    """The agent's own way to the control plane for bytes and secrets."""

    def image(self, source: ImageSource) -> AsyncIterator[bytes]:
        """The image's bytes, in pieces. The caller checks size and digest."""

    async def secret(self, secret_id: UUID) -> bytes:
        """A secret's plain bytes; never kept, never logged."""


class Observer(Protocol):
    """The part of a provider that says what is."""

    async def observe(self) -> Sequence[State]:
        """Everything of the provider's kinds that the engine holds (tombstones left out)."""

    def events(self) -> AsyncIterator[State]:
        """Changes as the engine tells them, until closed; `present` is False for what vanished. Survives reconnects."""

    async def close(self) -> None:
        """Let go of connections; running work in the engine stays as it is."""
