"""Images: uploaded as a stream of the file's bytes, never held in memory."""

from collections.abc import Callable, Iterator
from pathlib import Path

from groundplane.sdk.calls import Labels
from groundplane.sdk.collection import Collection, selector
from groundplane.sdk.jobs import WAIT_SECONDS, OnStep
from groundplane.sdk.records import Resource
from groundplane.sdk.session import Call

_PIECE = 1 << 20
_CHECK_SECONDS = 300.0  # the platform syncs and looks into the whole image before it answers

OnProgress = Callable[[int, int], None]
"""Called with the bytes that were handed over so far, and the file's size. Begins anew if the upload has to."""


class Images(Collection):
    """A project's images. They are made by `upload`."""

    def upload(
        self,
        path: Path,
        name: str,
        labels: Labels | None = None,
        *,
        progress: OnProgress | None = None,
        idempotency_key: str | None = None,
        wait: bool = False,
        timeout: float = WAIT_SECONDS,
        on_step: OnStep | None = None,
    ) -> Resource:
        """Make an image from a local disk image. Raises OSError when the file cannot be read, else as the class says."""
        size = path.stat().st_size
        query = {"name": name, **({"labels": selector(labels) or ""} if labels else {})}
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        call = Call(
            "POST", self._path, query=query, body=lambda: _pieces(path, size, progress), headers=headers, wait=_CHECK_SECONDS
        )
        answer = self._session.json(call, idempotency_key=idempotency_key)
        return self._settled(answer, wait=wait, timeout=timeout, on_step=on_step)


def _pieces(path: Path, size: int, progress: OnProgress | None) -> Iterator[bytes]:
    sent = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
            sent += len(piece)
            if progress is not None:
                progress(sent, size)
