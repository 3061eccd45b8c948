"""The routes of the change stream: server-sent events that go on where they were cut, or the same page by page as JSON."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

import structlog
from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import Field
from starlette.responses import StreamingResponse
from starlette.types import Message as AsgiMessage
from starlette.types import Receive, Scope, Send

from groundplane.controlplane.gateway.auth import current_actor, current_credential
from groundplane.controlplane.gateway.changes import (
    LISTEN,
    PAGE,
    ChangeFeed,
    Event,
    Stream,
    cursor_text,
    event_of,
    visible_kinds,
)
from groundplane.controlplane.gateway.kinds import answer, path_scope, scope_parameters
from groundplane.controlplane.gateway.operation import Operation, operation
from groundplane.controlplane.gateway.people import People
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.views import View
from groundplane.controlplane.identity import Place, standings_of
from groundplane.controlplane.resources import journal
from groundplane.controlplane.resources.journal import Position
from groundplane.kernel.database import RetryableDatabaseError, Row
from groundplane.kernel.errors import GroundplaneError

log = structlog.get_logger()

MEDIA_TYPE = "text/event-stream"
MOST_BEHIND = 100_000
"""So many rows of the whole journal are gone through for who comes back; who was away for longer reads everything anew."""
SEND_SECONDS = 20.0
"""How long a listener may take nothing of what is sent, until it is hung up on."""
RETRY = b"retry: 1000\n\n"

_CURSOR = r"^[0-9a-f]{1,16}-[0-9a-f]{1,15}$"
EventCursor = Annotated[
    str | None, Query(max_length=32, pattern=_CURSOR, description="The `id` of the last event, or `next` of the page before.")
]
LastEventId = Annotated[
    str | None,
    Header(alias="Last-Event-ID", max_length=32, pattern=_CURSOR, description="As `cursor`; browsers send it."),
]
EventLimit = Annotated[int, Query(ge=1, le=1000, description="How many at most on a page.")]


class CursorTooOldError(GroundplaneError):
    """Too much has changed since this cursor. Begin without one, and read again what you know."""

    code = "cursor_too_old"
    status = 410
    title = "Gone"


class ResourceEvent(View):
    """A change of a resource."""

    entity: Literal["resource"]
    id: str
    kind: str
    name: str
    status: str
    revision: int = Field(description="Counts the resource's changes.")
    at: datetime
    organization_id: str | None
    project_id: str | None
    job_id: str | None
    changed_by: str | None
    deleted: bool


class JobEvent(View):
    """A change of a job's state or step."""

    entity: Literal["job"]
    id: str
    kind: Literal["job"]
    workflow: str
    state: Literal["PENDING", "RUNNING", "RETRYING", "SUCCEEDED", "FAILED"]
    step: str
    resource_id: str | None
    revision: int = Field(description="Grows with each change.")
    at: datetime
    organization_id: str | None
    project_id: str | None


class EventPage(View):
    """A page of changes, oldest first. `next` is always there: ask with it again for what came since."""

    items: list[ResourceEvent | JobEvent]
    next: str


_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": f"A page; or, with `Accept: {MEDIA_TYPE}`, the stream. Its events are `resource` and `job`, whose data "
        "is an item of the page. Without a cursor the first event is `hello` with the cursor of now; `reset` says that events "
        "were missed, read everything anew. An `id` without an event is a sign of life.",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
    }
}


def event_router(services: Services, prefix: str) -> APIRouter:
    """`prefix` is whose changes are told: a project's, or (empty) everybody's."""
    router = APIRouter(prefix=prefix, tags=["events"])

    @router.get(
        "/events", response_model=EventPage, responses=_ANSWERS, summary="Follow what changes", operation_id="event_list",
        openapi_extra={"x-permission": LISTEN, **scope_parameters(prefix)},
    )  # fmt: skip
    async def events(
        request: Request, limit: EventLimit = 200, cursor: EventCursor = None, last_event_id: LastEventId = None
    ) -> Response:
        """Every change of resources and jobs that you may read, in the order of transactions.

        With `Accept: text/event-stream` as server-sent events, as they happen, for as long as your token is good; otherwise a
        page of what came after the cursor.
        """
        scope = path_scope(request)
        place = Place(scope.organization_id, scope.project_id)
        after = _position(last_event_id or cursor)
        async with operation(services, request, permission=LISTEN, **scope.place) as op:
            start = await _start(op, place, after)
            if not _wants_stream(request):
                return await _page(op, start, limit)
        return await _stream(services, request, start)

    return router


@dataclass(frozen=True)
class _Start:
    """Where a listener begins: `after` None is now; `missed`: there was more in between than is told."""

    place: Place
    visible: frozenset[str]
    after: Position | None
    until: Position
    missed: bool

    async def read(self, op: Operation, after: Position, until: Position, limit: int) -> tuple[Sequence[Row], People]:
        """The rows of the place, under the row-level security that the operation is under, and whom they name."""
        of = None if self.place.project_id is None else [self.place.project_id]
        rows = await journal.changes(op.tx, after=after, until=until, project_ids=of, limit=limit)
        return rows, await People.of(op.tx, (row["changed_by"] for row in rows))


