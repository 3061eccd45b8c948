"""Requests as data, and answers as data. Sends nothing."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

PROGRAM = "groundplane-sdk"
"""What the platform is told that asks it, unless a program says what it is."""
IDEMPOTENCY_KEY = "Idempotency-Key"
_READS = frozenset({"GET", "HEAD", "OPTIONS"})

Body = Callable[[], Iterator[bytes]]
"""Makes a request's body, anew for each try."""

Selector = str | Mapping[str, str]
"""Labels that are looked for: `env=prod,tier=web`, or {"env": "prod", "tier": "web"}."""


@dataclass(frozen=True)
class Call:
    """A request as its caller says it.

    query     what is None is left out
    body      streamed, instead of `json`
    wait      how many seconds longer than usual the platform may take
    streamed  the answer is read piece by piece while it comes
    """

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    json: Any = None
    body: Body | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: float = 0.0
    authenticated: bool = True
    streamed: bool = False

    def keyed(self, key: str | None) -> "Call":
        """As it is sent, however often: by its key the platform knows a mutation again. None: a new key."""
        if self.method in _READS or not self.authenticated:
            return self
        from uuid import uuid4  # noqa: PLC0415  # it loads much, and reads need none

        return self.with_headers({IDEMPOTENCY_KEY: str(uuid4()) if key is None else key})

    def with_headers(self, headers: Mapping[str, str]) -> "Call":
        """With more headers."""
        return replace(self, headers={**self.headers, **headers})

    @property
    def parameters(self) -> Mapping[str, str]:
        """The query as it is sent."""
        return {key: _text(value) for key, value in self.query.items() if value is not None}


@dataclass(frozen=True)
class Answer:
    """A response whose body was read; or, with `stream`, one that is read piece by piece by whoever opened it."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    url: str
    reason: str = ""
    stream: Any = field(default=None, repr=False, compare=False)

    @property
    def is_success(self) -> bool:
        """Whether the platform did what it was asked for."""
        return 200 <= self.status < 300


def quoted(part: str | int) -> str:
    """One part of a path. Nothing in it leads elsewhere: neither a slash, nor dots. Raises ValueError when it is empty."""
    if part == "":
        raise ValueError("An id or a name is empty. Say which one is meant.")
    if part in {".", ".."}:
        return str(part).replace(".", "%2E")
    return quote(str(part), safe="")


def given(**fields: Any) -> dict[str, Any]:
    """The fields that were given. A trailing underscore keeps a name apart from Python's own words."""
    return {name.removesuffix("_"): value for name, value in fields.items() if value is not None}


def selector(labels: Selector | None) -> str | None:
    """Labels as a query says them: `env=prod,tier=web`."""
    if labels is None or isinstance(labels, str):
        return labels or None
    return ",".join(f"{key}={value}" for key, value in labels.items()) or None


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
