"""The blob store: uploaded images in a folder. A blob is whole under its final name, or it is not there."""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

from groundplane.controlplane.gateway.problems import BodyTooLargeError

_PIECE = 1 << 20
STALE_SECONDS = 86_400.0


@dataclass(frozen=True)
class Blob:
    """Something written and synced, not yet under its final name. `sha256` in hexadecimal digits."""

    path: Path
    size: int
    sha256: str


class BlobStore:
    """Blobs by the id of the image that they belong to. Writing happens in threads."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._incoming = directory / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def write(self, stream: AsyncIterator[bytes], limit: int) -> Blob:
        """Write a stream aside, at most `limit` bytes. Raises BodyTooLargeError; nothing is left if anything is raised."""
        path = self._incoming / uuid4().hex
        digest = hashlib.sha256()
        size = 0
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                async for piece in _gather(stream):
                    size += len(piece)
                    _refuse_larger(size, limit)
                    await asyncio.to_thread(_append, file.fileno(), digest, piece)
                await asyncio.to_thread(os.fsync, file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return Blob(path, size, digest.hexdigest())

    def commit(self, blob: Blob, image_id: UUID) -> None:
        """Give a blob its final name, durably."""
        blob.path.rename(self.path(image_id))
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def discard(self, blob: Blob) -> None:
        """Remove a blob that was not committed; nothing if it was."""
        blob.path.unlink(missing_ok=True)

    def path(self, image_id: UUID) -> Path:
        """Where an image's blob lies, or would lie."""
        return self._directory / str(image_id)

    def delete(self, image_id: UUID) -> None:
        """Remove an image's blob, if there is one."""
        self.path(image_id).unlink(missing_ok=True)

    def list(self) -> Iterator[tuple[UUID, float]]:
        """All committed blobs: the image's id, and the seconds since it was written."""
        now = time.time()
        for entry in self._directory.iterdir():
            with suppress(ValueError, FileNotFoundError):
                yield UUID(entry.name), now - entry.stat().st_mtime

    def sweep(self, older_than_seconds: float = STALE_SECONDS) -> int:
        """Remove what uploads left that never ended; answers how many files."""
        stale = [entry for entry in self._incoming.iterdir() if time.time() - entry.stat().st_mtime > older_than_seconds]
        for entry in stale:
            entry.unlink(missing_ok=True)
        return len(stale)


async def _gather(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces that are worth a thread's while."""
    pieces: list[bytes] = []
    size = 0
    async for piece in stream:
        pieces.append(piece)
        size += len(piece)
        if size >= _PIECE:
            yield b"".join(pieces)
            pieces, size = [], 0
    if pieces:
        yield b"".join(pieces)


def _refuse_larger(size: int, limit: int) -> None:
    if size > limit:
        raise BodyTooLargeError.of(limit)


def _append(descriptor: int, digest: "hashlib._Hash", piece: bytes) -> None:
    digest.update(piece)
    view = memoryview(piece)
    while view:
        view = view[os.write(descriptor, view) :]
