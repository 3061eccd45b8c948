"""Files that are sent as a stream of their bytes, never held in memory."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from groundplane.sdk.calls import Call

_PIECE = 1 << 20
_CHECK_SECONDS = 300.0  # the platform syncs and looks into the whole file before it answers

OnProgress = Callable[[int, int], object]
"""Called with the bytes that were handed over so far, and the file's size. Begins anew if the upload has to."""


def upload(path: str, file: Path, query: Mapping[str, Any], progress: OnProgress | None) -> Call:
    """The request that sends a file. Raises OSError when it cannot be read."""
    size = file.stat().st_size
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
    return Call("POST", path, query=query, body=lambda: _pieces(file, size, progress), headers=headers, wait=_CHECK_SECONDS)


def _pieces(path: Path, size: int, progress: OnProgress | None) -> Iterator[bytes]:
    sent = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
            sent += len(piece)
            if progress is not None:
                progress(sent, size)
