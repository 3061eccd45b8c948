"""Faults on order: rows in the simulated engine's file, so that tests and operators set them while agents run."""

import asyncio
import math
import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args
from uuid import UUID

from groundplane.contracts.faults import FaultClass, ProviderError
from groundplane.contracts.specs import SpecKind

Effect = Literal["error", "error_after", "crash_before", "crash_after", "hang", "latency", "lost_event"]
Verb = Literal["ensure", "remove", "observe", "facts", "console_log", "event"]

CHECK_SECONDS = 0.2
"""How long a call that waits does not look whether it still should."""


def _go_on() -> None:
    """The check of a call that nobody can stop."""


@dataclass(frozen=True, slots=True)
class Injection:
    """One kind of fault, for the calls that it matches; a field that is None matches all.

    error         the call is refused and nothing is changed
    error_after   the change happens, but the answer is this error
    crash_before  the agent's process is killed (SIGKILL) before the change
    crash_after   the agent's process is killed (SIGKILL) after the change
    hang          the call waits `seconds` (0: for ever) before the change
    latency       the call waits; log-normal with median `seconds` and shape `sigma` (0: constant)
    lost_event    a change from outside (verb `event`) is not told; the inventory shows it

    `scope` is a host's id, or a cluster's for its networks. `count` is how many calls it hits (None: no end), each with
    `probability`. `code`, `fault_class` and `message` are the error's.
    """

    effect: Effect
    verb: Verb | None = None
    kind: SpecKind | None = None
    scope: str | None = None
    resource_id: UUID | None = None
    probability: float = 1.0
    count: int | None = None
    code: str = "simulated_fault"
    fault_class: FaultClass = "transient"
    message: str = "The simulated engine was told to fail."
    seconds: float = 0.0
    sigma: float = 0.0


@dataclass(frozen=True, slots=True)
class Drawn:
    """What strikes one call."""

    seconds: float = 0.0
    before: ProviderError | None = None
    after: ProviderError | None = None
    crash_before: bool = False
    crash_after: bool = False
    lost_event: bool = False

    async def strike_before(self, check: Callable[[], None] = _go_on) -> None:
        """What happens before the change: wait, die or raise. `check` is asked while it waits, and may raise."""
        end = time.monotonic() + self.seconds
        while (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(left, CHECK_SECONDS))
            check()
        if self.crash_before:
            _die()
        if self.before is not None:
            raise self.before

    def strike_after(self) -> None:
        """What happens after the change is committed: die or raise."""
        if self.crash_after:
            _die()
        if self.after is not None:
            raise self.after


NOTHING = Drawn()

_MATCHING = """
    SELECT id, effect, probability, remaining, code, fault_class, message, seconds, sigma FROM injection
    WHERE (verb IS NULL OR verb = ?) AND (kind IS NULL OR kind = ?) AND (scope IS NULL OR scope = ?)
      AND (resource_id IS NULL OR resource_id = ?) AND (remaining IS NULL OR remaining > 0)
    ORDER BY id
"""


class Injections:
    """The table of injections of one simulated engine."""

    def __init__(self, database: sqlite3.Connection, chance: random.Random) -> None:
        self._database = database
        self._chance = chance

    def add(self, injection: Injection) -> int:
        """Order a fault; answers the row's id for `clear`."""
        values = (
            injection.effect,
            injection.verb,
            injection.kind,
            injection.scope,
            None if injection.resource_id is None else str(injection.resource_id),
            injection.probability,
            injection.count,
            injection.code,
            injection.fault_class,
            injection.message,
            injection.seconds,
            injection.sigma,
        )
        cursor = self._database.execute(
            "INSERT INTO injection (effect, verb, kind, scope, resource_id, probability, remaining, code, fault_class,"
            " message, seconds, sigma) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        )
        return int(cursor.lastrowid or 0)

    def clear(self, injection_id: int | None = None) -> None:
        """Take back one injection, or all."""
        self._database.execute("DELETE FROM injection WHERE ?1 IS NULL OR id = ?1", (injection_id,))

    def remaining(self) -> dict[int, int | None]:
        """How many calls each injection has still to hit, by the row's id; None: no end."""
        return {row["id"]: row["remaining"] for row in self._database.execute("SELECT id, remaining FROM injection")}

    def draw(self, verb: Verb, kind: str | None, scope: str, resource_id: str | None) -> Drawn:
        """What strikes this call; counts it against the rows that hit."""
        rows = self._database.execute(_MATCHING, (verb, kind, scope, resource_id)).fetchall()
        if not rows:
            return NOTHING
        return self._combine([row for row in rows if self._hits(row["id"], row["probability"], row["remaining"])])

    def _hits(self, injection_id: int, probability: float, remaining: int | None) -> bool:
        if self._chance.random() >= probability:
            return False
        if remaining is None:
            return True
        counted = self._database.execute(
            "UPDATE injection SET remaining = remaining - 1 WHERE id = ? AND remaining > 0", (injection_id,)
        )
        return counted.rowcount == 1  # another process may have taken the last one

    def _combine(self, rows: list[sqlite3.Row]) -> Drawn:
        first: dict[str, sqlite3.Row] = {}
        for row in rows:
            if row["effect"] not in get_args(Effect):
                raise ValueError(f"The injection {row['id']} has the unknown effect {row['effect']!r}.")
            first.setdefault(row["effect"], row)
        return Drawn(
            seconds=sum(self._wait(row) for row in rows if row["effect"] in {"hang", "latency"}),
            before=_error(first.get("error")),
            after=_error(first.get("error_after")),
            crash_before="crash_before" in first,
            crash_after="crash_after" in first,
            lost_event="lost_event" in first,
        )

    def _wait(self, row: sqlite3.Row) -> float:
        if row["effect"] == "hang":
            return float(row["seconds"]) or math.inf
        return float(row["seconds"]) * self._chance.lognormvariate(0.0, row["sigma"])


def _error(row: sqlite3.Row | None) -> ProviderError | None:
    return None if row is None else ProviderError(row["code"], row["message"], fault_class=row["fault_class"])


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
