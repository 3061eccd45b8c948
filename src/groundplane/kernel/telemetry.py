"""Traces: the W3C trace context that follows a request down to the provider's call, and what is remembered of it as spans.

Whether a trace is sampled is decided once, where it begins, and told in its traceparent. An unsampled one costs next to nothing
and leaves no span, but for what failed. Never holds a secret or a body; losing spans never hurts anything.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from time import time_ns
from types import TracebackType
from typing import Self
from uuid import UUID

import structlog

_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")

Attributes = Mapping[str, str | int | float | bool]
Sink = Callable[["Span"], None]
"""Takes what ended. Must not wait and not raise."""


MOST_IN_A_SCOPE = 100
"""How many spans a scope keeps: a request that asks again and again for half a minute is no reason for a thousand."""


@dataclass(slots=True)
class Local:
    """What the spans of one scope of this process share: whose they are, and those that ended so far."""

    organization_id: UUID | None = None
    project_id: UUID | None = None
    ended: "list[Span]" = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Span:
    """Something that was done, within a trace. Times are nanoseconds since 1970; `parent_id` is empty at the root.

    `error` is a code, or the name of an exception, never its message.
    """

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    sampled: bool
    local: Local
    started_ns: int = field(default_factory=time_ns)
    ended_ns: int = 0
    error: str = ""
    service: str = ""
    attributes: dict[str, str | int | float | bool] = field(default_factory=dict)

    @property
    def traceparent(self) -> str:
        """What goes along to whom this span asks for something."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"

    def describe(self, name: str = "", attributes: Attributes | None = None) -> None:
        """Say what was found out while it went on."""
        self.name = name or self.name
        if attributes:
            self.attributes.update(attributes)

    def end(self, error: str = "") -> None:
        """Hand it to the sinks if it is sampled or failed; a second end is none."""
        if self.ended_ns:
            return
        self.ended_ns = max(time_ns(), self.started_ns)  # the clock may have been set back
        self.error = self.error or error
        if self.sampled or self.error:
            self.service = self.service or _config.service
            self.local.ended.append(self)
            record(self)


@dataclass(slots=True)
class _Configuration:
    service: str = ""
    sampled_below: int = 0  # of the lower half of a trace id
    sinks: tuple[Sink, ...] = ()


_config = _Configuration()
_current: ContextVar[Span | None] = ContextVar("span", default=None)


def configure_tracing(service: str, *, ratio: float, sinks: tuple[Sink, ...] = ()) -> None:
    """Name this process, say which part of the traces that begin here is sampled (0 to 1), and where spans go."""
    _config.service, _config.sampled_below, _config.sinks = service, round(ratio * 2**64), sinks


def record(span: Span) -> None:
    """Give an ended span to every sink of this process, also one that another process made."""
    for sink in _config.sinks:
        sink(span)


def current_span() -> Span | None:
    """The span of what runs now, sampled or not; None outside of any trace."""
    return _current.get()


def current_trace() -> str:
    """The traceparent of what runs now; empty outside of any trace."""
    span = _current.get()
    return span.traceparent if span is not None else ""


def child_traceparent(parent: str = "") -> str:
    """A new span's traceparent: the parent's trace when that is well formed, else a new trace."""
    return _begin(parent, "", Local()).traceparent


def trace_id(traceparent: str) -> str:
    """The 32 hex digits that all of a trace's spans share; empty when there is none."""
    match = _TRACEPARENT.fullmatch(traceparent)
    return match[1] if match else ""


def is_sampled(traceparent: str) -> bool:
    """Does it say that its spans are kept?"""
    match = _TRACEPARENT.fullmatch(traceparent)
    return match is not None and int(match[3], 16) & 1 == 1


def belongs_to(organization_id: UUID | None, project_id: UUID | None) -> None:
    """Say whose all the spans of this scope are."""
    span = _current.get()
    if span is not None:
        span.local.organization_id, span.local.project_id = organization_id, project_id


def _begin(parent: str, name: str, local: Local) -> Span:
    match = _TRACEPARENT.fullmatch(parent)
    if match is not None:
        return Span(match[1], os.urandom(8).hex(), match[2], name, int(match[3], 16) & 1 == 1, local)
    ids = os.urandom(24).hex()
    return Span(ids[:32], ids[32:], "", name, int(ids[16:32], 16) < _config.sampled_below, local)


@contextmanager
def trace_scope(
    parent: str = "", name: str = "", attributes: Attributes | None = None, *, local: Local | None = None
) -> Iterator[str]:
    """Everything inside runs in a new span of `parent`'s trace: it is in the logs and in `current_trace()`."""
    span = _begin(parent, name, local or Local())
    span.describe(attributes=attributes)
    mark = _current.set(span)
    try:
        with structlog.contextvars.bound_contextvars(trace=span.trace_id):
            yield span.traceparent
    except Exception as error:  # who was cancelled did not fail
        span.end(_name_of(error))
        raise
    finally:
        _current.reset(mark)
        span.end()


@contextmanager
def within(span: Span | None) -> Iterator[None]:
    """Go on in a span of earlier: for what is done once a transaction was committed."""
    mark = _current.set(span)
    try:
        yield
    finally:
        _current.reset(mark)


class child_span:  # noqa: N801  # used as a function
    """What is inside is a span of its own below the current one, if that is sampled; else it costs next to nothing.

    with child_span("transaction"):
        …
    """

    __slots__ = ("_attributes", "_mark", "_name", "_span")

    def __init__(self, name: str, attributes: Attributes | None = None) -> None:
        self._name = name
        self._attributes = attributes
        self._span: Span | None = None
        self._mark: Token[Span | None] | None = None

    def __enter__(self) -> Self:
        """Begin."""
        parent = _current.get()
        if parent is not None and parent.sampled and len(parent.local.ended) < MOST_IN_A_SCOPE:
            self._span = Span(parent.trace_id, os.urandom(8).hex(), parent.span_id, self._name, True, parent.local)
            self._span.describe(attributes=self._attributes)
            self._mark = _current.set(self._span)
        return self

    def describe(self, attributes: Attributes) -> None:
        """Say what was found out while it went on."""
        if self._span is not None:
            self._span.describe(attributes=attributes)

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _frames: TracebackType | None) -> None:
        """End, with the error's code if one came through."""
        if self._span is not None and self._mark is not None:
            _current.reset(self._mark)
            self._span.end(_name_of(error) if error is not None else "")


def _name_of(error: BaseException) -> str:
    """Its stable code, or its class: a message may hold what is not for everybody."""
    fault = getattr(error, "fault", error)
    code = getattr(fault, "code", None)
    return code if isinstance(code, str) else type(error).__name__
