"""What happens when in a round: a function of the seed and the round's number, written down before the round begins."""

import random
from dataclasses import dataclass, field
from typing import Any, Literal

What = Literal["kill", "restart_nats", "twin", "freeze", "late", "inject", "tamper"]
Victim = Literal["api", "worker", "agent", "nats", "postgres", "supervisor"]

KILL_EVERY_SECONDS: dict[Victim, float] = {
    "api": 13.0,
    "worker": 8.0,
    "agent": 9.0,
    "nats": 9.0,
    "postgres": 12.0,
    "supervisor": 15.0,
}
"""How often each sort of process is killed, on average."""

FROZEN_SECONDS = 12.0
"""Longer than an agent's lease."""

FAULTS: tuple[dict[str, Any], ...] = (
    {"effect": "error", "fault_class": "transient", "code": "busy", "count": 4, "probability": 0.3},
    {"effect": "error", "fault_class": "transient", "code": "unreachable", "count": 4, "probability": 0.3},
    {"effect": "error", "fault_class": "permanent", "code": "refused", "count": 1, "probability": 0.1},
    {"effect": "error_after", "fault_class": "transient", "code": "answer_lost", "count": 3, "probability": 0.3},
    {"effect": "error_after", "fault_class": "permanent", "code": "refused_after", "count": 1, "probability": 0.1},
    {"effect": "crash_before", "verb": "ensure", "count": 1, "probability": 0.2},
    {"effect": "crash_after", "count": 1, "probability": 0.2},
    {"effect": "hang", "count": 1, "probability": 0.1},
    {"effect": "latency", "count": 8, "probability": 0.5, "seconds": 0.2, "sigma": 1.0},
    {"effect": "lost_event", "verb": "event", "count": 2},
    {"effect": "error", "verb": "observe", "code": "blind", "count": 1},
)
"""Faults of the engine, of which each wave orders all. `count` calls are hit, each with the probability."""

WAVE_SECONDS = 7.0


@dataclass(frozen=True)
class Action:
    """Do `what`, so many seconds after the round began."""

    at: float
    what: What
    arguments: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """As in a log."""
        return f"{self.at:6.2f} {self.what} {' '.join(f'{key}={value}' for key, value in self.arguments.items())}"


def plan(seed: int, number: int, seconds: float) -> list[Action]:
    """The actions of round `number`, in the order of time. `seconds` is how long the round is."""
    chance = random.Random(f"{seed}/round/{number}")  # noqa: S311 - chance, not secrecy
    actions = [*_kills(chance, seconds), *_faults(chance, seconds), *_hands(chance, seconds)]
    return sorted(actions, key=lambda action: action.at)


def _kills(chance: random.Random, seconds: float) -> list[Action]:
    found = []
    for victim, period in KILL_EVERY_SECONDS.items():
        expected = seconds / period
        count = int(expected) + (chance.random() < expected % 1)
        for number in range(count):
            at = (number + chance.uniform(0.05, 0.95)) * seconds / count
            found.append(Action(at, "kill", {"part": victim, "pause": _pause(chance)}))
    if chance.random() < 0.6:
        found.append(Action(chance.uniform(0, seconds), "restart_nats", {"pause": _pause(chance)}))
    return found


def _pause(chance: random.Random) -> float:
    """How long what nobody else starts again stays away: mostly a moment, at times longer."""
    return round(min(chance.expovariate(2.0), 4.0), 2)


def _faults(chance: random.Random, seconds: float) -> list[Action]:
    found = []
    at = 0.0
    while at < seconds - 2:
        for fault in FAULTS:
            more = {"seconds": round(chance.uniform(2, 9), 1)} if fault["effect"] == "hang" else {}
            found.append(Action(at + chance.uniform(0, WAVE_SECONDS / 2), "inject", {**fault, **more}))
        at += WAVE_SECONDS
    return found


def _hands(chance: random.Random, seconds: float) -> list[Action]:
    """What goes on beside: a second agent, an agent that sleeps past its lease, old tasks, people at the hosts."""
    found = [Action(chance.uniform(0, seconds), "tamper", {"how": chance.choice(["destroy", "crash", "shutdown"])})]
    found += [
        Action(
            chance.uniform(seconds / 4, seconds), "late", {"age": round(chance.choice([1, 10]) * chance.uniform(0.5, 10), 1)}
        )
        for _ in range(round(seconds / 4))
    ]
    at = chance.uniform(0, seconds / 3)
    if chance.random() < 0.9:
        found.append(Action(at, "twin"))
    if chance.random() < 0.7:
        found.append(Action(at + 1, "freeze", {"seconds": FROZEN_SECONDS + round(chance.uniform(0, 3), 1)}))
    return found
