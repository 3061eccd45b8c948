"""One agent of a lease group works; the next takes over when it is stopped, killed or cut off."""

import asyncio
import os
import signal
import time
from uuid import uuid4

from tests.dataplane.agent.world import ACK_WAIT_SECONDS, LEASE_SECONDS, World, ensure

from groundplane.contracts.tasks import LEASES_BUCKET
from groundplane.dataplane.providers.simulated import Injection


async def test_only_the_holder_works(world: World) -> None:
    first = await world.start_agent()
    await asyncio.wait_for(first.agent._lease.gained(), 5)
    second = await world.start_agent()
    tasks = [await world.ask(ensure(uuid4())) for _ in range(30)]
    for task in tasks:
        assert (await world.report(task)).agent_id == first.agent_id
    assert not second.agent._lease.held()


async def test_a_stopped_holder_hands_over_at_once(world: World) -> None:
    first = await world.start_agent()
    await asyncio.wait_for(first.agent._lease.gained(), 5)
    second = await world.start_agent()
    await first.stop()
    stopped_at = time.monotonic()
    await asyncio.wait_for(second.agent._lease.gained(), 5)
    assert time.monotonic() - stopped_at < LEASE_SECONDS / 2
    assert (await world.report(await world.ask(ensure(uuid4())))).agent_id == second.agent_id


async def test_a_killed_holders_work_is_taken_over(world: World) -> None:
    world.engine.injections.add(Injection("hang", verb="ensure", count=1))
    process = world.start_process()
    assert process.stdout is not None
    killed_id = await asyncio.to_thread(process.stdout.readline)
    task = await world.ask(ensure(uuid4()))
    await world.until(lambda: bool(world.reports(task, "progress")), "the agent did not begin")
    second = await world.start_agent()
    process.kill()
    process.wait()
    report = await world.report(task, seconds=LEASE_SECONDS + ACK_WAIT_SECONDS + 5)
    assert (report.outcome, report.agent_id) == ("done", second.agent_id)
    assert str(second.agent_id) != killed_id.strip()
    assert len(world.engine.resources()) == 1


async def test_a_holder_that_cannot_be_seen_dying_loses_the_lease_by_time(world: World) -> None:
    """A process of another machine: nobody can look whether it lives, so its entry must run out."""
    bucket = await world.bus.js.key_value(LEASES_BUCKET)
    foreign = b'{"agent_id": "a", "process": "b", "place": "elsewhere", "pid": 1, "started_at": 0}'
    await bucket.put(f"{world.cluster_id}.all", foreign)
    put_at = time.monotonic()
    agent = await world.start_agent()
    await asyncio.wait_for(agent.agent._lease.gained(), LEASE_SECONDS + 3)
    assert time.monotonic() - put_at >= LEASE_SECONDS - 0.1


async def test_a_stopped_process_loses_the_lease_before_another_has_it(world: World) -> None:
    """A process that stands still (SIGSTOP) wakes up after its lease: it must not touch the engine."""
    world.engine.injections.add(Injection("latency", verb="ensure", seconds=1.0, count=1))
    process = world.start_process()
    assert process.stdout is not None
    await asyncio.to_thread(process.stdout.readline)
    volume_id = uuid4()
    task = await world.ask(ensure(volume_id))
    await world.until(lambda: bool(world.reports(task, "progress")), "the agent did not begin")
    os.kill(process.pid, signal.SIGSTOP)
    second = await world.start_agent()
    report = await world.report(task, seconds=LEASE_SECONDS + ACK_WAIT_SECONDS + 5)
    assert report.agent_id == second.agent_id
    changed_at = world.engine.resources()[0].changed_at
    os.kill(process.pid, signal.SIGCONT)
    await asyncio.sleep(2)
    assert world.engine.resources()[0].changed_at == changed_at
    assert len(world.reports(task)) == 1
    assert second.agent._lease.held()


async def test_without_the_bus_the_holder_stops_touching_engines(world: World) -> None:
    agent = await world.start_agent()
    world.engine.injections.add(Injection("latency", verb="ensure", seconds=LEASE_SECONDS + 1, count=1))
    task = await world.ask(ensure(uuid4()))
    await world.until(lambda: bool(world.reports(task, "progress")), "the agent did not begin")
    world.server.kill()
    await asyncio.wait_for(agent.agent._lease.lost(), LEASE_SECONDS + 1)
    await asyncio.sleep(2)
    assert world.engine.resources() == []
    world.server.start()
    assert (await world.report(task, seconds=30)).outcome == "done"


