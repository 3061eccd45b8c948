"""Jobs: five states, retries of what is transient alone, fences that make late and double messages harmless, and an end."""

import pytest
from tests.controlplane.cloud import Cloud

from groundplane.contracts.faults import Fault
from groundplane.contracts.tasks import Task
from groundplane.controlplane.jobs import job as jobs
from groundplane.controlplane.jobs.engine import ChangeInProgressError, Start
from groundplane.controlplane.jobs.workflow import Done, Go, Move, Wait, Workflow
from groundplane.controlplane.network.network import NETWORK, NetworkSpec
from groundplane.controlplane.network.security_group import SECURITY_GROUP, Rule, SecurityGroupSpec
from groundplane.controlplane.resources.manager import CORRECTION
from groundplane.dataplane.providers.simulated import Injection
from groundplane.kernel.database import Tx
from groundplane.kernel.ids import format_id

TRANSIENT = Fault(code="engine_busy", fault_class="transient", message="Busy.")
PERMANENT = Fault(code="engine_refused", fault_class="permanent", message="Refused.")


async def _network(cloud: Cloud) -> tuple[jobs.Job, Task]:
    """A network whose first task is out."""
    outcome = await cloud.make(NETWORK, NetworkSpec())
    assert outcome.job is not None
    return outcome.job, cloud.tasks.pop()


async def test_a_job_runs_from_the_request_on_and_succeeds_with_its_report(cloud: Cloud) -> None:
    job, task = await _network(cloud)
    assert (await cloud.job(job.id)).state == "RUNNING"
    assert (await cloud.resource(job.resource_id)).status == "creating"

    await cloud.report(await cloud.carry_out(task))

    ended = await cloud.job(job.id)
    assert (ended.state, ended.error) == ("SUCCEEDED", None)
    assert ended.ended_at is not None
    network = await cloud.resource(job.resource_id)
    assert (network.status, network.observed_generation) == ("active", network.generation)


async def test_a_transient_fault_is_tried_again_after_a_pause_that_grows(cloud: Cloud) -> None:
    job, task = await _network(cloud)
    await cloud.report(cloud.answer(task, fault=TRANSIENT))
    retrying = await cloud.job(job.id)
    assert retrying.state == "RETRYING"
    assert retrying.error is not None
    assert retrying.error["code"] == "engine_busy"
    assert retrying.ask is None
    assert not cloud.tasks

    await cloud.pass_time(61)
    await cloud.resume()
    (again,) = cloud.tasks
    assert again.fence > task.fence
    await cloud.run()

    ended = await cloud.job(job.id)
    assert (ended.state, ended.error) == ("SUCCEEDED", None)
    what = [row["what"] for row in await cloud.fetch("SELECT what FROM job_event WHERE job_id = $1 ORDER BY number", job.id)]
    assert what == ["entered", "asked", "reported", "retrying", "asked", "reported", "entered", "succeeded"]


async def test_a_step_is_tried_only_so_often(cloud: Cloud) -> None:
    job, task = await _network(cloud)
    for _ in range(NETWORK.on_create.tries if NETWORK.on_create else 0):
        await cloud.report(cloud.answer(task, fault=TRANSIENT))
        await cloud.pass_time(61)
        await cloud.resume()
        if cloud.tasks:
            task = cloud.tasks.pop()
    ended = await cloud.job(job.id)
    assert ended.state == "FAILED"
    assert ended.error is not None
    assert ended.error["code"] == "engine_busy"
    assert not cloud.tasks


async def test_a_permanent_fault_ends_the_job_at_once_and_gives_no_claim_back(cloud: Cloud) -> None:
    job, task = await _network(cloud)
    held = await cloud.value("SELECT amounts FROM quota_claim WHERE resource_id = $1", job.resource_id)
    await cloud.report(cloud.answer(task, fault=PERMANENT))

    ended = await cloud.job(job.id)
    assert (ended.state, ended.attempt) == ("FAILED", 1)
    network = await cloud.resource(job.resource_id)
    assert (network.status, network.wanted) == ("error", "present")
    assert held == {"networks": 1}
    assert await cloud.value("SELECT amounts FROM quota_claim WHERE resource_id = $1", job.resource_id) == held
    assert await cloud.value("SELECT count(*) FROM change_claim") == 0


