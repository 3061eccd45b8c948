"""Tasks become reports: once, in order, fenced, in time, and only at the hands of the lease's holder."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from tests.dataplane.agent.world import World, ensure, remove

from groundplane.contracts.reports import Report, State
from groundplane.contracts.specs import NetworkSpec, SubnetSpec
from groundplane.contracts.tasks import Ensure, task_subject
from groundplane.dataplane.agent.context import TaskContext
from groundplane.dataplane.agent.reporter import Reporter
from groundplane.dataplane.providers.simulated import Injection
from groundplane.dataplane.providers.storage import StorageProvider


async def test_a_task_becomes_a_report(world: World) -> None:
    agent = await world.start_agent()
    volumes = [uuid4(), uuid4()]
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    task = await world.ask(ensure(volumes[0], 3), ensure(volumes[1], 4), fence=3, trace=trace)
    report = await world.report(task)
    assert (report.outcome, report.fence, report.agent_id, report.fault) == ("done", 3, agent.agent_id, None)
    assert [(state.id, state.fence, state.present) for state in report.states] == [
        (volumes[0], 3, True),
        (volumes[1], 4, True),
    ]
    assert [(call.verb, call.kind, call.id) for call in report.calls] == [
        ("ensure", "volume", volumes[0]),
        ("ensure", "volume", volumes[1]),
    ]
    assert all(call.milliseconds > 0 for call in report.calls)
    assert report.trace.split("-")[1] == trace.split("-")[1]
    assert {row.key.id for row in world.engine.resources()} == set(volumes)


async def test_a_finished_task_does_not_come_again(world: World) -> None:
    await world.start_agent()
    await world.report(await world.ask(ensure(uuid4())))
    await asyncio.sleep(0.2)
    assert await world.waiting_tasks() == (0, 0)


async def test_the_network_has_its_own_scope(world: World) -> None:
    await world.start_agent()
    network = NetworkSpec(id=uuid4())
    subnet = SubnetSpec(id=uuid4(), network_id=network.id, cidr="10.7.0.0/24", gateway="10.7.0.1")
    operations = Ensure(fence=1, spec=network), Ensure(fence=1, spec=subnet)
    report = await world.report(await world.ask(*operations, scope="network"))
    assert report.outcome == "done"
    assert {row.key.kind for row in world.engine.resources(scope=world.cluster_id)} == {"network", "subnet"}


async def test_an_operation_in_the_wrong_scope_is_refused(world: World) -> None:
    await world.start_agent()
    report = await world.report(await world.ask(ensure(uuid4()), scope="network"))
    assert report.fault is not None
    assert (report.fault.code, report.fault.fault_class) == ("wrong_scope", "permanent")


async def test_a_message_that_comes_twice_is_done_once(world: World) -> None:
    await world.start_agent()
    volume_id, task_id = uuid4(), uuid4()
    first = await world.report(await world.ask(ensure(volume_id), task_id=task_id))
    task = await world.ask(ensure(volume_id), task_id=task_id, message_id="again")
    await asyncio.sleep(1)
    assert await world.waiting_tasks() == (0, 0)
    for report in world.reports(task):
        assert (report.outcome, report.states) == ("done", first.states)
    assert len(world.engine.resources()) == 1


async def test_a_stale_fence_fails_and_changes_nothing(world: World) -> None:
    await world.start_agent()
    volume_id = uuid4()
    await world.report(await world.ask(ensure(volume_id, 5)))
    await world.report(await world.ask(remove(volume_id, 6)))
    late = await world.report(await world.ask(ensure(volume_id, 5)))
    assert late.fault is not None
    assert (late.outcome, late.fault.code, late.fault.fault_class) == ("failed", "stale_fence", "permanent")
    assert world.engine.resources() == []


async def test_the_first_error_stops_the_task(world: World) -> None:
    await world.start_agent()
    made, broken, never = uuid4(), uuid4(), uuid4()
    world.engine.injections.add(Injection("error", resource_id=broken, code="pool_full", fault_class="permanent"))
    report = await world.report(await world.ask(ensure(made), ensure(broken), ensure(never)))
    assert report.fault is not None
    assert (report.outcome, report.fault.code, report.fault.fault_class) == ("failed", "pool_full", "permanent")
    assert [state.id for state in report.states] == [made]
    assert [call.id for call in report.calls] == [made, broken]
    assert [row.key.id for row in world.engine.resources()] == [made]


async def test_a_task_that_is_too_late_is_not_carried_out(world: World) -> None:
    await world.start_agent()
    report = await world.report(await world.ask(ensure(uuid4()), seconds=-1))
    assert report.fault is not None
    assert (report.outcome, report.fault.code, report.fault.fault_class) == ("failed", "too_late", "transient")
    assert world.engine.resources() == []


async def test_an_engine_that_hangs_is_given_up_at_the_last_moment(world: World) -> None:
    await world.start_agent()
    world.engine.injections.add(Injection("hang", verb="ensure", count=1))
    task = await world.ask(ensure(uuid4()), seconds=2)
    report = await world.report(task)
    assert report.fault is not None
    assert report.fault.code == "too_late"
    assert world.reports(task, "progress")


async def test_an_unknown_error_is_worth_another_try(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken(*_arguments: object) -> None:
        secret_of_the_guest = "hunter2"
        raise ZeroDivisionError(len(secret_of_the_guest))

    agent = await world.start_agent()
    storage: StorageProvider = agent.agent._loop._drivers.hosts[world.host_ids[0]].storage
    monkeypatch.setattr(storage, "ensure_volume", broken)
    report = await world.report(await world.ask(ensure(uuid4())))
    assert report.fault is not None
    assert (report.fault.code, report.fault.fault_class) == ("agent_error", "transient")
    assert "ZeroDivisionError" in report.fault.message
    logged = "".join(capsys.readouterr())
    assert "ZeroDivisionError" in logged
    assert "'hunter2'" not in logged.replace('secret_of_the_guest = "hunter2"', "")


async def test_a_task_from_the_future_is_refused_by_name(world: World) -> None:
    await world.start_agent()
    task_id = uuid4()
    payload = f'{{"id": "{task_id}", "fence": 2, "operations": [{{"verb": "levitate"}}]}}'
    subject = task_subject(world.cluster_id, str(world.host_ids[0]))
    await world.bus.publish(subject, b"not even JSON", "1")
    await world.bus.publish(subject, payload.encode(), "2")

    def refused() -> list[Report]:
        return [each for each in world.heard if isinstance(each, Report) and each.task_id == task_id]

    await world.until(lambda: bool(refused()), "no report")
    (report,) = refused()
    assert report.fault is not None
    assert (report.fence, report.fault.code, report.fault.fault_class) == (2, "task_unreadable", "permanent")
    await asyncio.sleep(0.2)
    assert await world.waiting_tasks() == (0, 0)


async def test_tasks_of_one_resource_keep_their_order(world: World) -> None:
    await world.start_agent()
    volume_id = uuid4()
    world.engine.injections.add(Injection("latency", verb="ensure", resource_id=volume_id, seconds=0.3, count=1))
    tasks = [await world.ask(ensure(volume_id, fence, fence), fence=fence) for fence in (1, 2, 3)]
    for task in tasks:
        assert (await world.report(task)).outcome == "done"
    (row,) = world.engine.resources()
    assert (row.fence, row.observed["size_bytes"]) == (3, 3)


async def test_a_slow_resource_holds_up_nobody_else(world: World) -> None:
    await world.start_agent(in_flight=8)
    slow = uuid4()
    world.engine.injections.add(Injection("hang", verb="ensure", resource_id=slow))
    stuck = [await world.ask(ensure(slow, fence), fence=fence) for fence in range(1, 20)]
    quick = [await world.ask(ensure(uuid4())) for _ in range(50)]
    for task in quick:
        assert (await world.report(task)).outcome == "done"
    assert not any(world.reports(task) for task in stuck)


async def test_a_long_task_says_that_it_lives(world: World) -> None:
    await world.start_agent()
    world.engine.injections.add(Injection("latency", verb="ensure", seconds=8, count=1))  # longer than ack_wait
    task = await world.ask(ensure(uuid4()))
    assert (await world.report(task)).outcome == "done"
    assert len(world.reports(task, "progress")) >= 3
    assert len(world.reports(task)) == 1
    (row,) = world.engine.resources()
    assert row.fence == 1


async def test_the_report_is_stored_before_the_task_is_acknowledged(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = 2
    say = Reporter.say

    async def refuse_twice(self: Reporter, message: Report, message_id: str) -> None:
        nonlocal refusals
        if message.type == "report" and refusals:
            refusals -= 1
            assert await world.waiting_tasks() == (0, 1)
            raise TimeoutError
        await say(self, message, message_id)

    monkeypatch.setattr(Reporter, "say", refuse_twice)
    await world.start_agent()
    task = await world.ask(ensure(uuid4()))
    assert (await world.report(task)).outcome == "done"
    assert refusals == 0
    async with asyncio.timeout(10):
        while await world.waiting_tasks() != (0, 0):  # noqa: ASYNC110  # the server has no event for it
            await asyncio.sleep(0.05)


async def test_the_server_restarts_in_the_middle_of_work(world: World) -> None:
    await world.start_agent()
    world.engine.injections.add(Injection("latency", verb="ensure", seconds=1.5, count=5))
    tasks = [await world.ask(ensure(uuid4())) for _ in range(5)]
    await asyncio.sleep(0.5)
    world.server.kill()
    world.server.start()
    for task in tasks:
        assert (await world.report(task, seconds=30)).outcome == "done"
    later = await world.ask(ensure(uuid4()))
    assert (await world.report(later)).outcome == "done"
    assert len(world.engine.resources()) == 6


async def test_hosts_that_stand_still_hold_up_nobody_else(world: World) -> None:
    """More tasks than fit in are for a host that hangs; what is for another one goes on."""
    await world.start_agent(in_flight=24, in_flight_per_host=8)
    hanging, other = world.host_ids
    world.engine.injections.add(Injection("hang", verb="ensure", scope=str(hanging)))
    stuck = [await world.ask(ensure(uuid4()), scope=str(hanging)) for _ in range(100)]
    quick = [await world.ask(ensure(uuid4()), scope=str(other)) for _ in range(50)]
    for task in quick:
        assert (await world.report(task)).outcome == "done"
    await asyncio.sleep(1.5)  # each of those that are here says that it lives
    assert len([task for task in stuck if world.reports(task, "progress")]) == 8


async def test_a_network_that_stands_still_leaves_room_for_hosts(world: World) -> None:
    await world.start_agent(in_flight=24, in_flight_of_network=8)
    world.engine.injections.add(Injection("hang", verb="ensure", kind="network"))
    for _ in range(50):
        await world.ask(Ensure(fence=1, spec=NetworkSpec(id=uuid4())), scope="network")
    for task in [await world.ask(ensure(uuid4())) for _ in range(20)]:
        assert (await world.report(task)).outcome == "done"


async def test_no_more_than_fits_in_is_at_work(world: World) -> None:
    running = await world.start_agent(in_flight=5)
    world.engine.injections.add(Injection("latency", verb="ensure", seconds=0.3, count=20))
    tasks = [await world.ask(ensure(uuid4())) for _ in range(20)]
    most = 0
    while not all(world.reports(task) for task in tasks):
        most = max(most, len(running.agent._loop._running))
        await asyncio.sleep(0.01)
    assert most == 5


async def test_a_report_tells_when_the_work_began(world: World) -> None:
    await world.start_agent()
    volume_id = uuid4()
    world.engine.injections.add(Injection("latency", verb="ensure", seconds=1, count=1))
    first = await world.ask(ensure(volume_id, 1), fence=1)
    second = await world.ask(ensure(volume_id, 2), fence=2)
    reports = [await world.report(task) for task in (first, second)]
    began = [report.started_at for report in reports]
    assert began[0] is not None
    assert began[1] is not None
    assert began[0] + timedelta(seconds=1) <= reports[0].at <= began[1] <= reports[1].at
    late = await world.report(await world.ask(ensure(uuid4()), seconds=-1))
    assert late.started_at is None


async def test_progress_of_a_provider_is_passed_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    running = await world.start_agent(progress_seconds=8)
    storage: StorageProvider = running.agent._loop._drivers.hosts[world.host_ids[0]].storage
    ended = asyncio.Event()

    async def ensure_volume(context: TaskContext, *_rest: object) -> State:
        await asyncio.to_thread(context.progress, "half")
        await ended.wait()
        return State(kind="volume", id=uuid4())

    monkeypatch.setattr(storage, "ensure_volume", ensure_volume)
    task = await world.ask(ensure(uuid4()))
    await world.until(lambda: bool(world.reports(task, "progress")), "no progress", seconds=5)
    ended.set()
    await world.report(task)
    assert len(world.reports(task, "progress")) == 1
