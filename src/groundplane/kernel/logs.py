"""Structured logs: JSON lines in which secrets are masked by name. Never print a frame's local variables."""

import logging
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import structlog
from pydantic_core import to_json
from structlog.tracebacks import ExceptionDictTransformer

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
