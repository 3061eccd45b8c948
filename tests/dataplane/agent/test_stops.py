"""A task whose job is being cancelled ends where it stands, and says so."""

import asyncio
import time
from uuid import UUID, uuid4

from tests.dataplane.agent.world import World, ensure

from groundplane.contracts.reports import Report
from groundplane.contracts.tasks import Stop, Task, stop_subject
from groundplane.dataplane.providers.simulated import Injection


async def stop(world: World, task_id: UUID, fence: int) -> None:
    """Publish a stop as the control plane does."""
    asked = Stop(task_id=task_id, fence=fence)
    await world.bus.nats.publish(stop_subject(world.cluster_id), asked.model_dump_json().encode())
    await world.bus.nats.flush()


async def begun(world: World, task: Task) -> None:
    """Wait until the task is at work."""
    await world.until(lambda: any(report.started_at for report in world.reports(task, "progress")), "the agent did not begin")


def assert_stopped(report: Report) -> None:
    """It failed with the fault that says so."""
    assert report.fault is not None
    assert (report.outcome, report.fault.code, report.fault.fault_class) == ("failed", "stopped", "permanent")
    assert report.fault.message == "The task was stopped, since its job is being cancelled."


async def test_a_hanging_task_is_stopped(world: World) -> None:
    await world.start_agent()
    made, hanging, never = uuid4(), uuid4(), uuid4()
    world.engine.injections.add(Injection("hang", verb="ensure", resource_id=hanging))
    task = await world.ask(ensure(made), ensure(hanging), ensure(never))
    await begun(world, task)
    asked_at = time.monotonic()
    await stop(world, task.id, task.fence)
    report = await world.report(task)
    assert time.monotonic() - asked_at < 1
    assert_stopped(report)
    assert [state.id for state in report.states] == [made]
    assert {row.key.id for row in world.engine.resources()} == {made}
    await asyncio.sleep(0.2)
    assert await world.waiting_tasks() == (0, 0)


async def test_a_call_that_has_begun_is_finished(world: World) -> None:
    """The change after which the stop is noticed stays made and is told."""
    await world.start_agent()
    slow, never = uuid4(), uuid4()
    storage = world.agents[0].agent._loop._drivers.hosts[world.host_ids[0]].storage
    ensure_volume, entered, left = storage.ensure_volume, asyncio.Event(), asyncio.Event()

    async def held_up(*arguments: object) -> object:
        state = await ensure_volume(*arguments)  # type: ignore[arg-type]  # whatever it is given
        entered.set()
        await left.wait()
        return state

    storage.ensure_volume = held_up  # type: ignore[method-assign,assignment]  # a call that is slow to answer
    task = await world.ask(ensure(slow), ensure(never))
    await asyncio.wait_for(entered.wait(), 10)
    await stop(world, task.id, task.fence)
    await asyncio.sleep(0.3)
    assert world.reports(task) == []
    left.set()
    report = await world.report(task)
    assert_stopped(report)
    assert [state.id for state in report.states] == [slow]
    assert {row.key.id for row in world.engine.resources()} == {slow}


async def test_a_task_that_waits_for_its_turn_ends_at_once(world: World) -> None:
    """And those behind it still wait for the one before it."""
    await world.start_agent()
    volume_id = uuid4()
    world.engine.injections.add(Injection("hang", verb="ensure", resource_id=volume_id, count=1))
    first, second, third = [await world.ask(ensure(volume_id, fence), fence=fence) for fence in (1, 2, 3)]
    await world.until(lambda: bool(world.reports(third, "progress")), "the third did not come")
    await stop(world, second.id, second.fence)
    report = await world.report(second, seconds=2)
    assert_stopped(report)
    assert (report.states, report.started_at) == ((), None)
    await asyncio.sleep(0.5)
    assert world.reports(first) == world.reports(third) == []
    await stop(world, first.id, first.fence)
    assert_stopped(await world.report(first))
    assert (await world.report(third)).outcome == "done"


async def test_only_the_task_that_is_meant_is_stopped(world: World) -> None:
    await world.start_agent()
    world.engine.injections.add(Injection("latency", verb="ensure", seconds=2.0))
    tasks = [await world.ask(ensure(uuid4(), 5), fence=5) for _ in range(2)]
    for task in tasks:
        await begun(world, task)
    await stop(world, uuid4(), 9)
    await stop(world, tasks[0].id, 4)
    await world.bus.nats.publish(stop_subject(world.cluster_id), b"not even JSON")
    for task in tasks:
        assert (await world.report(task)).outcome == "done"


async def test_a_stop_reaches_earlier_messages_of_the_task(world: World) -> None:
    await world.start_agent()
    world.engine.injections.add(Injection("hang", verb="ensure"))
    task_id, volume_id = uuid4(), uuid4()
    asks = [await world.ask(ensure(volume_id, fence), fence=fence, task_id=task_id) for fence in (1, 2)]
    await begun(world, asks[0])
    await stop(world, task_id, 2)
    await world.until(lambda: {report.fence for report in world.reports(asks[0])} == {1, 2}, "not both were stopped")
    for report in world.reports(asks[0]):
        assert_stopped(report)
