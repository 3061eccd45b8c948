"""The laws that every workflow of every kind inherits: whatever is lost, doubled, late or killed, the same end."""

from uuid import UUID

import pytest
from tests.controlplane.cloud import Cloud
from tests.controlplane.kinds.scenarios import CREATIONS, SCENARIOS, Scenario, check_end, check_engine

from groundplane.contracts.reports import Report
from groundplane.contracts.tasks import Task
from groundplane.dataplane.providers.simulated import Injection
from groundplane.processes.catalog import KINDS, WORKFLOWS

every_workflow = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
at_each_task = pytest.mark.parametrize(
    ("scenario", "number"),
    [
        pytest.param(scenario, number, id=f"{scenario.name}-task{number}")
        for scenario in SCENARIOS
        for number in range(1, scenario.tasks + 1)
    ],
)


def test_every_workflow_is_here() -> None:
    assert {scenario.workflow for scenario in SCENARIOS} == {name for name, _version in WORKFLOWS}


def test_every_kind_that_engines_hold_is_here() -> None:
    assert set(CREATIONS) == {kind.name for kind in KINDS if kind.inventory}


@every_workflow
async def test_it_ends_well(cloud: Cloud, scenario: Scenario) -> None:
    await scenario.prepare(cloud)
    outcome = await scenario.ask(cloud)
    await cloud.run()
    await cloud.resume()  # a parent whose last child ended was woken
    await check_end(cloud, outcome)
    assert outcome.job is not None
    assert await _events(cloud, outcome.job.id, "asked") == scenario.tasks


@every_workflow
async def test_doubled_tasks_and_reports_change_nothing(cloud: Cloud, scenario: Scenario) -> None:
    await scenario.prepare(cloud)
    outcome = await scenario.ask(cloud)
    old: list[Task] = []
    reports: list[Report] = []
    while cloud.tasks:
        task = cloud.tasks.pop(0)
        first, second = await cloud.carry_out(task), await cloud.carry_out(task)
        assert first.fault is None
        assert second.fault is None
        await cloud.report(first, second, first)
        reports += [first, second]
        for late in old:  # all earlier tasks once more, by an agent that was slow to wake
            reports.append(await cloud.carry_out(late))
        await cloud.report(*reports)
        old.append(task)
    await cloud.resume()
    await check_end(cloud, outcome)
    await cloud.report(*reports)
    await check_end(cloud, outcome)
    assert outcome.job is not None
    assert await _events(cloud, outcome.job.id, "reported") == len(old)


@at_each_task
async def test_a_lost_task_is_asked_again(cloud: Cloud, scenario: Scenario, number: int) -> None:
    await scenario.prepare(cloud)
    outcome = await scenario.ask(cloud)
    lost = await _until(cloud, number)
    await cloud.settle()
    await check_end(cloud, outcome)
    await _come_late(cloud, lost)
    await check_end(cloud, outcome)


@at_each_task
async def test_after_a_lost_report_the_work_is_done_again_without_harm(cloud: Cloud, scenario: Scenario, number: int) -> None:
    await scenario.prepare(cloud)
    outcome = await scenario.ask(cloud)
    lost = await cloud.carry_out(await _until(cloud, number))
    await cloud.settle()
    await check_end(cloud, outcome)
    await cloud.report(lost)
    await check_end(cloud, outcome)


@at_each_task
async def test_a_worker_killed_before_its_commit_has_done_nothing(cloud: Cloud, scenario: Scenario, number: int) -> None:
    await scenario.prepare(cloud)
    outcome = await scenario.ask(cloud)
    report = await cloud.carry_out(await _until(cloud, number))
    others = list(cloud.tasks)
    await _apply_and_die(cloud, report)
    assert cloud.tasks == others
    await cloud.report(report)  # never acknowledged, so it comes again
    await cloud.run()
    await cloud.resume()
    await check_end(cloud, outcome)


