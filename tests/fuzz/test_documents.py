"""Schemathesis on all three documents, in several roles: no server error, no answer that the documents do not tell of.

A short run with a fixed seed belongs to `make test`; `make fuzz` is a long one, and prints its seed.
"""

import os
from collections.abc import Iterator

import pytest
from tests.controlplane.conftest import cloud
from tests.controlplane.gateway.conftest import Api, api
from tests.fuzz.fuzzer import Fuzzer, Report, targets
from tests.fuzz.world import World

from groundplane.controlplane.gateway import console

__all__ = ["api", "cloud"]

CASES = int(os.environ.get("FUZZ_CASES", "430"))
SECONDS = float(os.environ.get("FUZZ_SECONDS", "40"))
SEED = int(os.environ.get("FUZZ_SEED", "4"))
A_ROUND = 2000
"""How many cases one world is good for: they spend it."""
ROUNDS = -(-CASES // A_ROUND)


@pytest.fixture(scope="module")
def total(request: pytest.FixtureRequest) -> Iterator[Report]:
    """What all rounds found together; shown in the end."""
    total = Report()
    yield total
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\nseed {SEED}\n{total.summary()}")  # noqa: T201  # what `make fuzz` shows


@pytest.fixture
def seconds_left(total: Report) -> float:
    """For this round; without any it is skipped, before a cloud is built for it."""
    if total.seconds >= SECONDS:
        pytest.skip(f"{SECONDS:g} seconds are over")
    return SECONDS - total.seconds


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 240)
@pytest.mark.parametrize("number", range(ROUNDS))
async def test_the_api_does_what_its_documents_say(
    number: int, seconds_left: float, api: Api, total: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "ANSWER_SECONDS", 0.02)  # there is no agent that would answer
    found = targets(api.app)
    fuzzer = Fuzzer(await World.furnish(api), seconds_left)
    await fuzzer.run(found, cases=max(1, CASES // ROUNDS // len(found)), number=SEED + number)
    report = fuzzer.report
    total.add(report)
    assert not report.findings, f"seed {SEED}, round {number}:\n" + "\n".join(report.findings.values())
    if report.cases > 4 * len(found):  # else time was over before all were tried in earnest
        assert len(report.reached) > len(found) // 2, f"most operations were never reached:\n{report.summary()}"
