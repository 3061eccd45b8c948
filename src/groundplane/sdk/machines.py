"""Virtual machines: what they have beyond other resources, the log of their serial console."""

import time
from collections.abc import Iterator

from groundplane.sdk.collection import Collection
from groundplane.sdk.errors import ApiError
from groundplane.sdk.session import Call

_MOST = 1 << 20
_NOT_YET = frozenset({"console_not_found", "not_ready"})


class Machines(Collection):
    """A project's virtual machines. Their verbs for `act`: start, stop, reboot."""

    def console_log(self, ref: str, offset: int = 0, limit: int = _MOST) -> bytes:
        """What the guest wrote to its serial console, from byte `offset` on, at most `limit` bytes."""
        query = {"offset": offset, "limit": limit}
        return self._session.send(Call("GET", f"{self._calls.item(ref)}/console-log", query=query)).content

    def follow_console_log(
        self, ref: str, offset: int = 0, *, timeout: float | None = None, interval: float = 0.5
    ) -> Iterator[bytes]:
        """What the guest writes, as it comes, asked for every `interval` seconds. A guest without a console is waited for.

        Ends after `timeout` seconds (None: never), or when the caller stops taking.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            piece = self._console_so_far(ref, offset)
            if piece:
                offset += len(piece)
                yield piece
            if deadline is not None and time.monotonic() >= deadline:
                return
            if not piece:
                time.sleep(interval)

    def _console_so_far(self, ref: str, offset: int) -> bytes:
        try:
            return self.console_log(ref, offset)
        except ApiError as error:
            if error.code in _NOT_YET:
                return b""
            raise