async def test_a_report_of_an_older_fence_means_nothing(cloud: Cloud) -> None:
    job, task = await _network(cloud)
    late = await cloud.carry_out(task)
    await cloud.pass_time(31)
    await cloud.resume()  # no answer within the idle time: asked again
    (again,) = cloud.tasks
    assert again.id == task.id
    assert again.fence > task.fence
    assert again.operations[0].fence > task.operations[0].fence

    await cloud.report(late, cloud.answer(task, fault=PERMANENT))
    assert (await cloud.job(job.id)).state == "RUNNING"
    await cloud.run()
    assert (await cloud.job(job.id)).state == "SUCCEEDED"


async def test_a_report_that_comes_twice_is_applied_once(cloud: Cloud) -> None:
    job, task = await _network(cloud)
    report = await cloud.carry_out(task)
    await cloud.report(report, report)
    await cloud.report(report)
    assert (await cloud.job(job.id)).state == "SUCCEEDED"
    events = await cloud.fetch("SELECT what FROM job_event WHERE job_id = $1 AND what = 'reported'", job.id)
    assert len(events) == 1
    assert await cloud.value("SELECT count(*) FROM report_set_aside") == 0


async def test_a_task_that_comes_late_is_refused_by_the_engine_and_the_newer_one_counts(cloud: Cloud) -> None:
    job, task = await _network(cloud)
    await cloud.pass_time(31)
    await cloud.resume()
    await cloud.run()
    late = await cloud.carry_out(task)
    assert late.fault is not None
    assert late.fault.code == "stale_fence"
    await cloud.report(late)
    assert (await cloud.job(job.id)).state == "SUCCEEDED"


async def test_progress_moves_the_idle_deadline_but_not_the_hard_one(cloud: Cloud) -> None:
    job, task = await _network(cloud)
    hard = (await cloud.job(job.id)).step_deadline
    await cloud.execute("UPDATE job SET next_at = now() + interval '1 second' WHERE id = $1", job.id)
    await cloud.report(cloud.answer(task).model_copy(update={"outcome": "progress"}))
    moved = await cloud.job(job.id)
    assert moved.next_at is not None
    assert (moved.next_at - await cloud.now()).total_seconds() > 25
    assert moved.step_deadline == hard


@pytest.mark.parametrize("column", ["step_deadline", "deadline"])
async def test_progress_does_not_move_a_look_past_a_deadline(cloud: Cloud, column: str) -> None:
    """An agent that says for ever that it goes on does not keep a job from ending."""
    job, task = await _network(cloud)
    await cloud.execute(f"UPDATE job SET {column} = now() + interval '5 seconds' WHERE id = $1", job.id)  # noqa: S608
    await cloud.report(cloud.answer(task).model_copy(update={"outcome": "progress"}))
    await cloud.pass_time(6)
    assert await cloud.resume() == 1
    assert (await cloud.job(job.id)).state in {"RETRYING", "FAILED"}


async def test_a_step_that_outlives_its_hard_deadline_is_tried_again(cloud: Cloud) -> None:
    job, _ = await _network(cloud)
    await cloud.execute("UPDATE job SET next_at = now(), step_deadline = now() WHERE id = $1", job.id)
    await cloud.resume()
    retrying = await cloud.job(job.id)
    assert retrying.state == "RETRYING"
    assert retrying.error is not None
    assert retrying.error["code"] == "step_deadline_exceeded"
    await cloud.settle()
    assert (await cloud.job(job.id)).state == "SUCCEEDED"


async def test_every_job_ends_by_its_deadline(cloud: Cloud) -> None:
    job, _ = await _network(cloud)
    await cloud.pass_time(3600)
    await cloud.resume()
    ended = await cloud.job(job.id)
    assert ended.state == "FAILED"
    assert ended.error is not None
    assert ended.error["code"] == "deadline_exceeded"
    assert (await cloud.resource(job.resource_id)).status == "error"