async def _start(op: Operation, place: Place, after: Position | None) -> _Start:
    standings = await standings_of(op.tx, [(op.actor, place)])
    visible = visible_kinds(standings[op.actor, place], op.actor, op.services.kinds)
    until = await journal.horizon(op.tx)
    missed = after is not None and await _is_too_far(op, after, until)
    return _Start(place, visible, None if missed else after, until, missed)


async def _is_too_far(op: Operation, after: Position, until: Position) -> bool:
    """Whether more lies between the two than is gone through. What is ahead of now is of another database, or of nobody."""
    if after > until:
        return True
    async with op.tx.unconfined():
        return await journal.distance(op.tx, after=after, until=until, most=MOST_BEHIND + 1) > MOST_BEHIND


async def _page(op: Operation, start: _Start, limit: int) -> Response:
    if start.missed:
        raise CursorTooOldError
    if start.after is None:
        return answer({"items": [], "next": cursor_text(start.until)})
    rows, people = await start.read(op, start.after, start.until, limit)
    items = [event.body for event in _events(op.services, start.visible, rows, people)]
    return answer({"items": items, "next": cursor_text(_behind(rows, limit, start.until))})


def _events(services: Services, visible: frozenset[str], rows: Sequence[Row], people: People) -> list[Event]:
    """What of these rows is told to who sees these kinds."""
    seen = [row for row in rows if ("job" if row["entity"] == "job" else row["kind"]) in visible]
    return [event for row in seen if (event := event_of(services.kinds, people, row)) is not None]


def _behind(rows: Sequence[Row], limit: int, until: Position) -> Position:
    """Where one is after these rows, which are all until there, unless they are as many as were asked for."""
    return Position.of(rows[-1]) if len(rows) == limit else until


async def _stream(services: Services, request: Request, start: _Start) -> Response:
    stream = Stream(
        current_actor(request), start.place, current_credential(request), start.visible, start.after,
        ending=lambda: bool(request.state.ending),
    )  # fmt: skip
    services.changes.open(stream)
    try:
        since = await stream.joined()
    except BaseException:
        services.changes.close(stream)
        raise
    return EventStream(_told(services, request, start, stream, since), services.changes, stream)


async def _told(services: Services, request: Request, start: _Start, stream: Stream, since: Position) -> AsyncIterator[bytes]:
    """The stream's text: where it begins, what was missed, what comes, and how it ends."""
    if start.after is None:
        yield RETRY + _now("reset" if start.missed else "hello", since)
    else:
        yield RETRY
        async for text in _caught_up(services, request, start, start.after, since):
            yield text
    while text := await stream.next():
        yield text
    if stream.over == "too slow":
        yield _now("reset", services.changes.position)
    yield f": {stream.over}\n\n".encode()


def _now(name: str, position: Position) -> bytes:
    return Event(position, name, {"cursor": cursor_text(position)}).text()


async def _caught_up(
    services: Services, request: Request, start: _Start, after: Position, until: Position
) -> AsyncIterator[bytes]:
    """What lies between where the listener was and where the feed is; each page is decided and read in its own transaction."""
    while after < until:
        async with services.changes.catching_up, operation(
            services, request, permission=LISTEN,
            organization_id=start.place.organization_id, project_id=start.place.project_id,
        ) as op:  # fmt: skip
            rows, people = await start.read(op, after, until, PAGE)
        yield b"".join(event.text() for event in _events(services, start.visible, rows, people))
        after = _behind(rows, PAGE, until)


class EventStream(StreamingResponse):
    """Server-sent events that go on until the stream is over, or the listener is gone, or takes nothing any more."""

    media_type = MEDIA_TYPE

    def __init__(self, text: AsyncIterator[bytes], feed: ChangeFeed, stream: Stream) -> None:
        super().__init__(text, headers={"X-Accel-Buffering": "no"})
        self._feed = feed
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it; whatever happens, the feed does not keep it."""
        self._hang_up: Callable[[], None] = scope["state"].get("hang_up", lambda: None)
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._feed.close(self._stream)

    async def stream_response(self, send: Send) -> None:
        """Send what comes. What ends it here ends the connection: the listener comes again, and goes on."""

        async def patient(message: AsgiMessage) -> None:
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    await send(message)
            except TimeoutError as error:
                raise _NotTakenError from error

        try:
            await super().stream_response(patient)
        except (_NotTakenError, GroundplaneError, *RetryableDatabaseError, TimeoutError) as error:
            log.info("events.cut", why=repr(error))
            self._hang_up()


class _NotTakenError(Exception):
    """The listener takes nothing of what is sent."""


def _wants_stream(request: Request) -> bool:
    return MEDIA_TYPE in request.headers.get("accept", "") and not request.state.bodiless


def _position(text: str | None) -> Position | None:
    if text is None:
        return None
    transaction, _, sequence = text.partition("-")
    return Position(int(transaction, 16), int(sequence, 16))
