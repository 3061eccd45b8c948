"""Texts that grow while they are read: the log of a serial console."""

import time
from dataclasses import replace

from groundplane.sdk.calls import Answer, Call
from groundplane.sdk.effects import Ask, Give, Pause, Steps
from groundplane.sdk.errors import ApiError

_NOT_YET = frozenset({"console_not_found", "not_ready"})


def follow(call: Call, offset: int, timeout: float | None, interval: float) -> Steps[None]:
    """Pieces as they come, from byte `offset` on, asked for every `interval` seconds. What is not there yet is waited for.

    Ends after `timeout` seconds (None: never), or when the caller stops taking.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        piece = yield from _so_far(replace(call, query={**call.query, "offset": offset}))
        if piece:
            offset += len(piece)
            yield Give(piece)
        if deadline is not None and time.monotonic() >= deadline:
            return
        if not piece:
            yield Pause(interval)


def _so_far(call: Call) -> Steps[bytes]:
    try:
        answer: Answer = yield Ask(call)
    except ApiError as error:
        if error.code in _NOT_YET:
            return b""
        raise
    return answer.content