async def test_a_second_change_is_refused_with_the_running_job(cloud: Cloud) -> None:
    group = await cloud.made(SECURITY_GROUP, SecurityGroupSpec())
    first = await cloud.change(group.id, SecurityGroupSpec(rules=[Rule(direction="egress")]))
    assert first.job is not None
    with pytest.raises(ChangeInProgressError) as refused:
        await cloud.change(group.id, SecurityGroupSpec())
    assert refused.value.context == {"job": format_id("job", first.job.id)}
    assert (await cloud.resource(group.id)).spec == first.resource.spec


async def test_a_delete_takes_the_place_of_whatever_runs(cloud: Cloud) -> None:
    job, task = await _network(cloud)
    deletion = (await cloud.delete(job.resource_id)).job
    assert deletion is not None
    superseded = await cloud.job(job.id)
    assert superseded.state == "FAILED"
    assert superseded.error is not None
    assert superseded.error["code"] == "superseded"

    await cloud.run()
    assert (await cloud.resource(job.resource_id)).status == "deleted"
    statuses = "SELECT state ->> 'status' AS status FROM revision WHERE entity_id = $1 AND state ? 'status' ORDER BY sequence"
    told = [row["status"] for row in await cloud.fetch(statuses, job.resource_id)]
    assert told == ["creating", "deleting", "deleted"]  # what is superseded is no error
    late = await cloud.carry_out(task)  # the create's task was slow
    assert late.fault is not None
    await cloud.report(late)
    assert not cloud.holds("network", job.resource_id)


async def test_a_second_delete_answers_with_the_running_one(cloud: Cloud) -> None:
    network = await cloud.made(NETWORK, NetworkSpec())
    first, second = await cloud.delete(network.id), await cloud.delete(network.id)
    assert first.job is not None
    assert second.job is not None
    assert first.job.id == second.job.id


async def test_a_wish_takes_the_place_of_a_correction(cloud: Cloud) -> None:
    group = await cloud.made(SECURITY_GROUP, SecurityGroupSpec())
    async with cloud.database.transaction() as tx:
        correction = await cloud.manager.correct(tx, SECURITY_GROUP, group)
    assert correction is not None
    assert correction.reason == CORRECTION
    wish = await cloud.change(group.id, SecurityGroupSpec(rules=[Rule(direction="egress")]))
    assert wish.job is not None
    assert (await cloud.job(correction.id)).state == "FAILED"
    await cloud.run()
    assert (await cloud.job(wish.job.id)).state == "SUCCEEDED"


async def test_what_an_agent_did_before_it_failed_is_kept(cloud: Cloud) -> None:
    """The states of operations that went well are in the report of a later one's failure."""
    network, task = await _network(cloud)
    done = await cloud.carry_out(task)
    cloud.engine.injections.add(Injection("error_after", verb="remove", kind="network", count=1))
    await cloud.report(done)
    await cloud.delete(network.resource_id)
    await cloud.run()
    assert (await cloud.last_job(network.resource_id)).state == "RETRYING"
    assert not cloud.holds("network", network.resource_id)
    await cloud.settle()
    assert (await cloud.resource(network.resource_id)).status == "deleted"


class BrokenError(Exception):
    """A defect in a step."""


async def _use(cloud: Cloud, workflow: Workflow) -> jobs.Job:
    """Start a job of a workflow of our own on a network that is there."""
    flows = dict(cloud.platform.engine.workflows) | {(workflow.name, workflow.version): workflow}
    object.__setattr__(cloud.platform.engine, "workflows", flows)
    network = await cloud.made(NETWORK, NetworkSpec())
    async with cloud.database.transaction() as tx:
        wish = Start(
            workflow=workflow,
            verb="update",
            resource_id=network.id,
            resource_kind="network",
            organization_id=None,
            project_id=None,
            touching=[network.id],
            requested_by=None,
            reason="a test",
        )
        return await cloud.platform.engine.start(tx, wish)


