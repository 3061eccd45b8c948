"""The invariants hold of what is well, and each of them says so when it is broken."""

from collections.abc import Callable
from uuid import UUID

import pytest
from tests.controlplane.cloud import Cloud
from tests.controlplane.scenes import boot_machine
from tests.invariants import Promise, audit_is_exact, promises_were_kept, refusals_made_nothing, violations

from groundplane.contracts.specs import NetworkSpec
from groundplane.controlplane.compute.vm import VM
from groundplane.controlplane.resources.resource import Resource
from groundplane.kernel.ids import new_id

IN_THE_DATABASE = {
    "UPDATE quota_usage SET used = used || '{\"vms\": 7}'": "has used",
    "DELETE FROM quota_claim WHERE resource_id IN (SELECT id FROM resource WHERE kind = 'vm')": "holds quota None",
    "UPDATE host_capacity SET vcpus_used = vcpus_used + 1": "has given away",
    "UPDATE placement SET vcpus = 7": "is placed as",
    "UPDATE pool_capacity SET gib_used = gib_used + 1": "has given away",
    "DELETE FROM pool_share": "has a share of None",
    "DELETE FROM address": "holds set()",
    "UPDATE address SET address = address + 1": "should hold",
    """INSERT INTO change_claim SELECT resource.id, job.id FROM resource, job
       WHERE resource.kind = 'vm' AND job.workflow = 'vm.create'""": "still claimed",
    "UPDATE job SET state = 'RUNNING', ended_at = NULL WHERE workflow = 'vm.create'": "is RUNNING",
    "UPDATE job SET ask = '{}' WHERE workflow = 'vm.create'": "still asks",
    "UPDATE job SET error = '{\"code\": \"stale_fence\"}' WHERE workflow = 'vm.create'": "ended by the report of an ask",
    "UPDATE job SET state = 'FAILED' WHERE workflow = 'vm.create'": "does not say why",
    """INSERT INTO drift (resource_id, kind, difference, fields, source, decision)
       SELECT id, kind, 'missing', '{}', 'event', 'correct' FROM resource WHERE kind = 'vm'""": "has drifted",
    "UPDATE usage_span SET during = tstzrange(lower(during), lower(during) + interval '1 s')": "no usage span is open",
    """INSERT INTO usage_span (resource_id, meter, amount, during)
       SELECT id, 'air', 1, tstzrange(now(), NULL) FROM resource WHERE kind = 'vm'""": "a usage span is open",
    """INSERT INTO revision (entity, entity_id, kind, revision, reason, state)
       SELECT entity, entity_id, kind, revision, reason, '{}' FROM revision WHERE kind = 'vm' LIMIT 1""": "the journal of vm",
    """ALTER TABLE resource DISABLE TRIGGER resource_journal;
       UPDATE resource SET labels = '{"a": "b"}' WHERE kind = 'vm'""": "says labels",
    """INSERT INTO label (resource_id, kind, key, value) SELECT id, kind, 'a', 'b' FROM resource WHERE kind = 'vm';
       UPDATE resource SET status = 'deleted', deleted_at = now(), reason = 'x' WHERE kind = 'vm'""": "label still has a row",
    "UPDATE resource SET status = 'updating', reason = 'x' WHERE kind = 'vm'": "is not at rest",
    "UPDATE resource SET generation = generation + 1, reason = 'x' WHERE kind = 'vm'": "is not at rest",
    "INSERT INTO report_set_aside (message, error) VALUES ('{}', 'x')": "was set aside",
}

IN_THE_ENGINE: dict[str, Callable[[Cloud, UUID], None]] = {
    "is missing in the engine": lambda cloud, vm_id: cloud.engine.outside_delete("vm", vm_id),
    "is an orphan": lambda cloud, _: cloud.engine.outside_create(cloud.cluster_id, NetworkSpec(id=new_id())),
    "has power stopped": lambda cloud, vm_id: cloud.engine.outside_destroy(vm_id),
    "2 times": lambda cloud, _: _copy_network(cloud),
}


def _copy_network(cloud: Cloud) -> None:
    (network,) = cloud.engine.resources(kind="network")
    cloud.engine.outside_create(new_id(), NetworkSpec(id=network.key.id))


async def _violations(cloud: Cloud) -> list[str]:
    async with cloud.database.transaction() as tx:
        return await violations(tx, cloud.engine)


async def test_all_is_well_through_the_life_of_a_machine(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    assert await _violations(cloud) == []
    await cloud.act(vm.id, "reboot")
    await cloud.run()
    await cloud.act(vm.id, "stop")
    await cloud.run()
    assert await _violations(cloud) == []
    await cloud.deleted(vm.id)
    assert await _violations(cloud) == []


@pytest.mark.parametrize(("sql", "sentence"), IN_THE_DATABASE.items(), ids=IN_THE_DATABASE.values())
async def test_what_is_wrong_in_the_database_is_said(cloud: Cloud, sql: str, sentence: str) -> None:
    await boot_machine(cloud)
    await cloud.execute(sql)
    assert sentence in "\n".join(await _violations(cloud))


@pytest.mark.parametrize("sentence", IN_THE_ENGINE)
async def test_what_is_wrong_in_the_engine_is_said(cloud: Cloud, sentence: str) -> None:
    vm = await boot_machine(cloud)
    IN_THE_ENGINE[sentence](cloud, vm.id)
    assert sentence in "\n".join(await _violations(cloud))


def _promise(vm: Resource, verb: str, job_id: UUID | None) -> Promise:
    return Promise(request=f"{verb} it", verb=verb, kind=VM.name, name=vm.name, resource_id=vm.id, job_id=job_id)


async def test_a_promise_that_was_broken_is_said(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    job = await cloud.last_job(vm.id)
    unmade = Promise("create other", "create", VM.name, "other", new_id(), new_id())
    async with cloud.database.transaction() as tx:
        assert await promises_were_kept(tx, [_promise(vm, "create", job.id)]) == []
        assert await promises_were_kept(tx, [_promise(vm, "delete", job.id)]) == [
            f"delete it: {vm.id} is active, wanted present"
        ]
        assert await promises_were_kept(tx, [unmade]) == [
            f"create other: its job {unmade.job_id} is not there",
            f"create other: its resource {unmade.resource_id} is not there",
            "create other: made 0 resources",
        ]
        assert await refusals_made_nothing(tx, [unmade]) == []
        assert await refusals_made_nothing(tx, [_promise(vm, "create", None)]) == ["create it: was refused, and made it"]


async def test_the_audit_log_is_counted(cloud: Cloud) -> None:
    for each in ("once", "twice", "twice", "refused"):
        await cloud.execute(
            "INSERT INTO audit_event (actor_kind, action, outcome, request_id) VALUES ('user', 'x', 'allowed', $1)", each
        )
    async with cloud.database.transaction() as tx:
        assert await audit_is_exact(
            tx, {"a": ["once"], "b": ["twice"], "c": ["never"]}, {"d": ["refused"], "e": ["never"]}, once=True
        ) == [
            "b was accepted and left 2 audit rows",
            "c was accepted and left 0 audit rows",
            "d was refused and left 1 audit rows that say allowed",
            "request id twice left 2 audit rows",
        ]
