"""Schemathesis on all three documents, in several roles: no server error, no answer that the documents do not tell of.

A short run with a fixed seed belongs to `make test`; `make fuzz` is a long one, and prints its seed.
"""

import os
import time

import pytest
from tests.controlplane.conftest import cloud
from tests.controlplane.gateway.conftest import Api, api
from tests.fuzz.fuzzer import Fuzzer, Report, targets
from tests.fuzz.world import World

from groundplane.controlplane.gateway import console

__all__ = ["api", "cloud"]

CASES = int(os.environ.get("FUZZ_CASES", "430"))
SECONDS = float(os.environ.get("FUZZ_SECONDS", "45"))
SEED = int(os.environ.get("FUZZ_SEED", "4"))
A_ROUND = 20
"""How many cases an operation gets at most before the world is made anew: they spend it."""


@pytest.mark.slow
@pytest.mark.timeout(SECONDS * 2 + 60)
async def test_the_api_does_what_its_documents_say(
    api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "ANSWER_SECONDS", 0.02)  # there is no agent that would answer
    began, report, found = time.monotonic(), Report(), targets(api.app)
    rounds = -(-CASES // (A_ROUND * len(found)))
    for number in range(rounds):
        fuzzer = Fuzzer(await World.furnish(api, number), report, began + SECONDS)
        await fuzzer.run(found, cases=max(1, CASES // (rounds * len(found))), number=SEED + number)
        await api.cloud.execute("DELETE FROM traffic_rule")
    with capsys.disabled():
        print(f"\nseed {SEED}, {time.monotonic() - began:.0f} s\n{report.summary()}")  # noqa: T201  # what `make fuzz` shows
    assert not report.findings, f"seed {SEED}:\n" + "\n".join(report.findings.values())
    assert len(report.reached) > len(report.answers) // 2, "most operations were never reached"
