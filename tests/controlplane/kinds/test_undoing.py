"""Laws of every workflow: cancelled at any place, all is as before the request; or it is refused and changes nothing."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

import pytest
from tests.controlplane.kinds.mortal import (
    AFTER_COMMIT,
    APPLIED,
    BEFORE_COMMIT,
    OPERATED,
    PUBLISHED,
    REPORTED,
    STOP_PUBLISHED,
    Boundaries,
    KilledError,
    MortalCloud,
    at_each_place,
    die,
)
from tests.controlplane.kinds.scenarios import SCENARIOS, Scenario, check_engine, check_success
from tests.controlplane.kinds.test_laws import reconcile
from tests.controlplane.resources.test_claims import recount

from groundplane.contracts.faults import FaultClass
from groundplane.controlplane.jobs.engine import JobEndedError, NotCancellableError
from groundplane.dataplane.providers.simulated import Injection

LIVING_PLACES = {AFTER_COMMIT, PUBLISHED, OPERATED, REPORTED, APPLIED}
UNDOABLE = [scenario for scenario in SCENARIOS if scenario.undoable]
OTHERS = [scenario for scenario in SCENARIOS if not scenario.undoable]
every_undoable = pytest.mark.parametrize("scenario", UNDOABLE, ids=lambda scenario: scenario.name)
every_other = pytest.mark.parametrize("scenario", OTHERS, ids=lambda scenario: scenario.name)


def test_what_can_be_undone_follows_from_the_verb() -> None:
    """A delete is final and a correction is nobody's wish; else only the growth of a volume cannot be taken back."""
    final = {scenario.name for scenario in OTHERS if scenario.verb not in {"delete", "correct"}}
    assert final == {"volume-update"}
    assert all(scenario.verb not in {"delete", "correct"} for scenario in UNDOABLE)


@dataclass
class Cancelling:
    """A cancel of the newest job, as a deed; and what came of it."""

    cloud: MortalCloud
    accepted: list[UUID] = field(default_factory=list)
    refused: list[type[Exception]] = field(default_factory=list)

    async def __call__(self, _place: str = "") -> None:
        """Cancel, unless the request is not there yet."""
        job_id = await self.cloud.newest_job()
        assert job_id is not None
        contents = await self.cloud.contents()
        try:
            await self.cloud.cancel(job_id)
        except (JobEndedError, NotCancellableError) as refusal:
            self.refused.append(type(refusal))
            assert await self.cloud.contents() == contents
        else:
            self.accepted.append(job_id)

    async def after_a_death(self, place: str) -> None:
        """The process is killed; nothing that follows in it is done. Then the cancel comes."""
        with suppress(JobEndedError, NotCancellableError):
            await self(place)
        raise KilledError(place)


async def check_undone(cloud: MortalCloud, job_id: UUID, before: Mapping[str, object]) -> None:
    """The job ended as cancelled, and what is held is what was held before it."""
    job = await cloud.job(job_id)
    assert job.error is not None
    assert (job.state, job.error["code"], job.error["fault_class"]) == ("FAILED", "cancelled", "permanent")
    if job.verb == "bulk":
        await _take_away_what_was_made_before(cloud, job_id)
    assert await cloud.holdings() == before
    assert await cloud.value("SELECT count(*) FROM report_set_aside") == 0
    await check_engine(cloud)
    await recount(cloud)


async def _take_away_what_was_made_before(cloud: MortalCloud, parent_id: UUID) -> None:
    """Of a parent's jobs, those that had ended before the cancel keep what they made; all others are undone."""
    for row in await cloud.fetch(
        "SELECT resource_id, state, error ->> 'code' AS code FROM job WHERE parent_id = $1", parent_id
    ):
        resource = await cloud.resource(row["resource_id"])
        if row["state"] == "SUCCEEDED":
            assert resource.status == "active"
            await cloud.deleted(resource.id)
        else:
            assert (row["code"], resource.status) == ("cancelled", "deleted")


