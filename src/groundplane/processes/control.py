"""What the commands have in hand against a supervisor: its lock, to know and to prevent it, and its control channel.

Starts and ends no process itself.
"""

import contextlib
import fcntl
import json
import os
import socket
import time
from typing import Any

from groundplane.processes.layout import Layout


class NotRunningError(Exception):
    """No supervisor answers for this data directory."""


def take_lock(layout: Layout) -> int | None:
    """Take the data directory's lock and return its descriptor, or None if a supervisor holds it."""
    layout.run.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def is_locked(layout: Layout) -> bool:
    """Tell whether a supervisor lives."""
    if not layout.lock.exists():
        return False
    descriptor = take_lock(layout)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def wait_unlocked(layout: Layout, seconds: float) -> bool:
    """Wait until the supervisor has ended; False if it still lives after `seconds`."""
    deadline = time.monotonic() + seconds
    while is_locked(layout):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def ask(layout: Layout, request: dict[str, Any], seconds: float = 10) -> dict[str, Any]:
    """Put one request to the supervisor and return its answer.

    Raises:
        NotRunningError: nobody answers, or not within `seconds`.
    """
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as channel:
        channel.settimeout(seconds)
        try:
            channel.connect(str(layout.control))
            channel.sendall(json.dumps(request).encode() + b"\n")
            with channel.makefile("rb") as lines:
                answer = json.loads(lines.readline())
        except (OSError, ValueError) as error:
            raise NotRunningError(str(error)) from error
    if not isinstance(answer, dict):
        raise NotRunningError("an answer that is no object")
    return answer
