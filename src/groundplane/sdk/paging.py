"""Lists that come in pages, as one iterator."""

from collections.abc import Iterator, Mapping

from groundplane.sdk.records import Json
from groundplane.sdk.session import Call, Session

PAGE_SIZE = 200
"""The most that the platform puts on a page."""


def pages(session: Session, path: str, query: Mapping[str, str | int | None] | None = None) -> Iterator[Json]:
    """Every item, asking for a page when the one before is used up. None in the query means not to filter by that."""
    filters: dict[str, str | int] = {key: value for key, value in (query or {}).items() if value is not None}
    cursor: dict[str, str] = {}
    while True:
        page = session.json(Call("GET", path, query={"limit": PAGE_SIZE, **filters, **cursor}))
        yield from page["items"]
        if not page.get("next"):
            return
        cursor = {"cursor": page["next"]}
