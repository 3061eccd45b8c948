"""Where the time of a job went, as small frozen records."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from groundplane.sdk.records import Json


@dataclass(frozen=True)
class JobSpan:
    """One bar of a job's waterfall, and those below it. Milliseconds, `start_ms` from its beginning; `error` is a code."""

    name: str
    service: str
    start_ms: float
    duration_ms: float
    error: str | None
    attributes: Json
    children: "tuple[JobSpan, ...]"

    @classmethod
    def from_json(cls, body: Json) -> "JobSpan":
        """A bar as answered."""
        children = tuple(map(cls.from_json, body["children"]))
        return cls(
            body["name"], body["service"], body["start_ms"], body["duration_ms"], body["error"], body["attributes"], children
        )

    def walk(self, depth: int = 0) -> "Iterator[tuple[int, JobSpan]]":
        """This bar and all below it, each with its depth."""
        yield depth, self
        for child in self.children:
            yield from child.walk(depth + 1)


@dataclass(frozen=True)
class JobTrace:
    """A job's waterfall.

    state    kept, not_sampled or gone: whether the spans of its trace are there; `sentence` says it to people
    source   what it is made of: spans, or the job's history
    """

    job_id: str
    trace_id: str
    state: str
    sentence: str
    source: str
    started_at: datetime
    duration_ms: float
    truncated: bool
    spans: tuple[JobSpan, ...]

    @classmethod
    def from_json(cls, body: Json) -> "JobTrace":
        """A waterfall as answered."""
        return cls(
            job_id=body["job_id"],
            trace_id=body["trace_id"],
            state=body["state"],
            sentence=body["sentence"],
            source=body["source"],
            started_at=datetime.fromisoformat(body["started_at"]),
            duration_ms=body["duration_ms"],
            truncated=body["truncated"],
            spans=tuple(map(JobSpan.from_json, body["spans"])),
        )
