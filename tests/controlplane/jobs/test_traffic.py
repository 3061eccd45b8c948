"""Traffic rules: what begins and what waits, exactly, however many processes start jobs at once; and nothing waits for ever."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.controlplane.cloud import NOBODY, Cloud
from tests.statements import all_statements

from groundplane.controlplane.jobs import traffic
from groundplane.controlplane.jobs.dispatcher import release_held, resume_due, run_due
from groundplane.controlplane.jobs.job import Job
from groundplane.controlplane.jobs.traffic import Action, Match, RejectedByRuleError, Rule
from groundplane.controlplane.network.network import NETWORK, NetworkSpec
from groundplane.controlplane.resources.manager import BulkOutcome
from groundplane.controlplane.resources.project import PROJECT, ProjectSpec

ANY = Match(None, None, None, None, ("create", "update"))
EVERYTHING = ("create", "update", "delete", "correct")
HOUR = timedelta(hours=1)


async def _rule(
    cloud: Cloud, action: Action, limit: int | None = None, *, match: Match = ANY, lasting: timedelta = HOUR, **which: Any
) -> Rule:
    """A rule that every process knows of."""
    async with cloud.database.transaction() as tx:
        rule = await traffic.make(
            tx, action, replace(match, **which), limit=limit, owner_id=NOBODY, reason="The racks move.",
            expires_at=await cloud.now() + lasting,
        )  # fmt: skip
    await cloud.platform.engine.traffic.forget()
    return rule


async def _end(cloud: Cloud, rule: Rule) -> None:
    async with cloud.database.transaction() as tx:
        await traffic.remove(tx, rule.id)


async def _network(cloud: Cloud, name: str = "lan") -> Job:
    outcome = await cloud.make(NETWORK, NetworkSpec(), name=name)
    assert outcome.job is not None
    return await cloud.job(outcome.job.id)


async def _networks(cloud: Cloud, count: int) -> BulkOutcome:
    async with cloud.database.transaction() as tx:
        return await cloud.manager.create_many(
            tx, NETWORK, NetworkSpec(), name="lan", count=count, labels={}, actor_id=None,
            organization_id=cloud.organization_id, project_id=cloud.project_id,
        )  # fmt: skip


async def _round(cloud: Cloud) -> int:
    """What a worker does in a round; how many held jobs began."""
    released = await release_held(cloud.database, cloud.platform.engine)
    await resume_due(cloud.database, cloud.platform.engine)
    return released


async def _ids(cloud: Cloud, state: str) -> Sequence[UUID]:
    return [row["id"] for row in await cloud.fetch("SELECT id FROM job WHERE state = $1 ORDER BY id", state)]


# A pause.


async def test_a_paused_job_is_admitted_holds_its_claims_and_begins_when_the_rule_is_ended(cloud: Cloud) -> None:
    rule = await _rule(cloud, "pause", kind="network")
    job = await _network(cloud)
    assert (job.state, job.started_at, cloud.tasks) == ("PENDING", None, [])
    assert job.held == {"rule": str(rule.id), "action": "pause", "reason": "The racks move."}
    assert job.next_at == rule.expires_at
    assert await cloud.value("SELECT job_id FROM change_claim WHERE resource_id = $1", job.resource_id) == job.id
    assert (await cloud.used()).get("networks") == 1
    assert await _round(cloud) == 0

    await _end(cloud, rule)
    assert await _round(cloud) == 1
    await cloud.run()
    ended = await cloud.job(job.id)
    assert (ended.state, ended.held) == ("SUCCEEDED", None)
    what = [row["what"] for row in await cloud.fetch("SELECT what FROM job_event WHERE job_id = $1 ORDER BY number", job.id)]
    assert what == ["entered", "held", "released", "asked", "reported", "entered", "succeeded"]


@pytest.mark.parametrize("over", ["ended", "expired"])
async def test_what_a_rule_held_begins_within_a_second_of_its_end(cloud: Cloud, over: str) -> None:
    rule = await _rule(cloud, "pause", lasting=timedelta(seconds=0.6) if over == "expired" else HOUR)
    job = await _network(cloud)
    assert job.held is not None
    await release_held(cloud.database, cloud.platform.engine)  # knows the rule, as a worker that has run for a while
    async with asyncio.TaskGroup() as group:
        worker = group.create_task(run_due(cloud.database, cloud.platform.engine))
        if over == "ended":
            await _end(cloud, rule)
        ended_at = await cloud.now() if over == "ended" else rule.expires_at
        async with asyncio.timeout(5):
            await cloud.task_out.wait()
        worker.cancel()
    started = (await cloud.job(job.id)).started_at
    assert started is not None
    assert started - ended_at < timedelta(seconds=1)


async def test_a_held_job_is_never_late_and_its_deadline_counts_from_when_it_begins(cloud: Cloud) -> None:
    rule = await _rule(cloud, "pause", lasting=timedelta(days=20))
    job = await _network(cloud)
    allowed = NETWORK.on_create.deadline if NETWORK.on_create else HOUR
    assert abs(job.deadline - rule.expires_at - allowed) < timedelta(seconds=1)
    await cloud.pass_time(10 * 86_400)
    await _round(cloud)
    assert (await cloud.job(job.id)).state == "PENDING"
    assert "job_overdue" not in await cloud.incidents()

    await _end(cloud, rule)
    await _round(cloud)
    left = (await cloud.job(job.id)).deadline - await cloud.now()
    assert allowed - timedelta(seconds=10) < left <= allowed


async def test_a_parent_is_not_late_while_a_child_is_held(cloud: Cloud) -> None:
    rule = await _rule(cloud, "pause", lasting=timedelta(days=20))
    parent = (await _networks(cloud, 2)).parent
    assert parent is not None
    assert parent.state == "RUNNING"
    for _ in range(3):
        await cloud.pass_time(3600)
        await _round(cloud)
    assert (await cloud.job(parent.id)).state == "RUNNING"
    await _end(cloud, rule)
    await _round(cloud)
    await cloud.settle()
    assert (await cloud.job(parent.id)).state == "SUCCEEDED"


async def test_a_held_job_says_what_its_rule_says_now(cloud: Cloud) -> None:
    rule = await _rule(cloud, "pause")
    before = await _network(cloud)
    async with cloud.database.transaction() as tx:
        await traffic.change(tx, rule.id, reason="The racks still move.", expires_at=rule.expires_at + HOUR)
    await _round(cloud)
    after = await cloud.job(before.id)
    assert after.held is not None
    assert after.held["reason"] == "The racks still move."
    assert after.next_at == rule.expires_at + HOUR
    assert after.deadline == before.deadline + HOUR


async def test_a_held_create_can_be_cancelled_at_once(cloud: Cloud) -> None:
    await _rule(cloud, "pause", verbs=EVERYTHING)
    job = await _network(cloud)
    async with cloud.database.transaction() as tx:
        await cloud.platform.engine.cancel(tx, job.id, requested_by=None)
    await cloud.run()
    ended = await cloud.job(job.id)
    assert (ended.state, ended.held) == ("FAILED", None)
    assert ended.error is not None
    assert ended.error["code"] == "cancelled"
    assert (await cloud.resource(job.resource_id)).status == "deleted"


async def test_people_may_delete_what_is_paused_unless_the_rule_says_delete(cloud: Cloud) -> None:
    await _rule(cloud, "pause")
    job = await _network(cloud)
    await cloud.deleted(job.resource_id)
    superseded = await cloud.job(job.id)
    assert superseded.error is not None
    assert (superseded.error["code"], superseded.held) == ("superseded", None)

    other = await _network(cloud)
    rule = await _rule(cloud, "pause", verbs=("delete",))
    delete = (await cloud.delete(other.resource_id)).job
    assert delete is not None
    assert delete.held is not None
    await _end(cloud, rule)
    await _round(cloud)
    await cloud.run()
    assert (await cloud.resource(other.resource_id)).status == "deleted"


async def test_a_correction_is_held_by_a_rule_that_says_so(cloud: Cloud) -> None:
    network = await cloud.made(NETWORK, NetworkSpec())
    await _rule(cloud, "pause", verbs=("correct",))
    async with cloud.database.transaction() as tx:
        correction = await cloud.manager.correct(tx, NETWORK, await cloud.manager.lock(tx, network.id))
    assert correction is not None
    assert (correction.verb, correction.state, cloud.tasks) == ("correct", "PENDING", [])


@pytest.mark.parametrize("field", ["organization_id", "project_id", "kind", "cluster_id"])
async def test_a_rule_holds_only_what_it_is_about(cloud: Cloud, field: str) -> None:
    own = {"organization_id": cloud.organization_id, "project_id": cloud.project_id, "kind": "network",
           "cluster_id": cloud.cluster_id}  # fmt: skip
    others: dict[str, Any] = {field: "vm" if field == "kind" else NOBODY}
    mine: dict[str, Any] = {field: own[field]}
    await _rule(cloud, "pause", **others)
    assert (await _network(cloud, "free")).held is None
    await _rule(cloud, "pause", **mine)
    assert (await _network(cloud, "held")).held is not None


# Refusals.


async def test_a_rejected_request_leaves_nothing(cloud: Cloud) -> None:
    rule = await _rule(cloud, "reject", kind="network")
    with pytest.raises(RejectedByRuleError) as refusal:
        await _network(cloud)
    assert refusal.value.status == 409
    assert refusal.value.code == "rejected_by_rule"
    assert "The racks move." in refusal.value.detail
    assert refusal.value.context["expires_at"] == rule.expires_at.isoformat()
    with pytest.raises(RejectedByRuleError):
        await _networks(cloud, 5)
    for table, where in (("resource", "WHERE kind = 'network'"), ("job", ""), ("change_claim", ""), ("quota_claim", "")):
        assert await cloud.value(f"SELECT count(*) FROM {table} {where}") == 0  # noqa: S608


async def test_a_correction_is_never_rejected(cloud: Cloud) -> None:
    network = await cloud.made(NETWORK, NetworkSpec())
    await _rule(cloud, "reject")
    async with cloud.database.transaction() as tx:
        assert await cloud.manager.correct(tx, NETWORK, await cloud.manager.lock(tx, network.id)) is not None


# A cap.


async def test_a_cap_holds_exactly_while_many_start_and_end_at_once_and_the_oldest_go_first(cloud: Cloud) -> None:
    await _rule(cloud, "concurrency", 3, kind="network")
    processes = [cloud, *(replace(cloud) for _ in range(3))]  # each with rules of its own
    await asyncio.gather(*(_network(processes[number % 4], f"lan-{number}") for number in range(20)))
    assert len(await _ids(cloud, "RUNNING")) == 3
    began = list(await _ids(cloud, "RUNNING"))
    waiting = list(await _ids(cloud, "PENDING"))
    assert len(waiting) == 17

    while cloud.tasks:
        await cloud.report(await cloud.carry_out(cloud.tasks.pop(0)))
        released = await asyncio.gather(*(release_held(each.database, each.platform.engine) for each in processes))
        assert sum(released) == (1 if waiting else 0)
        await asyncio.gather(*(resume_due(each.database, each.platform.engine) for each in processes[:2]))
        running = await _ids(cloud, "RUNNING")
        assert len(running) <= 3
        if waiting:
            assert waiting.pop(0) in running
            began = list(running)
    assert began
    assert len(await _ids(cloud, "SUCCEEDED")) == 20


async def test_a_new_job_does_not_pass_one_that_waits(cloud: Cloud) -> None:
    await _rule(cloud, "concurrency", 1)
    first, second = await _network(cloud, "first"), await _network(cloud, "second")
    await cloud.run()
    assert (await cloud.job(first.id)).state == "SUCCEEDED"
    third = await _network(cloud, "third")
    assert third.held is not None
    await _round(cloud)
    assert await _ids(cloud, "RUNNING") == [second.id]


async def test_what_runs_already_is_counted_and_a_changed_limit_is_heeded_at_once(cloud: Cloud) -> None:
    await _network(cloud, "before")
    rule = await _rule(cloud, "concurrency", 2)
    assert (await _network(cloud, "second")).held is None
    assert (await _network(cloud, "third")).held is not None
    async with cloud.database.transaction() as tx:
        await traffic.change(tx, rule.id, limit=1)  # nobody here forgets what they knew
    await cloud.report(await cloud.carry_out(cloud.tasks.pop(0)))
    assert await _round(cloud) == 0
    async with cloud.database.transaction() as tx:
        await traffic.change(tx, rule.id, limit=3)
    assert await _round(cloud) == 1


async def test_many_jobs_of_one_transaction_look_at_the_rule_once(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    await _rule(cloud, "concurrency", 7)
    with all_statements(monkeypatch) as said:
        await _networks(cloud, 100)
    assert sum("traffic_rule" in sql for sql in said) == 3  # which rules, the lock, the room
    assert len(await _ids(cloud, "PENDING")) == 93
    assert len(cloud.tasks) == 7


async def test_a_round_costs_the_same_however_many_wait(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    await _rule(cloud, "concurrency", 1)
    await _networks(cloud, 300)
    with all_statements(monkeypatch) as said:
        assert await release_held(cloud.database, cloud.platform.engine) == 0
    assert len(said) == 4


async def test_every_rule_that_matches_must_let_a_job_begin(cloud: Cloud) -> None:
    narrow = await _rule(cloud, "concurrency", 1, kind="network")
    wide = await _rule(cloud, "concurrency", 3)
    jobs = [await _network(cloud, f"lan-{number}") for number in range(4)]
    assert [job.held["rule"] if job.held else None for job in jobs] == [None, *[str(narrow.id)] * 3]
    await _end(cloud, narrow)
    await _round(cloud)
    assert len(await _ids(cloud, "RUNNING")) == 3
    last = await cloud.job(jobs[3].id)
    assert last.held is not None
    assert last.held["rule"] == str(wide.id)
    await _end(cloud, wide)
    await _round(cloud)
    await cloud.settle()
    assert len(await _ids(cloud, "SUCCEEDED")) == 4


async def test_one_tenants_held_jobs_hold_up_nobody_else(cloud: Cloud) -> None:
    await _rule(cloud, "concurrency", 1)
    shared = await _network(cloud, "shared")
    for number in range(3):
        await _network(cloud, f"lan-{number}")
    await _rule(cloud, "pause", project_id=cloud.project_id)
    other = replace(cloud, project_id=(await cloud.make(PROJECT, ProjectSpec(), name="other", project=False)).resource.id)
    theirs = await _network(other, "theirs")
    assert theirs.held is not None
    await cloud.run()
    assert (await cloud.job(shared.id)).state == "SUCCEEDED"
    for _ in range(5):
        await _round(cloud)
    assert await _ids(cloud, "RUNNING") == [theirs.id]


# A rate.


async def test_a_rate_lets_so_many_a_minute_begin_evenly(cloud: Cloud) -> None:
    rule = await _rule(cloud, "rate", 30)
    processes = [cloud, *(replace(cloud) for _ in range(3))]
    await asyncio.gather(*(_network(processes[number % 4], f"lan-{number}") for number in range(6)))
    assert len(cloud.tasks) == 1

    async def begun_after(seconds: float) -> int:
        await cloud.execute("UPDATE traffic_rule SET tokens_at = tokens_at - $1::interval", timedelta(seconds=seconds))
        return sum(await asyncio.gather(*(release_held(each.database, each.platform.engine) for each in processes)))

    assert await begun_after(0.5) == 0
    assert await begun_after(1.6) == 1
    assert await begun_after(60) == 1  # a quiet minute is no credit
    await _end(cloud, rule)
    assert await begun_after(0) == 3


# What it costs, and who knows of it when.


async def test_where_there_is_no_rule_a_create_pays_nothing(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    await _network(cloud, "first")
    await cloud.platform.engine.traffic.forget()
    with all_statements(monkeypatch) as said:
        start = await cloud.now()
        for number in range(20):
            await cloud.make(NETWORK, NetworkSpec(), name=f"lan-{number}")
        seconds = (await cloud.now() - start).total_seconds()
    assert 1 <= sum("traffic_rule" in sql for sql in said) <= 2 + seconds


async def test_another_process_knows_a_rule_within_a_second(cloud: Cloud) -> None:
    other = replace(cloud)
    await _network(other, "first")
    await _rule(cloud, "pause")
    await asyncio.sleep(1.0)
    assert (await _network(other, "second")).held is not None


async def test_what_is_past_its_expiry_has_no_effect_and_is_forgotten_after_a_day(cloud: Cloud) -> None:
    rule = await _rule(cloud, "reject", lasting=timedelta(seconds=0.2))
    with pytest.raises(RejectedByRuleError):
        await _network(cloud)
    await asyncio.sleep(0.3)
    assert (await _network(cloud)).state == "RUNNING"

    async def forgotten(age: timedelta) -> int:
        expires: datetime = await cloud.now() - age
        await cloud.execute("UPDATE traffic_rule SET expires_at = $2 WHERE id = $1", rule.id, expires)
        async with cloud.database.transaction() as tx:
            return await traffic.forget_expired(tx)

    assert await forgotten(timedelta(hours=23)) == 0
    assert await forgotten(timedelta(hours=25)) == 1
