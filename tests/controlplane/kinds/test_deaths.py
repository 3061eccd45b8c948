"""Laws of every workflow: killed and resumed at every place where a process may be killed, it ends as if nothing had been."""

import pytest
from tests.controlplane.kinds.mortal import PLACES, Boundaries, MortalCloud, at_each_place, die
from tests.controlplane.kinds.scenarios import SCENARIOS, Scenario, check_success
from tests.controlplane.resources.test_claims import recount

every_workflow = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)


@every_workflow
async def test_killed_anywhere_it_is_resumed_and_ends_well(mortal: MortalCloud, scenario: Scenario) -> None:
    async def run(boundaries: Boundaries) -> None:
        await scenario.prepare(mortal)
        mortal.expect(boundaries)
        job_id = await mortal.begin(scenario)
        await mortal.finish()
        await check_success(mortal, job_id)
        await recount(mortal)

    places = await at_each_place(mortal, die, run)
    assert set(places) >= PLACES