@every_workflow
@pytest.mark.parametrize("backwards", ["tasks", "reports"])
async def test_messages_may_overtake_one_another(cloud: Cloud, scenario: Scenario, backwards: str) -> None:
    """Each task is asked three times; the tasks, or the reports of them, come in the wrong order."""
    await scenario.prepare(cloud)
    outcome = await scenario.ask(cloud)
    for _ in range(2):
        await cloud.pass_time(61)
        await cloud.resume()
    tasks = cloud.tasks[::-1] if backwards == "tasks" else list(cloud.tasks)
    cloud.tasks.clear()
    reports = [await cloud.carry_out(task) for task in tasks]
    await cloud.report(*(reports[::-1] if backwards == "reports" else reports))
    await cloud.settle()
    await check_end(cloud, outcome)


@every_workflow
async def test_an_engine_that_fails_halfway_is_met_again(cloud: Cloud, scenario: Scenario) -> None:
    """Each operation once fails before its work and once after it; what was made before is found again."""
    await scenario.prepare(cloud)
    outcome = await scenario.ask(cloud)
    for verb in ("ensure", "remove"):
        cloud.engine.injections.add(Injection("error", verb=verb, count=1))
        cloud.engine.injections.add(Injection("error_after", verb=verb, count=2))
    await cloud.settle()
    await check_end(cloud, outcome)


@every_workflow
async def test_after_a_permanent_fault_it_ends_and_the_reconciler_brings_it_to_its_end(
    cloud: Cloud, scenario: Scenario
) -> None:
    """What is wanted stays wanted after a job failed."""
    await scenario.prepare(cloud)
    outcome = await scenario.ask(cloud)
    injection = cloud.engine.injections.add(Injection("error", fault_class="permanent"))
    await cloud.run()
    assert outcome.job is not None
    assert (await cloud.resource(outcome.resource.id)).status == "error"
    await cloud.resume()  # a parent looks at its children
    assert (await cloud.job(outcome.job.id)).state == "FAILED"
    cloud.engine.injections.clear(injection)
    await reconcile(cloud)
    assert await cloud.value("SELECT count(*) FROM resource WHERE status NOT IN ('active', 'deleted')") == 0
    await check_engine(cloud)


@every_workflow
async def test_a_delete_takes_its_place_at_any_time(cloud: Cloud, scenario: Scenario) -> None:
    await scenario.prepare(cloud)
    outcome = await scenario.ask(cloud)
    slow = cloud.tasks.pop(0)
    await cloud.delete(outcome.resource.id)
    report = await cloud.carry_out(slow)  # what was begun is finished first …
    await cloud.report(report)
    await cloud.settle()
    await _come_late(cloud, slow)  # … and is tried again when all is gone
    assert (await cloud.resource(outcome.resource.id)).status == "deleted"
    await check_engine(cloud)


async def _events(cloud: Cloud, job_id: UUID, what: str) -> int:
    """How often this happened to the job, or to a parent's jobs."""
    sql = "SELECT count(*) FROM job_event JOIN job ON job.id = job_id WHERE $1 IN (job.id, parent_id) AND what = $2"
    count: int = await cloud.value(sql, job_id, what)
    return count


async def _until(cloud: Cloud, number: int) -> Task:
    """Go on until the task of this number is out, and take it."""
    for _ in range(number - 1):
        await cloud.report(await cloud.carry_out(cloud.tasks.pop(0)))
    return cloud.tasks.pop(0)


async def _come_late(cloud: Cloud, task: Task) -> None:
    await cloud.report(await cloud.carry_out(task))


async def _apply_and_die(cloud: Cloud, report: Report) -> None:
    """Apply a report in a transaction that never commits."""

    class KilledError(Exception):
        """Stands for SIGKILL."""

    async def apply() -> None:
        async with cloud.database.transaction() as tx:
            await cloud.platform.engine.report(tx, [report])
            raise KilledError

    with pytest.raises(KilledError):
        await apply()


async def reconcile(cloud: Cloud) -> None:
    """Looks and corrections until all is as it should be."""
    for _ in range(12):
        await cloud.look()
        await cloud.reconciler.record_failures(cloud.database)
        await cloud.correct()
        await cloud.settle()
        if not await cloud.value("SELECT count(*) FROM resource WHERE status NOT IN ('active', 'deleted')"):
            return
        await cloud.pass_time(3600)
