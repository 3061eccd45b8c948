"""Cancelling: cooperative, at once taken back, undone until it is done. Laws of all workflows: `kinds/test_undoing`."""

import pytest
from tests.controlplane.cloud import Cloud
from tests.controlplane.jobs.scenes import PERMANENT, TRANSIENT, error_of, fail, start_network

from groundplane.controlplane.jobs.engine import (
    STOP_SECONDS,
    ChangeInProgressError,
    JobEndedError,
    JobNotFoundError,
    NotCancellableError,
)
from groundplane.controlplane.network.network import NETWORK
from groundplane.controlplane.network.security_group import SECURITY_GROUP, Rule, SecurityGroupSpec
from groundplane.controlplane.network.subnet import SUBNET, SubnetRequest
from groundplane.kernel.ids import new_id

RULES = SecurityGroupSpec(rules=[Rule(direction="egress")])


async def test_a_wish_is_taken_back_at_once_and_undone_when_the_agent_has_stopped(cloud: Cloud) -> None:
    job, task = await start_network(cloud)
    cancelled = await cloud.cancel(job.id)
    assert cancelled.cancel_requested_at is not None
    network = await cloud.resource(job.resource_id)
    assert (network.wanted, network.status) == ("absent", "deleting")
    (stop,) = cloud.stops
    assert (stop.task_id, stop.fence) == (job.id, task.fence)
    assert not cloud.tasks  # it may still be at work

    await cloud.report(await cloud.carry_out(task))
    (removal,) = cloud.tasks
    assert [operation.verb for operation in removal.operations] == ["remove"]
    assert removal.fence > task.fence
    undoing = await cloud.job(job.id)
    assert (undoing.state, undoing.undoing, undoing.undo_workflow) == ("RUNNING", True, "network.delete")
    await cloud.run()
    assert (await error_of(cloud, job))["code"] == "cancelled"
    assert (await cloud.resource(job.resource_id)).status == "deleted"


@pytest.mark.parametrize("fault", [TRANSIENT, PERMANENT], ids=["transient", "permanent"])
async def test_a_task_that_failed_when_it_was_stopped_is_undone_too(cloud: Cloud, fault: object) -> None:
    job, task = await start_network(cloud)
    await cloud.cancel(job.id)
    await cloud.report(cloud.answer(task, fault=fault))  # type: ignore[arg-type]
    await cloud.run()
    assert (await error_of(cloud, job))["code"] == "cancelled"


async def test_progress_of_a_stopped_task_does_not_put_off_its_undo(cloud: Cloud) -> None:
    job, task = await start_network(cloud)
    await cloud.cancel(job.id)
    await cloud.report(cloud.answer(task).model_copy(update={"outcome": "progress"}))
    await cloud.pass_time(STOP_SECONDS)
    assert await cloud.resume() == 1
    assert len(cloud.tasks) == 1


async def test_no_stop_goes_out_when_nothing_is_asked(cloud: Cloud) -> None:
    """A job that waits for its next try is undone at once."""
    job, task = await start_network(cloud)
    await fail(cloud, task, TRANSIENT)
    await cloud.cancel(job.id)
    assert not cloud.stops
    assert len(cloud.tasks) == 1
    await cloud.run()
    assert (await error_of(cloud, job))["code"] == "cancelled"


async def test_what_is_cancelled_keeps_its_claims_until_absence_is_confirmed(cloud: Cloud) -> None:
    job, task = await start_network(cloud)
    await cloud.cancel(job.id)
    assert (await cloud.used()).get("networks") == 1
    await cloud.report(await cloud.carry_out(task))
    assert (await cloud.used()).get("networks") == 1
    await cloud.run()
    assert "networks" not in await cloud.used()