async def test_groups_share_a_cluster(world: World) -> None:
    """Two groups of hosts: a task that the wrong agent took comes to the right one."""
    from tests.dataplane.agent.world import drivers_on  # noqa: PLC0415

    agents = [
        await world.start_agent(lease_group=f"group-{number}", drivers=drivers_on(world.engine, world.cluster_id, [host_id]))
        for number, host_id in enumerate(world.host_ids)
    ]
    for agent, host_id in zip(agents, world.host_ids, strict=True):
        for _ in range(3):
            report = await world.report(await world.ask(ensure(uuid4()), scope=str(host_id)), seconds=30)
            assert report.agent_id == agent.agent_id


async def test_a_task_for_a_host_that_nobody_serves_ends_with_its_time(world: World) -> None:
    await world.start_agent()
    await world.ask(ensure(uuid4()), scope=str(uuid4()), seconds=2)
    await asyncio.sleep(1)
    assert sum(await world.waiting_tasks()) == 1
    await asyncio.sleep(3)
    assert await world.waiting_tasks() == (0, 0)
    assert world.engine.resources() == []


async def test_a_drain_lets_running_work_finish(world: World) -> None:
    process = world.start_process()
    assert process.stdout is not None
    await asyncio.to_thread(process.stdout.readline)
    world.engine.injections.add(Injection("latency", verb="ensure", seconds=2, count=1))
    task = await world.ask(ensure(uuid4()))
    await world.until(lambda: bool(world.reports(task, "progress")), "the agent did not begin")
    process.send_signal(signal.SIGTERM)
    assert (await world.report(task)).outcome == "done"
    assert await asyncio.to_thread(process.wait, 15) == 0
    assert await world.waiting_tasks() == (0, 0)


async def test_a_drain_gives_up_what_hangs_and_hands_it_on(world: World) -> None:
    agent = await world.start_agent(drain_seconds=1)
    world.engine.injections.add(Injection("hang", verb="ensure", count=1))
    task = await world.ask(ensure(uuid4()))
    await world.until(lambda: bool(world.reports(task, "progress")), "the agent did not begin")
    await asyncio.wait_for(agent.stop(), 8)
    assert world.reports(task) == []
    second = await world.start_agent()
    report = await world.report(task, seconds=5)  # at once, not after the acknowledgement's time
    assert (report.outcome, report.agent_id) == ("done", second.agent_id)


async def test_an_agent_always_ends(world: World) -> None:
    """Stopped at any instant: Python 3.11's wait_for, which nats-py uses, swallows some cancellations."""
    for number in range(15):
        agent = await world.start_agent(heartbeat_seconds=0.0005)
        await asyncio.wait_for(agent.agent._lease.gained(), 5)
        world.engine.injections.add(Injection("latency", verb="facts", seconds=0.001, count=1))
        await asyncio.sleep(0.0013 * number)
        agent.agent.stop()
        done, _ = await asyncio.wait([agent.running], timeout=5)
        assert done, "an agent did not end"
        agent.running.result()


async def test_a_drain_hands_back_what_was_not_begun(world: World) -> None:
    """More tasks than fit in: those that wait here are done by the next agent at once, and none of them twice."""
    first = await world.start_agent(in_flight=4)
    world.engine.injections.add(Injection("latency", verb="ensure", seconds=0.5, count=4))
    tasks = [await world.ask(ensure(uuid4())) for _ in range(60)]
    await world.until(lambda: len(first.agent._loop._running) == 4, "the agent did not begin")
    await first.stop()
    assert len([task for task in tasks if world.reports(task)]) < 60
    await world.start_agent()
    for task in tasks:
        assert (await world.report(task, seconds=5)).outcome == "done"  # not after the acknowledgement's time
    assert all(len(world.reports(task)) == 1 for task in tasks)
    async with asyncio.timeout(5):
        while await world.waiting_tasks() != (0, 0):  # noqa: ASYNC110  # the server has no event for it
            await asyncio.sleep(0.05)