async def test_a_step_that_raises_is_tried_again_and_holds_up_nobody(cloud: Cloud) -> None:
    broken = True

    async def first(_tx: Tx, _job: jobs.Job) -> Move:
        return Wait(0)

    async def second(tx: Tx, job: jobs.Job) -> Move:
        job.data = {"times": job.data.get("times", 0) + 1}
        if job.data["times"] == 1:
            return Wait(0)
        if broken:
            await tx.execute("UPDATE resource SET name = 'half-done', reason = 'a defect' WHERE id = $1", job.resource_id)
            raise BrokenError
        return Done()

    job = await _use(cloud, Workflow("test.broken", version=1, steps={"second": second, "first": first}))
    other = await cloud.make(NETWORK, NetworkSpec(), name="other")
    await cloud.pass_time(31)
    assert await cloud.resume() == 2  # ours, and the other's unanswered ask
    await cloud.run()
    assert (await cloud.resource(job.resource_id)).name == "it"  # the broken step left nothing
    assert other.job is not None
    assert (await cloud.job(other.job.id)).state == "SUCCEEDED"
    assert await cloud.value("SELECT count(*) FROM job_event WHERE job_id = $1 AND what = 'step_error'", job.id) == 1

    broken = False
    await cloud.pass_time(31)
    await cloud.resume()
    assert (await cloud.job(job.id)).state == "SUCCEEDED"


async def test_a_workflow_that_never_comes_to_rest_ends_as_a_defect(cloud: Cloud) -> None:
    async def around(_tx: Tx, _job: jobs.Job) -> Move:
        return Go("around")

    job = await _use(cloud, Workflow("test.endless", version=1, steps={"around": around}))
    ended = await cloud.job(job.id)
    assert ended.state == "FAILED"
    assert ended.error is not None
    assert ended.error["code"] == "workflow_endless"


async def test_a_running_job_finishes_on_the_version_that_it_began_with(cloud: Cloud) -> None:
    seen: list[int] = []

    def of(version: int) -> Workflow:
        async def step(_tx: Tx, _job: jobs.Job) -> Move:
            seen.append(version)
            return Wait(0) if len(seen) == 1 else Done()

        return Workflow("test.versions", version=version, steps={"step": step})

    job = await _use(cloud, of(1))
    flows = dict(cloud.platform.engine.workflows) | {("test.versions", 2): of(2)}
    object.__setattr__(cloud.platform.engine, "workflows", flows)
    await cloud.pass_time(1)
    await cloud.resume()
    assert (await cloud.job(job.id)).state == "SUCCEEDED"
    assert seen == [1, 1]


async def test_a_message_that_cannot_be_applied_is_set_aside_and_holds_up_nobody(cloud: Cloud) -> None:
    job, task = await _network(cloud)
    good = (await cloud.carry_out(task)).model_dump_json().encode()
    await cloud.hear(b"not json", b'{"type": "nonsense"}', good)
    assert (await cloud.job(job.id)).state == "SUCCEEDED"
    rows = await cloud.fetch("SELECT message, error FROM report_set_aside ORDER BY id")
    assert [row["message"]["text"] for row in rows] == ["not json", '{"type": "nonsense"}']


async def test_a_task_goes_out_only_after_the_commit(cloud: Cloud) -> None:
    async def refused() -> None:
        async with cloud.database.transaction() as tx:
            await cloud.manager.create(
                tx,
                NETWORK,
                NetworkSpec(),
                name="never",
                labels={},
                actor_id=None,
                organization_id=cloud.organization_id,
                project_id=cloud.project_id,
            )
            raise BrokenError

    with pytest.raises(BrokenError):
        await refused()
    assert not cloud.tasks
    assert await cloud.value("SELECT count(*) FROM job") == 0


async def test_the_fences_of_all_that_a_task_touches_rise_with_each_ask(cloud: Cloud) -> None:
    job, task = await _network(cloud)
    fences = [task.fence]
    for _ in range(3):
        await cloud.pass_time(31)
        await cloud.resume()
        fences.append(cloud.tasks.pop().fence)
    assert fences == [1, 2, 3, 4]
    assert (await cloud.resource(job.resource_id)).fence == 4