async def _check(cloud: MortalCloud, cancelling: Cancelling, before: Mapping[str, object]) -> None:
    job_id = await cloud.newest_job()
    assert job_id is not None
    children = await cloud.fetch("SELECT state FROM job WHERE parent_id = $1", job_id)
    all_made = bool(children) and all(row["state"] == "SUCCEEDED" for row in children)
    if cancelling.accepted and not all_made:
        await check_undone(cloud, job_id, before)
    else:
        assert set(cancelling.refused) <= {JobEndedError}
        await check_success(cloud, job_id)


@every_undoable
async def test_cancelled_anywhere_all_is_as_before(mortal: MortalCloud, scenario: Scenario) -> None:
    accepted = 0

    async def run(boundaries: Boundaries) -> None:
        nonlocal accepted
        await scenario.prepare(mortal)
        before = await mortal.holdings()
        boundaries.deed = cancelling = Cancelling(mortal)
        mortal.expect(boundaries)
        await mortal.begin(scenario)
        await mortal.finish()
        await _check(mortal, cancelling, before)
        accepted += len(cancelling.accepted)

    places = await at_each_place(mortal, die, run, skipped={BEFORE_COMMIT, STOP_PUBLISHED})
    assert set(places) >= LIVING_PLACES
    assert accepted >= 4  # after the commit and the publish of the request, an operation, and its report


@every_undoable
async def test_killed_anywhere_and_then_cancelled_all_is_as_before(mortal: MortalCloud, scenario: Scenario) -> None:
    async def run(boundaries: Boundaries) -> None:
        await scenario.prepare(mortal)
        before = await mortal.holdings()
        cancelling = Cancelling(mortal)
        boundaries.deed = cancelling.after_a_death
        mortal.expect(boundaries)
        await mortal.begin(scenario)
        await mortal.finish()
        await _check(mortal, cancelling, before)

    await at_each_place(mortal, die, run, skipped={BEFORE_COMMIT, STOP_PUBLISHED})


@every_undoable
async def test_an_undo_that_is_killed_anywhere_is_resumed_and_a_second_cancel_changes_nothing(
    mortal: MortalCloud, scenario: Scenario
) -> None:
    """The cancel comes while the agent's report is on its way."""

    async def run(boundaries: Boundaries) -> None:
        await scenario.prepare(mortal)
        before = await mortal.holdings()
        await scenario.ask(mortal)
        job_id = await mortal.newest_job()
        assert job_id is not None
        mortal.mail.append(await mortal.carry_out(mortal.tasks[0]))
        mortal.expect(boundaries)
        try:
            await mortal.cancel(job_id)
        except KilledError:
            with boundaries.unseen():
                await mortal.cancel(job_id)  # the user got no answer, and asks again
        with boundaries.unseen():
            contents = await mortal.contents()
            await mortal.cancel(job_id)
            assert await mortal.contents() == contents
        await mortal.finish()
        await check_undone(mortal, job_id, before)
        with pytest.raises(JobEndedError):
            await mortal.cancel(job_id)

    places = await at_each_place(mortal, die, run)
    assert set(places) >= {BEFORE_COMMIT, AFTER_COMMIT, STOP_PUBLISHED, OPERATED, REPORTED, APPLIED}


@every_undoable
@pytest.mark.parametrize("fault_class", ["transient", "permanent"])
async def test_an_undo_is_tried_until_it_is_done(mortal: MortalCloud, scenario: Scenario, fault_class: FaultClass) -> None:
    await scenario.prepare(mortal)
    before = await mortal.holdings()
    await scenario.ask(mortal)
    job_id = await mortal.newest_job()
    assert job_id is not None
    mortal.mail.append(await mortal.carry_out(mortal.tasks.pop(0)))
    await mortal.cancel(job_id)
    mortal.engine.injections.add(Injection("error", fault_class=fault_class, count=8))
    mortal.engine.injections.add(Injection("error_after", fault_class=fault_class, count=2))
    await mortal.finish()
    await check_undone(mortal, job_id, before)


