"""A seed makes a schedule, always the same one, and a full run of it kills and harms as much as it is to."""

from collections import Counter

import pytest
from tests.chaos.schedule import KILL_EVERY_SECONDS, plan
from tests.chaos.storm import GOALS, ROUND_SECONDS

ROUNDS = 9
"""Of ten minutes, at least."""


def test_a_seed_makes_one_schedule() -> None:
    assert plan(1, 2, ROUND_SECONDS) == plan(1, 2, ROUND_SECONDS)
    assert len({str(plan(seed, number, ROUND_SECONDS)) for seed in range(3) for number in range(3)}) == 9


@pytest.mark.parametrize("seed", range(5))
def test_a_full_run_strikes_often_enough(seed: int) -> None:
    actions = [action for number in range(ROUNDS) for action in plan(seed, number, ROUND_SECONDS)]
    kills = Counter(action.arguments["part"] for action in actions if action.what == "kill")
    assert kills.keys() == KILL_EVERY_SECONDS.keys()
    assert min(kills.values()) >= GOALS["kills of each kind"]
    assert kills.total() >= GOALS["kills"]
    assert {action.what for action in actions} == {"kill", "restart_nats", "twin", "freeze", "late", "inject", "tamper"}
    assert all(0 <= action.at <= ROUND_SECONDS for action in actions)
