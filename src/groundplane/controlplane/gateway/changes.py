"""The change stream of one api process: one reader of the journal, however many streams are open, and a queue for each.

It reads while somebody listens: at once when the bus says that there is something new, and on a short period, since what is
said may be lost. It also ends the streams of those who may not listen any more.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

import structlog
from pydantic_core import to_json

from groundplane.controlplane.gateway.limits import RateLimitedError
from groundplane.controlplane.gateway.people import People
from groundplane.controlplane.gateway.views import JOB_PREFIX, public
from groundplane.controlplane.identity import Actor, Credential, Place, Revocations, Standing, standings_of
from groundplane.controlplane.resources import journal
from groundplane.controlplane.resources.journal import Position
from groundplane.controlplane.resources.kind import Kind
from groundplane.controlplane.resources.organization import ORGANIZATION
from groundplane.controlplane.resources.project import PROJECT
from groundplane.kernel.bus import Bus
from groundplane.kernel.database import Database, RetryableDatabaseError, Row
from groundplane.kernel.errors import UnavailableError
from groundplane.kernel.news import heard

log = structlog.get_logger()

LISTEN = "resources.event.list"
READ_JOBS = "jobs.job.read"

POLL_SECONDS = 0.2
TICK_SECONDS = 0.5
"""How often it is looked whether a stream's credential is still good."""
DECIDE_SECONDS = 3.0
"""How often it is decided anew whether those who listen may."""
BEAT_SECONDS = 15.0
"""After how much silence a stream is told that it lives, and how far it is."""
JOIN_SECONDS = 10.0
PAGE = 500
CATCH_UPS = 4
MOST_WAITING = 10_000
"""How many events wait for a slow reader, until it is told to begin anew. A request for a thousand machines makes 6,000."""
MOST_OF_ONE = 20
MOST_OF_ALL = 2_000

Over = Literal["the session was ended", "the token expired", "the permission was lost", "the server ends", "too slow"]


class TooManyStreamsError(RateLimitedError):
    """You have as many event streams open as one may have. Close one, or share one stream among what listens to it."""

    code = "too_many_streams"

    def __init__(self) -> None:
        super().__init__(context={"limit": "streams", "most": MOST_OF_ONE})


class Event(NamedTuple):
    """A change as it is told; `name` is what the stream calls it, `body` None for a sign of life."""

    at: Position
    name: str
    body: dict[str, Any] | None

    def text(self) -> bytes:
        """As the stream has it (WHATWG HTML, 9.2 Server-sent events)."""
        cursor = cursor_text(self.at).encode()
        if self.body is None:
            return b"id: " + cursor + b"\n: still here\n\n"
        return b"id: " + cursor + b"\nevent: " + self.name.encode() + b"\ndata: " + to_json(self.body) + b"\n\n"


def cursor_text(position: Position) -> str:
    """The position as clients keep it."""
    return f"{position.transaction:x}-{position.sequence:x}"


def visible_kinds(standing: Standing, actor: Actor, kinds: Mapping[str, Kind]) -> frozenset[str]:
    """The kinds whose changes the actor may hear of there, `job` for jobs; none without the permission to listen."""
    wanted = {kind.permission("read"): kind.name for kind in kinds.values()} | {READ_JOBS: "job", LISTEN: ""}
    held = standing.permissions(actor, wanted)
    return frozenset(wanted[each] for each in held) if LISTEN in held else frozenset()