@every_undoable
async def test_a_delete_of_what_is_being_undone_leaves_nothing(mortal: MortalCloud, scenario: Scenario) -> None:
    await scenario.prepare(mortal)
    outcome = await scenario.ask(mortal)
    job_id = await mortal.newest_job()
    assert job_id is not None
    mortal.mail.append(await mortal.carry_out(mortal.tasks.pop(0)))
    await mortal.cancel(job_id)
    await mortal.delete(outcome.resource.id)
    await mortal.finish()
    job = await mortal.job(job_id)
    assert job.error is not None
    assert (job.state, job.error["code"]) in {("FAILED", "cancelled"), ("FAILED", "superseded")}
    assert (await mortal.resource(outcome.resource.id)).status == "deleted"
    await check_engine(mortal)
    await recount(mortal)


@every_undoable
async def test_a_cancel_waits_for_no_agent_for_ever(mortal: MortalCloud, scenario: Scenario) -> None:
    """The agent was cut off: it never says that it stopped, and what it does late is refused."""
    await scenario.prepare(mortal)
    before = await mortal.holdings()
    await scenario.ask(mortal)
    job_id = await mortal.newest_job()
    assert job_id is not None
    slow = [mortal.tasks.pop(0) for _ in list(mortal.tasks)]
    await mortal.cancel(job_id)
    assert len(mortal.stops) == len(slow)
    assert not mortal.tasks  # nobody else is asked while the agent may be at work
    await mortal.finish()
    await check_undone(mortal, job_id, before)
    for task in slow:
        late = await mortal.carry_out(task)
        assert late.fault is not None
        assert late.fault.code == "stale_fence"
        await mortal.report(late)
    await check_undone(mortal, job_id, before)


@every_undoable
async def test_an_undo_that_cannot_end_in_time_is_brought_to_its_end_by_the_reconciler(
    mortal: MortalCloud, scenario: Scenario
) -> None:
    await scenario.prepare(mortal)
    await mortal.look()
    before = await mortal.holdings()
    await scenario.ask(mortal)
    job_id = await mortal.newest_job()
    assert job_id is not None
    mortal.mail.append(await mortal.carry_out(mortal.tasks.pop(0)))
    await mortal.cancel(job_id)
    refusal = mortal.engine.injections.add(Injection("error", fault_class="permanent"))
    for _ in range(200):
        if not await mortal.value("SELECT count(*) FROM job WHERE ended_at IS NULL"):
            break
        await mortal.run()
        await mortal.pass_time(61)
        await mortal.resume()
    of = "(id = $1 AND verb <> 'bulk') OR parent_id = $1"
    codes = await mortal.fetch(f"SELECT DISTINCT error ->> 'code' AS code FROM job WHERE {of}", job_id)  # noqa: S608
    assert [row["code"] for row in codes] == ["undo_incomplete"]
    assert await mortal.value("SELECT count(*) FROM resource WHERE status = 'error'") > 0

    mortal.engine.injections.clear(refusal)
    await reconcile(mortal)
    await mortal.look()  # a port's card is seen when the machine is back
    assert await mortal.holdings() == before
    await check_engine(mortal)
    await recount(mortal)


@every_other
async def test_a_cancel_of_what_cannot_be_undone_is_refused_anywhere_and_changes_nothing(
    mortal: MortalCloud, scenario: Scenario
) -> None:
    refused = 0

    async def run(boundaries: Boundaries) -> None:
        nonlocal refused
        await scenario.prepare(mortal)
        boundaries.deed = cancelling = Cancelling(mortal)
        mortal.expect(boundaries)
        job_id = await mortal.begin(scenario)
        await mortal.finish()
        assert not cancelling.accepted
        refused += cancelling.refused.count(NotCancellableError)
        assert not mortal.stops
        await check_success(mortal, job_id)

    places = await at_each_place(mortal, die, run, skipped={BEFORE_COMMIT})
    assert set(places) >= LIVING_PLACES
    assert refused >= 4
