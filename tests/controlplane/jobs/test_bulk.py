"""Parents: one waits for all its children, and ends as they did."""

import pytest
from tests.controlplane.cloud import Cloud
from tests.controlplane.jobs.scenes import TRANSIENT, children_of, error_of, fail, start_networks

from groundplane.controlplane.jobs import job as jobs
from groundplane.controlplane.jobs.bulk import LOOK_SECONDS
from groundplane.controlplane.jobs.engine import JobEndedError, NotCancellableError
from groundplane.controlplane.network.network import NETWORK
from groundplane.controlplane.network.subnet import SUBNET, SubnetRequest


async def test_a_parent_is_woken_by_its_last_child_and_not_before(cloud: Cloud) -> None:
    _, parent = await start_networks(cloud, 3)
    for left in (2, 1, 0):
        await cloud.report(await cloud.carry_out(cloud.tasks.pop(0)))
        assert await cloud.resume() == (0 if left else 1)  # no time has passed
        assert (await cloud.job(parent.id)).state == ("RUNNING" if left else "SUCCEEDED")


async def test_reports_of_one_batch_wake_their_parent_once(cloud: Cloud) -> None:
    _, parent = await start_networks(cloud, 3)
    await cloud.report(*[await cloud.carry_out(task) for task in cloud.tasks])
    assert await cloud.resume() == 1
    assert (await cloud.job(parent.id)).state == "SUCCEEDED"


async def test_a_parent_that_was_not_woken_looks_by_itself(cloud: Cloud) -> None:
    """Somebody held the parent while its last child ended."""
    _, parent = await start_networks(cloud, 1)
    report = await cloud.carry_out(cloud.tasks.pop())
    async with cloud.database.transaction() as tx:
        assert await jobs.lock(tx, [parent.id])
        await cloud.report(report)
    assert await cloud.resume() == 0
    await cloud.pass_time(LOOK_SECONDS)
    assert await cloud.resume() == 1
    assert (await cloud.job(parent.id)).state == "SUCCEEDED"


async def test_a_parent_fails_after_all_have_ended_and_names_the_first(cloud: Cloud) -> None:
    _, parent = await start_networks(cloud, 3)
    await fail(cloud, cloud.tasks.pop(0))
    await cloud.pass_time(LOOK_SECONDS)
    await cloud.resume()
    assert (await cloud.job(parent.id)).state == "RUNNING"  # fan-out: one that failed holds up nobody
    await cloud.run()
    await cloud.resume()
    error = await error_of(cloud, parent)
    assert (await cloud.job(parent.id)).state == "FAILED"
    assert (error["code"], error["fault_class"]) == ("children_failed", "permanent")
    assert error["message"] == "1 of 3 jobs failed. The first: Refused. List the jobs of this parent."
    assert [job.state for job in await children_of(cloud, parent)] == ["FAILED", "SUCCEEDED", "SUCCEEDED"]


async def test_a_child_that_is_tried_again_does_not_end_its_parent(cloud: Cloud) -> None:
    _, parent = await start_networks(cloud, 2)
    await fail(cloud, cloud.tasks.pop(0), TRANSIENT)
    await cloud.run()
    await cloud.pass_time(LOOK_SECONDS)
    await cloud.resume()
    await cloud.run()
    await cloud.settle()
    assert (await cloud.job(parent.id)).state == "SUCCEEDED"


async def test_a_cancel_of_a_parent_cancels_its_children(cloud: Cloud) -> None:
    before = await cloud.holdings()
    made, parent = await start_networks(cloud, 3)
    await cloud.report(await cloud.carry_out(cloud.tasks.pop(0)))
    await cloud.cancel(parent.id)
    assert len(cloud.stops) == 2  # of those that are outstanding
    assert [job.cancel_requested_at is not None for job in await children_of(cloud, parent)] == [False, True, True]
    await cloud.settle()
    error = await error_of(cloud, parent)
    assert error["code"] == "cancelled"
    assert error["message"] == "The jobs were cancelled; 1 of 3 had succeeded before."
    statuses = [(await cloud.resource(resource.id)).status for resource in made.resources]
    assert statuses == ["active", "deleted", "deleted"]
    await cloud.deleted(made.resources[0].id)
    assert await cloud.holdings() == before
    with pytest.raises(JobEndedError):
        await cloud.cancel(parent.id)


async def test_a_child_may_be_cancelled_alone(cloud: Cloud) -> None:
    _, parent = await start_networks(cloud, 2)
    first, _ = await children_of(cloud, parent)
    await cloud.cancel(first.id)
    await cloud.settle()
    assert [job.state for job in await children_of(cloud, parent)] == ["FAILED", "SUCCEEDED"]
    assert (await error_of(cloud, parent))["code"] == "children_failed"


async def test_a_child_that_something_uses_keeps_all_from_being_cancelled(cloud: Cloud) -> None:
    """All or nothing: what is refused for one changes nothing of the others."""
    made, parent = await start_networks(cloud, 2)
    await cloud.make(SUBNET, SubnetRequest(network=NETWORK.public_id(made.resources[1].id), cidr="10.0.0.0/24"), name="user")
    contents = await cloud.contents()
    with pytest.raises(NotCancellableError):
        await cloud.cancel(parent.id)
    assert await cloud.contents() == contents
    assert not cloud.stops
    await cloud.settle()
    assert (await cloud.job(parent.id)).state == "SUCCEEDED"


async def test_a_parent_ends_by_its_deadline(cloud: Cloud) -> None:
    _, parent = await start_networks(cloud, 1)
    await cloud.execute("UPDATE job SET deadline = now(), next_at = now() WHERE id = $1", parent.id)
    await cloud.resume()
    assert (await error_of(cloud, parent))["code"] == "deadline_exceeded"
    await cloud.run()
    (child,) = await children_of(cloud, parent)
    assert child.state == "SUCCEEDED"