def event_of(kinds: Mapping[str, Kind], people: People, row: Row) -> Event | None:
    """A row of the journal as it is told; None for a kind that there is no more."""
    shared = {
        "entity": row["entity"],
        "at": row["at"],
        "organization_id": public(ORGANIZATION.prefix, row["organization_id"]),
        "project_id": public(PROJECT.prefix, row["project_id"]),
    }
    kind = kinds.get(row["kind"] if row["entity"] == "resource" else row["resource_kind"])
    if row["entity"] == "resource" and kind is not None:
        body = shared | {
            "id": kind.public_id(row["id"]),
            "kind": kind.name,
            "name": row["name"],
            "status": row["status"],
            "revision": row["revision"],
            "job_id": public(JOB_PREFIX, row["job_id"]),
            "changed_by": people.id(row["changed_by"]),
            "deleted": row["deleted"],
        }
    elif row["entity"] == "job":
        body = shared | {
            "id": public(JOB_PREFIX, row["id"]),
            "kind": "job",
            "workflow": row["kind"],
            "state": row["state"],
            "step": row["step"],
            "resource_id": kind.public_id(row["resource_id"]) if kind else None,
            "revision": row["sequence"],
        }
    else:
        return None
    return Event(Position.of(row), row["entity"], body)


@dataclass(eq=False)
class Stream:
    """What waits for one listener. `ending` tells whether the server ends; `after` is what the listener has seen already."""

    actor: Actor
    place: Place
    credential: Credential
    visible: frozenset[str]
    after: Position | None
    ending: Callable[[], bool]
    over: Over | None = None
    since: Position | None = None
    """Everything behind this is told by the feed; None as long as it has not taken notice of the stream."""
    _waiting: deque[tuple[Position, bytes]] = field(default_factory=deque)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _told_at: float = field(default_factory=time.monotonic)

    async def joined(self) -> Position:
        """`since`, once it is known. Raises UnavailableError when the journal cannot be read."""
        try:
            async with asyncio.timeout(JOIN_SECONDS):
                while self.since is None:
                    await self._woken()
        except TimeoutError as error:
            raise UnavailableError from error
        return self.since

    async def next(self) -> bytes:
        """What has come since the last time, at least something; empty once the stream is over."""
        while not self._waiting and self.over is None:
            await self._woken()
        if self.over is not None:
            return b""
        chunk = b"".join(text for _, text in self._waiting)
        self._waiting.clear()
        self._told_at = time.monotonic()
        return chunk

    async def _woken(self) -> None:
        await self._news.wait()
        self._news.clear()

    def join(self, position: Position) -> None:
        """The feed tells what is behind this position from now on."""
        if self.since is None:
            self.since = position
            self._news.set()

    def offer(self, at: Position, text: bytes) -> None:
        """Let an event wait for the listener, if it is news to them."""
        if self.over is not None or (self.after is not None and at <= self.after):
            return
        if len(self._waiting) >= MOST_WAITING:
            self.end("too slow")
            return
        self._waiting.append((at, text))
        self._news.set()

    def end(self, why: Over) -> None:
        """Nothing more is told."""
        self.over = self.over or why
        self._waiting.clear()
        self._news.set()

    def check(self, revocations: Revocations, now: datetime) -> None:
        """End, if its credential is not good any more or the server ends."""
        if self.credential.id in revocations:
            self.end("the session was ended")
        elif self.credential.expires_at is not None and self.credential.expires_at <= now:
            self.end("the token expired")
        elif self.ending():
            self.end("the server ends")

    def beat(self, position: Position) -> None:
        """After a silence, say how far the stream is: who comes again later then need not go through all that was silent."""
        if not self._waiting and self.since is not None and time.monotonic() - self._told_at >= BEAT_SECONDS:
            self._told_at = time.monotonic()
            at = max(position, self.after or position)
            self._waiting.append((at, Event(at, "", None).text()))
            self._news.set()


