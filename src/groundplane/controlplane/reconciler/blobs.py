"""Deletes the bytes of images that nobody has any more: uploads that were refused, and what was left of deleted images."""

import asyncio
from collections.abc import Iterable
from typing import Protocol
from uuid import UUID

from groundplane.kernel.database import Database

UNKNOWN_SECONDS = 3600.0
"""A blob is there before its image is; one this old without an image is nobody's."""


class BlobStore(Protocol):
    """Where uploaded images lie, each under its image's id."""

    def list(self) -> Iterable[tuple[UUID, float]]:
        """All of them, with the seconds since each was written."""

    def delete(self, image_id: UUID, /) -> None:
        """Delete one; nothing when it is gone already."""


async def sweep_blobs(database: Database, store: BlobStore) -> int:
    """Delete what is old and belongs to no living image; answers how many."""
    blobs = await asyncio.to_thread(lambda: [*store.list()])
    old = [image_id for image_id, seconds in blobs if seconds > UNKNOWN_SECONDS]
    async with database.transaction() as tx:
        rows = await tx.fetch(
            """SELECT id FROM unnest($1::uuid[]) AS blob (id)
               WHERE NOT EXISTS (SELECT FROM resource WHERE resource.id = blob.id AND kind = 'image' AND deleted_at IS NULL)""",
            old,
        )
    for row in rows:
        await asyncio.to_thread(store.delete, row["id"])
    return len(rows)
