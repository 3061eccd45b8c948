"""A short run of `make chaos`: one round with real processes."""

import pytest
from tests.chaos.__main__ import report, say
from tests.chaos.storm import storm

SEED = 5
ROUND_SECONDS = 14.0


@pytest.mark.slow
@pytest.mark.timeout(420)
async def test_a_short_storm_leaves_everything_as_it_should_be() -> None:
    tally = await storm(SEED, 1.0, say, round_seconds=ROUND_SECONDS)
    say("\n".join(report(tally)))
    assert tally.violations == [], f"seed {SEED}, logs in {tally.logs}"
    assert tally.kills.total() >= 6
    assert all(tally.kills[victim] for victim in ("api", "worker", "agent", "nats", "postgres", "supervisor")), tally.kills
    assert tally.faults >= 20
    assert tally.requests["accepted"] >= 10
