"""The time, as something that can be handed over, so that tests and simulations can move it.

Durations between processes are never computed from it: the database's clock is for that.
"""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Tells the current time, aware, in UTC."""


def system_clock() -> datetime:
    """Return what the machine's own clock says."""
    return datetime.now(UTC)