async def test_an_update_goes_back_to_what_was_reached_last(cloud: Cloud) -> None:
    group = await cloud.made(SECURITY_GROUP, RULES)
    outcome = await cloud.change(group.id, SecurityGroupSpec())
    assert outcome.job is not None
    await cloud.cancel(outcome.job.id)
    back = await cloud.resource(group.id)
    assert (back.spec, back.status) == (group.spec, "updating")
    assert back.generation > outcome.resource.generation  # a newer wish, as the engine sees it
    await cloud.report(await cloud.carry_out(cloud.tasks.pop()))
    await cloud.run()
    again = await cloud.resource(group.id)
    assert (again.status, again.spec, again.observed_generation) == ("active", group.spec, again.generation)
    assert (await error_of(cloud, outcome.job))["code"] == "cancelled"


async def test_after_an_update_that_failed_a_cancel_goes_back_to_what_was_reached_before_both(cloud: Cloud) -> None:
    group = await cloud.made(SECURITY_GROUP, RULES)
    await cloud.change(group.id, SecurityGroupSpec())
    await fail(cloud, cloud.tasks.pop())
    second = await cloud.change(group.id, SecurityGroupSpec(rules=[Rule(direction="ingress")]))
    assert second.job is not None
    await cloud.cancel(second.job.id)
    await cloud.settle()
    assert (await cloud.resource(group.id)).spec == group.spec


async def test_what_something_uses_by_now_is_not_taken_back(cloud: Cloud) -> None:
    job, _ = await start_network(cloud)
    await cloud.make(SUBNET, SubnetRequest(network=NETWORK.public_id(job.resource_id), cidr="10.0.0.0/24"), name="user")
    contents = await cloud.contents()
    with pytest.raises(NotCancellableError, match="Something else uses what this job makes"):
        await cloud.cancel(job.id)
    assert await cloud.contents() == contents
    assert not cloud.stops


async def test_a_new_wish_for_what_is_being_undone_is_refused(cloud: Cloud) -> None:
    group = await cloud.made(SECURITY_GROUP, RULES)
    outcome = await cloud.change(group.id, SecurityGroupSpec())
    assert outcome.job is not None
    await cloud.cancel(outcome.job.id)
    with pytest.raises(ChangeInProgressError):
        await cloud.change(group.id, SecurityGroupSpec())


async def test_a_second_cancel_sends_no_second_stop(cloud: Cloud) -> None:
    job, _ = await start_network(cloud)
    first = await cloud.cancel(job.id)
    second = await cloud.cancel(job.id)
    assert second.cancel_requested_at == first.cancel_requested_at
    assert len(cloud.stops) == 1


async def test_what_has_ended_or_never_was_is_not_cancelled(cloud: Cloud) -> None:
    job, task = await start_network(cloud)
    await cloud.report(await cloud.carry_out(task))
    with pytest.raises(JobEndedError, match="SUCCEEDED"):
        await cloud.cancel(job.id)
    with pytest.raises(JobNotFoundError):
        await cloud.cancel(new_id())


async def test_an_undo_has_a_deadline_of_its_own(cloud: Cloud) -> None:
    """A job that is cancelled when its time is almost over has as long to be undone as any other."""
    job, task = await start_network(cloud)
    await cloud.execute("UPDATE job SET deadline = now() + interval '20 seconds' WHERE id = $1", job.id)
    await cloud.cancel(job.id)
    await cloud.report(cloud.answer(task, fault=PERMANENT))
    assert ((await cloud.job(job.id)).deadline - await cloud.now()).total_seconds() > 1000


async def test_an_undo_past_its_deadline_says_so_and_what_it_is_about_stays_to_be_removed(cloud: Cloud) -> None:
    job, task = await start_network(cloud)
    await cloud.cancel(job.id)
    await cloud.report(await cloud.carry_out(task))
    cloud.tasks.clear()
    await cloud.pass_time(3600)
    await cloud.resume()
    error = await error_of(cloud, job)
    assert (error["code"], error["fault_class"]) == ("undo_incomplete", "permanent")
    assert "goes on undoing it by itself" in error["message"]
    network = await cloud.resource(job.resource_id)
    assert (network.status, network.wanted) == ("error", "absent")
