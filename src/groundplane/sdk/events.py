"""The stream of changes: server-sent events, followed over connections that break."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import msgspec

from groundplane.sdk.calls import Answer, Call
from groundplane.sdk.effects import Ask, Give, Pause, Read, Steps
from groundplane.sdk.errors import ConnectionFailedError, UnexpectedAnswerError
from groundplane.sdk.record import Record
from groundplane.sdk.records import JobEvent, ResourceEvent
from groundplane.sdk.retries import Retries

SILENCE_SECONDS = 15.0
"""How often a stream without news is heard of."""
LASTING_SECONDS = 300.0
"""How long an API that is away is waited for."""

_LAST_EVENT_ID = "Last-Event-ID"
_RESET = "reset"
_DATA: Mapping[str, type[ResourceEvent] | type[JobEvent]] = {"resource": ResourceEvent, "job": JobEvent}
"""What the events are about that are told; `hello` only begins, and what a newer platform adds is left out."""


class Event(Record, frozen=True, kw_only=True):
    """Something of a project, or of the platform, has changed.

    cursor   where the stream goes on after this event: keep it, and give it to `events` later
    data     what changed, and how it is now; None: more happened since the cursor than is told, read again what you keep
    """

    cursor: str
    data: ResourceEvent | JobEvent | None


@dataclass(frozen=True)
class Message:
    """One message of a stream of server-sent events."""

    event: str
    id: str | None
    data: str


@dataclass
class Parser:
    """Makes messages of bytes (WHATWG HTML, 9.2.6), wherever the pieces are cut. `last_id` is of all that was whole."""

    last_id: str | None = None
    _rest: bytes = b""
    _event: str = ""
    _id: str | None = None
    _data: list[str] = field(default_factory=list)

    def feed(self, piece: bytes) -> Iterator[Message]:
        """The messages that are whole now."""
        self._rest += piece
        *lines, self._rest = self._rest.split(b"\n")
        for line in lines:
            message = self._line(line.removesuffix(b"\r").decode(errors="replace"))
            if message is not None:
                yield message

    def _line(self, line: str) -> Message | None:
        if not line:
            return self._end()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._event = value
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._id = value
        return None

    def _end(self) -> Message | None:
        event, data = self._event or "message", self._data
        self._event, self._data, self.last_id = "", [], self._id
        return Message(event, self._id, "\n".join(data)) if data else None


def follow(call: Call, cursor: str | None) -> Steps[None]:
    """Every event from the cursor on, else from now on, none twice. Ends when the caller stops taking.

    A connection that breaks is opened again behind the last event. Raises ApiError, for one when the session is over; and
    ConnectionFailedError when the platform stays away for LASTING_SECONDS.
    """
    call = replace(call, streamed=True, wait=SILENCE_SECONDS).with_headers({"Accept": "text/event-stream"})
    retries = Retries(budget=LASTING_SECONDS)
    failures = 0
    while True:
        opened: Answer = yield Ask(_from(call, cursor), retries=retries)
        began, parser = time.monotonic(), Parser()
        try:
            while (piece := (yield Read(opened))) is not None:
                for message in parser.feed(piece):
                    cursor = message.id or cursor
                    if message.event == _RESET or message.event in _DATA:
                        yield Give(_event(message, cursor or ""))
                cursor = parser.last_id or cursor
        except ConnectionFailedError:
            pass
        failures = 0 if time.monotonic() - began > SILENCE_SECONDS else failures + 1
        yield Pause(retries.backoff(failures + 1))


def _from(call: Call, cursor: str | None) -> Call:
    return call if cursor is None else call.with_headers({_LAST_EVENT_ID: cursor})


def _event(message: Message, cursor: str) -> Event:
    if message.event == _RESET:
        return Event(cursor=cursor, data=None)
    try:
        return Event(cursor=cursor, data=msgspec.json.decode(message.data, type=_DATA[message.event]))
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise UnexpectedAnswerError(f"An event of the stream is no {message.event}: {error}") from error
