"""Lists that come in pages, as one iterator."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from groundplane.sdk.calls import Answer, Call
from groundplane.sdk.effects import Ask, Give, Steps
from groundplane.sdk.session import Session

PAGE_SIZE = 200
"""The most that the platform puts on a page."""


def pages(session: Session, path: str, query: Mapping[str, Any] | None = None) -> Iterator[Any]:
    """Every item as JSON, asking for a page when the one before is used up. None in the query: do not filter by that."""
    return session.stream(items(Call("GET", path, query=query or {})))


def items(call: Call, shape: Any = None) -> Steps[None]:
    """Every item, as it is, or as the page's `shape` has it."""
    cursor: str | None = None
    while True:
        query = {"limit": PAGE_SIZE, **call.query, "cursor": cursor}
        answer: Answer = yield Ask(replace(call, query=query))
        found, cursor = _raw(answer) if shape is None else _typed(answer, shape)
        for item in found:
            yield Give(item)
        if not cursor:
            return


def _raw(answer: Answer) -> tuple[Any, str | None]:
    page = json.loads(answer.content)
    return page["items"], page.get("next")


def _typed(answer: Answer, shape: Any) -> tuple[Any, str | None]:
    from groundplane.sdk.record import decoded  # noqa: PLC0415  # who wants no records need not wait for them

    page = decoded(answer, shape)
    return page.items, page.next
