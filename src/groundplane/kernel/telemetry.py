"""Structured logs and the trace context (W3C Trace Context) that follows a request down to the provider's call."""

import logging
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

import structlog
from pydantic_core import to_json
from structlog.tracebacks import ExceptionDictTransformer

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
_trace: ContextVar[str] = ContextVar("trace", default="")
_SECRET = re.compile(r"(password|secret|token|authorization|user_data|dsn|private)", re.IGNORECASE)


def configure_logging(service: str, *, level: str = "info") -> None:
    """JSON lines on standard error, one per event, with service, time, level and trace. Secrets are masked by name."""
    logging.basicConfig(stream=sys.stderr, level=level.upper(), format="%(name)s: %(message)s")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _mask_secrets,
            # Never a frame's local variables: they hold tokens and passwords.
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False, max_frames=20)),
            structlog.processors.JSONRenderer(serializer=_serialize),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)


def _serialize(event: Any, **_options: Any) -> str:
    return to_json(event, fallback=repr).decode()


@lru_cache(maxsize=1024)
def _is_secret(key: str) -> bool:
    return _SECRET.search(key) is not None


def _mask_secrets(_logger: Any, _method: str, event: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: "***" if _is_secret(key) else value for key, value in event.items()}


def child_traceparent(parent: str = "") -> str:
    """A new span's traceparent: the parent's trace when that is well formed, else a new trace."""
    match = _TRACEPARENT.fullmatch(parent)
    trace_id = match[1] if match else os.urandom(16).hex()
    return f"00-{trace_id}-{os.urandom(8).hex()}-01"


def current_trace() -> str:
    """The traceparent of what runs now; empty outside of any trace."""
    return _trace.get()


def trace_id(traceparent: str) -> str:
    """The 32 hex digits that all of a trace's spans share; empty when there is none."""
    match = _TRACEPARENT.fullmatch(traceparent)
    return match[1] if match else ""


@contextmanager
def trace_scope(parent: str = "") -> Iterator[str]:
    """Everything inside runs in a new span of `parent`'s trace: it is in the logs and in `current_trace()`."""
    traceparent = child_traceparent(parent)
    mark = _trace.set(traceparent)
    try:
        with structlog.contextvars.bound_contextvars(trace=trace_id(traceparent)):
            yield traceparent
    finally:
        _trace.reset(mark)
