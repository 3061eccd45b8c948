"""Retries: by hand, by the pauses of a workflow, and within deadlines."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.controlplane.cloud import Cloud
from tests.controlplane.jobs.scenes import (
    PERMANENT,
    TRANSIENT,
    children_of,
    error_of,
    fail,
    start_network,
    start_networks,
)
from tests.controlplane.kinds.scenarios import check_engine
from tests.controlplane.resources.test_claims import recount
from tests.controlplane.scenes import boot_machine, machine, prepare

from groundplane.controlplane.compute.vm import VM
from groundplane.controlplane.jobs.engine import BACKOFF_BASE_SECONDS, ChangeInProgressError, JobNotFoundError
from groundplane.controlplane.network.network import NETWORK
from groundplane.controlplane.network.security_group import SECURITY_GROUP, Rule, SecurityGroupSpec
from groundplane.controlplane.resources.problems import NotRetryableError
from groundplane.kernel.ids import new_id

# By hand.


async def test_a_job_that_waits_for_its_next_try_does_not_wait_any_longer(cloud: Cloud) -> None:
    job, task = await start_network(cloud)
    await fail(cloud, task, TRANSIENT)
    await cloud.execute("UPDATE job SET next_at = now() + interval '1 hour' WHERE id = $1", job.id)
    assert await cloud.resume() == 0
    assert (await cloud.retry(job.id)).id == job.id
    assert await cloud.resume() == 1
    await cloud.run()
    assert (await cloud.job(job.id)).state == "SUCCEEDED"
    assert await cloud.value("SELECT count(*) FROM job_event WHERE what = 'retry_requested'") == 1


async def test_what_failed_is_tried_again_by_a_new_job_for_the_same_wish(cloud: Cloud) -> None:
    job, task = await start_network(cloud)
    await fail(cloud, task)
    again = await cloud.retry(job.id)
    assert again.id != job.id
    assert (again.workflow, again.verb, again.resource_id) == (job.workflow, "create", job.resource_id)
    await cloud.run()
    assert (await cloud.job(again.id)).state == "SUCCEEDED"
    assert (await cloud.job(job.id)).state == "FAILED"  # it stays as it was
    assert (await cloud.resource(job.resource_id)).status == "active"


async def test_a_machine_is_tried_again_with_all_that_comes_with_it(cloud: Cloud) -> None:
    await prepare(cloud)
    outcome = await cloud.make(VM, machine())
    assert outcome.job is not None
    await fail(cloud, cloud.tasks.pop())
    again = await cloud.retry(outcome.job.id)
    assert await cloud.value("SELECT count(*) FROM change_claim WHERE job_id = $1", again.id) == 3
    await cloud.run()
    assert (await cloud.job(again.id)).state == "SUCCEEDED"
    assert await cloud.value("SELECT count(*) FROM resource WHERE status <> 'active'") == 0
    await check_engine(cloud)
    await recount(cloud)


async def test_a_delete_is_tried_again_with_all_that_goes_with_it(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    deletion = (await cloud.delete(vm.id)).job
    assert deletion is not None
    await fail(cloud, cloud.tasks.pop())
    assert (await cloud.retry(deletion.id)).verb == "delete"
    await cloud.run()
    assert await cloud.value("SELECT count(*) FROM resource WHERE kind IN ('vm', 'volume', 'port') AND deleted_at IS NULL") == 0
    await check_engine(cloud)
    await recount(cloud)


async def test_an_update_is_tried_again_as_it_is_wanted_now(cloud: Cloud) -> None:
    group = await cloud.made(SECURITY_GROUP, SecurityGroupSpec())
    job = (await cloud.change(group.id, SecurityGroupSpec(rules=[Rule(direction="egress")]))).job
    assert job is not None
    await fail(cloud, cloud.tasks.pop())
    assert (await cloud.retry(job.id)).verb == "update"
    await cloud.run()
    assert (await cloud.resource(group.id)).status == "active"


async def test_a_second_retry_meets_the_first(cloud: Cloud) -> None:
    job, task = await start_network(cloud)
    await fail(cloud, task)
    await cloud.retry(job.id)
    with pytest.raises(ChangeInProgressError):
        await cloud.retry(job.id)


async def test_what_is_not_wanted_any_more_is_not_tried_again(cloud: Cloud) -> None:
    job, task = await start_network(cloud)
    await fail(cloud, task)
    await cloud.delete(job.resource_id)
    with pytest.raises(NotRetryableError, match="not wanted any more"):
        await cloud.retry(job.id)
    await cloud.run()
    with pytest.raises(NotRetryableError, match="not wanted any more"):
        await cloud.retry(job.id)


async def test_what_was_cancelled_is_not_tried_again(cloud: Cloud) -> None:
    job, _ = await start_network(cloud)
    await cloud.cancel(job.id)
    await cloud.settle()
    with pytest.raises(NotRetryableError, match="not wanted any more"):
        await cloud.retry(job.id)


async def test_what_is_at_work_or_done_is_not_tried_again(cloud: Cloud) -> None:
    job, task = await start_network(cloud)
    with pytest.raises(NotRetryableError, match="RUNNING: it is at work already"):
        await cloud.retry(job.id)
    await cloud.report(await cloud.carry_out(task))
    with pytest.raises(NotRetryableError, match="SUCCEEDED"):
        await cloud.retry(job.id)
    with pytest.raises(JobNotFoundError):
        await cloud.retry(new_id())


async def test_a_parent_is_not_tried_again_but_its_children_are(cloud: Cloud) -> None:
    _, parent = await start_networks(cloud, 2)
    await fail(cloud, cloud.tasks.pop(0))
    await cloud.run()
    await cloud.resume()
    with pytest.raises(NotRetryableError, match="only single jobs"):
        await cloud.retry(parent.id)
    first, _ = await children_of(cloud, parent)
    await cloud.retry(first.id)
    await cloud.run()
    assert (await cloud.resource(first.resource_id)).status == "active"


# By itself.


async def test_pauses_grow_up_to_the_longest_of_the_workflow(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """With full jitter: anything from nothing to the ceiling, here always the ceiling."""
    ceilings: list[float] = []

    def longest(_least: float, most: float) -> float:
        ceilings.append(most)
        return most

    monkeypatch.setattr("random.uniform", longest)
    patient = replace_workflow(cloud, tries=8, longest_pause=timedelta(seconds=5))
    job, task = await start_network(cloud)
    for number in range(patient - 1):
        await fail(cloud, task, TRANSIENT)
        pause = (await cloud.job(job.id)).next_at
        assert pause is not None
        assert (pause - await cloud.now()).total_seconds() == pytest.approx(ceilings[-1], abs=0.5)
        await cloud.pass_time(61)
        await cloud.resume()
        task = cloud.tasks.pop()
        assert (await cloud.job(job.id)).attempt == number + 2
    assert ceilings == [1, 2, 4, 5, 5, 5, 5]
    assert ceilings[0] == 2 * BACKOFF_BASE_SECONDS
    await fail(cloud, task, TRANSIENT)
    assert (await cloud.job(job.id)).state == "FAILED"


def replace_workflow(cloud: Cloud, *, tries: int, longest_pause: timedelta) -> int:
    """Have networks made more patiently; how often they are tried."""
    assert NETWORK.on_create is not None
    other = replace(NETWORK.on_create, tries=tries, longest_pause=longest_pause)
    flows = dict(cloud.platform.engine.workflows) | {(other.name, other.version): other}
    object.__setattr__(cloud.platform.engine, "workflows", flows)
    return tries


async def test_a_pause_that_would_pass_the_deadline_is_not_begun(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda _least, most: most)
    job, task = await start_network(cloud)
    await cloud.execute("UPDATE job SET deadline = now() + interval '0.9 seconds' WHERE id = $1", job.id)
    await fail(cloud, task, TRANSIENT)
    assert (await cloud.job(job.id)).state == "FAILED"
    assert await error_of(cloud, job) == TRANSIENT.model_dump()


async def test_a_deadline_tells_the_last_error(cloud: Cloud) -> None:
    job, task = await start_network(cloud)
    await fail(cloud, task, TRANSIENT)
    await cloud.pass_time(3600)
    await cloud.resume()
    error = await error_of(cloud, job)
    assert (error["code"], error["fault_class"]) == ("deadline_exceeded", "permanent")
    assert "The last error was: Busy." in error["message"]
    assert error["message"].endswith("delete the resource or try again.")


async def test_every_kind_of_fault_is_noted_with_its_step_and_attempt(cloud: Cloud) -> None:
    job, task = await start_network(cloud)
    await fail(cloud, task, TRANSIENT)
    await cloud.pass_time(61)
    await cloud.resume()
    await fail(cloud, cloud.tasks.pop(), PERMANENT)
    rows = await cloud.fetch(
        """SELECT step, attempt, detail -> 'fault' ->> 'code' AS code, detail -> 'fault' ->> 'fault_class' AS sort
           FROM job_event WHERE job_id = $1 AND what IN ('retrying', 'failed') ORDER BY number""",
        job.id,
    )
    assert [tuple(row) for row in rows] == [
        ("ensure", 1, "engine_busy", "transient"),
        ("ensure", 2, "engine_refused", "permanent"),
    ]
