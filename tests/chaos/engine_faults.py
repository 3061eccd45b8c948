"""Orders faults of the simulated engine, counts those that strike, and tampers with machines as people at hosts do."""

import random
from collections import Counter
from contextlib import suppress
from typing import Literal

from tests.chaos.house import House

from groundplane.dataplane.providers.simulated import Injection

How = Literal["destroy", "crash", "shutdown"]


class EngineFaults:
    """The faults of one house's engine. `struck` counts by what they are."""

    def __init__(self, house: House, chance: random.Random) -> None:
        self.struck: Counter[str] = Counter()
        self._house = house
        self._chance = chance
        self._ordered: dict[int, str] = {}
        self._remaining: dict[int, int] = {}
        self._crashes = 0

    def order(self, injection: Injection) -> None:
        """Some calls to come are struck."""
        number = self._house.engine.injections.add(injection)
        self._ordered[number] = _name(injection)
        self._remaining[number] = injection.count or 0

    def count(self) -> None:
        """Count what struck since the last time; an agent that killed itself on order is a killed agent."""
        left = self._house.engine.injections.remaining()
        for number, name in self._ordered.items():
            struck = self._remaining[number] - (left.get(number) or 0)
            self._remaining[number] -= struck
            self.struck[name] += struck
            self._crashes += struck if name.startswith("crash") else 0
        died = min(self._house.note_agents(), self._crashes)
        self._crashes -= died
        self._house.kills["agent"] += died

    def clear(self) -> None:
        """Nothing strikes any more."""
        self.count()
        self._house.engine.injections.clear()
        self._ordered.clear()

    def tamper(self, how: How) -> bool:
        """Do it to any one machine, past the platform. False: there is none."""
        engine = self._house.engine
        machines = [row.key.id for row in engine.resources(kind="vm")]
        deeds = {"destroy": engine.outside_destroy, "crash": engine.outside_crash, "shutdown": engine.outside_shutdown}
        with suppress(LookupError):  # it went just now
            if machines:
                deeds[how](self._chance.choice(machines))
                return True
        return False


def _name(injection: Injection) -> str:
    name: str = injection.effect
    if injection.effect.startswith("error"):
        name += f" {injection.fault_class}"
    return f"{name} at observe" if injection.verb == "observe" else name