class ChangeFeed:
    """The reader, and the streams that it feeds."""

    def __init__(self, database: Database, bus: Bus, kinds: Mapping[str, Kind], revocations: Revocations) -> None:
        self._database = database
        self._bus = bus
        self._kinds = kinds
        self._revocations = revocations
        self._streams: set[Stream] = set()
        self._position: Position | None = None
        self._wake = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self.catching_up = asyncio.Semaphore(CATCH_UPS)
        """Held by who reads the journal for a single stream, to bring it to where the feed is."""

    @property
    def position(self) -> Position:
        """How far everything was told. Only while a stream is open that has joined."""
        if self._position is None:
            raise RuntimeError("nobody listens")
        return self._position

    def open(self, stream: Stream) -> None:
        """Feed this stream from now on, until it is closed. Raises TooManyStreamsError, UnavailableError."""
        if sum(each.actor.id == stream.actor.id for each in self._streams) >= MOST_OF_ONE:
            raise TooManyStreamsError
        if len(self._streams) >= MOST_OF_ALL:
            raise UnavailableError
        self._streams.add(stream)
        self._wake.set()
        self._start()

    def close(self, stream: Stream) -> None:
        """Its listener is gone."""
        self._streams.discard(stream)
        self._wake.set()

    def _start(self) -> None:
        if self._running is None:
            # Of no request: what it does belongs to no trace.
            self._running = asyncio.get_running_loop().create_task(self._run(), context=Context())

    async def _run(self) -> None:
        """Read as long as there are streams."""
        self._position = None
        watching = asyncio.create_task(self._watch())
        try:
            async with heard(self._bus, self._wake):
                while self._streams:
                    await self._read()
        finally:
            watching.cancel()
            self._running = None
            if self._streams:  # opened while this ended
                self._start()

    async def _read(self) -> None:
        """One page, or wait for one."""
        try:
            more = await self._page()
        except (*RetryableDatabaseError, TimeoutError) as error:
            log.warning("changes.not_read", error=repr(error))
            await asyncio.sleep(POLL_SECONDS)
        except Exception:  # whoever listens must hear of the next change all the same
            log.exception("changes.not_read")
            await asyncio.sleep(POLL_SECONDS)
        else:
            await (asyncio.sleep(0) if more else self._woken())

    async def _woken(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._wake.wait()
        self._wake.clear()

    async def _page(self) -> bool:
        """Tell the next changes; True when there may be more already."""
        async with self._database.transaction() as tx:
            until = await journal.horizon(tx)
            after = self._position or until
            by_project = self._join(after)
            everywhere = by_project.pop(None, [])
            found: Sequence[Row] = []
            if after < until:
                projects = None if everywhere else [each for each in by_project if each is not None]
                found = await journal.changes(tx, after=after, until=until, project_ids=projects, limit=PAGE)
            people = await People.of(tx, (row["changed_by"] for row in found))
        for row in found:
            self._tell(row, people, [*everywhere, *by_project.get(row["project_id"], ())])
        more = len(found) == PAGE
        self._position = Position.of(found[-1]) if more else until
        return more

    def _join(self, position: Position) -> dict[UUID | None, list[Stream]]:
        """The streams by project, None for those of everything. What is behind this position, all of them are told."""
        found: dict[UUID | None, list[Stream]] = {}
        for stream in self._streams:
            stream.join(position)
            found.setdefault(stream.place.project_id, []).append(stream)
        return found

    def _tell(self, row: Row, people: People, streams: Iterable[Stream]) -> None:
        kind = "job" if row["entity"] == "job" else row["kind"]
        listening = [stream for stream in streams if kind in stream.visible]
        event = event_of(self._kinds, people, row) if listening else None
        if event is not None:
            text = event.text()
            for stream in listening:
                stream.offer(event.at, text)

    async def _watch(self) -> None:
        decided = time.monotonic()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = datetime.now(UTC)
            for stream in self._streams:
                stream.check(self._revocations, now)
                if self._position is not None:
                    stream.beat(self._position)
            if time.monotonic() - decided < DECIDE_SECONDS:
                continue
            try:
                await self._decide()
            except (*RetryableDatabaseError, TimeoutError) as error:
                log.warning("changes.not_decided", error=repr(error))
            except Exception:  # who loses a role must be found out the next time
                log.exception("changes.not_decided")
            decided = time.monotonic()

    async def _decide(self) -> None:
        """Take away from streams what their listeners may not hear any more."""
        streams = list(self._streams)
        async with self._database.transaction() as tx:
            standings = await standings_of(tx, {(stream.actor, stream.place) for stream in streams})
        for stream in streams:
            standing = standings[stream.actor, stream.place]
            stream.visible = visible_kinds(standing, stream.actor, self._kinds)
            if not stream.visible:
                stream.end("the permission was lost")
