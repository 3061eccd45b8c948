"""libvirt's domain events, carried from libvirt's own thread into the event loop: to whoever listens, to whoever waits.

It asks the host nothing; an event only says that it is worth a look.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import libvirt

from groundplane.contracts.reports import State

STOPPED_BY = {
    libvirt.VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN: "guest",
    libvirt.VIR_DOMAIN_EVENT_STOPPED_CRASHED: "crash",
    libvirt.VIR_DOMAIN_EVENT_STOPPED_FAILED: "crash",
}
"""Whatever else stopped a machine came from the host."""


@dataclass(frozen=True)
class Happening:
    """Something happened to a machine. `stopped_by` is set if it stopped."""

    vm_id: UUID
    what: Literal["stopped", "rebooted", "other"]
    stopped_by: str = ""


@dataclass(frozen=True)
class Missed:
    """Events may have been missed: everything is worth a look."""


@dataclass(frozen=True)
class Over:
    """No more events will come."""


News = Happening | Missed | Over


class Watch:
    """Spreads the news of one host."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[News]] = set()
        self._waiting: defaultdict[tuple[UUID, str], set[asyncio.Event]] = defaultdict(set)

    def register(self, connect: Any, loop: asyncio.AbstractEventLoop) -> None:
        """Listen to a new connection. Called in a thread."""

        def tell(happening: Happening) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self.spread, happening)

        def on_lifecycle(_: Any, domain: Any, event: int, detail: int, __: Any) -> None:
            stopped = event == libvirt.VIR_DOMAIN_EVENT_STOPPED
            by = STOPPED_BY.get(detail, "host") if stopped else ""
            tell(Happening(UUID(bytes=domain.UUID()), "stopped" if stopped else "other", by))

        def on_reboot(_: Any, domain: Any, __: Any) -> None:
            tell(Happening(UUID(bytes=domain.UUID()), "rebooted"))

        connect.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, on_lifecycle, None)
        connect.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_REBOOT, on_reboot, None)

    def missed(self) -> None:
        """Say that a connection was lost."""
        self.spread(Missed())

    def spread(self, news: News) -> None:
        """Give news to all listeners, and wake who waits for it."""
        for listener in self._listeners:
            listener.put_nowait(news)
        if isinstance(news, Happening):
            for waiter in self._waiting.get((news.vm_id, news.what), ()):
                waiter.set()

    def listen(self) -> asyncio.Queue[News]:
        """Get all news from now on, until `ignore`."""
        listener: asyncio.Queue[News] = asyncio.Queue()
        self._listeners.add(listener)
        return listener

    def ignore(self, listener: asyncio.Queue[News]) -> None:
        """Give no more news to a listener."""
        self._listeners.discard(listener)

    @contextmanager
    def expecting(self, vm_id: UUID, what: Literal["stopped", "rebooted"]) -> Iterator[asyncio.Event]:
        """Get an event that is set when this happens to the machine from now on."""
        waiter = asyncio.Event()
        self._waiting[vm_id, what].add(waiter)
        try:
            yield waiter
        finally:
            self._waiting[vm_id, what].discard(waiter)
            if not self._waiting[vm_id, what]:
                del self._waiting[vm_id, what]


class Told:
    """What one listener knows of the machines, so that it is told changes and nothing twice."""

    def __init__(self) -> None:
        self._known: dict[UUID, State] = {}
        self._said: set[UUID] = set()
        self._last_gone: UUID | None = None

    def begin(self, states: Sequence[State]) -> None:
        """Know what is there from the beginning, without a word."""
        self._known = {state.id: state for state in states}

    def news(self, state: State) -> bool:
        """Take note of a state; say whether it is worth telling."""
        said = state.id in self._said and self._known.get(state.id) == state
        said_gone = state.id == self._last_gone  # a machine that vanishes while it runs does so in two events
        self._note(state)
        return not (said if state.present else said_gone)

    def changes(self, states: Sequence[State]) -> list[State]:
        """Compare with a full look: return what differs, vanished ones too."""
        seen = {state.id for state in states}
        gone = [State(kind="vm", id=known, present=False) for known in self._known if known not in seen]
        different = [state for state in states if self._known.get(state.id) != state]
        for state in (*gone, *different):
            self._note(state)
        return [*gone, *different]

    def _note(self, state: State) -> None:
        if state.present:
            self._last_gone = None if self._last_gone == state.id else self._last_gone
            self._known[state.id] = state
            self._said.add(state.id)
        else:
            self._last_gone = state.id
            self._known.pop(state.id, None)
            self._said.discard(state.id)
