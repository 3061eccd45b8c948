"""Dry run: it says what would be made and changed, and does nothing of it. Of every mutating route."""

from collections.abc import Mapping
from typing import Any

import pytest
from tests.controlplane.gateway.conftest import Api, Json
from tests.controlplane.gateway.mutations import MUTATIONS, SPECS, Mutation, prepared
from tests.controlplane.gateway.test_kinds import BAD
from tests.controlplane.resources.test_claims import limit

from groundplane.controlplane.fleet.host import HOST
from groundplane.controlplane.network.network import NETWORK, NetworkSpec
from groundplane.controlplane.resources import quota
from groundplane.processes.catalog import WORKFLOWS

every_mutation = pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
KEY = "dry"


async def _usage(api: Api) -> Mapping[str, int]:
    async with api.cloud.database.transaction() as tx:
        accounts = await quota.accounts_of_project(tx, api.cloud.project_id)
    return accounts[0].used if accounts else {}


async def _done(api: Api, after: int) -> tuple[set[str], set[str], int]:
    """What a request in earnest made, changed and started since a place in the journal: public ids, and how many jobs."""
    rows = await api.cloud.fetch(
        "SELECT entity, entity_id, kind, min(revision) AS revision FROM revision WHERE sequence > $1 GROUP BY 1, 2, 3", after
    )
    resources = [
        (api.services.kinds[row["kind"]].public_id(row["entity_id"]), row) for row in rows if row["entity"] == "resource"
    ]
    made = {public for public, row in resources if row["revision"] == 1}
    return made, {public for public, _ in resources} - made, sum(row["entity"] == "job" for row in rows)


@every_mutation
async def test_it_says_what_would_be_and_changes_nothing(api: Api, mutation: Mutation) -> None:
    request = await prepared(api, mutation)
    before, tasks, usage = await api.cloud.contents(), list(api.cloud.tasks), await _usage(api)
    files = set(api.cloud.settings.blob_directory.rglob("*"))
    answer = await request.send(dry_run=True, key=KEY)
    assert answer.status_code == 200, answer.text
    plan: dict[str, Any] = answer.json()
    assert await api.cloud.contents() == before
    assert (api.cloud.tasks, api.cloud.stops) == (tasks, [])
    assert {path for path in api.cloud.settings.blob_directory.rglob("*") if path.is_file()} <= files

    last = await api.cloud.value("SELECT coalesce(max(sequence), 0) FROM revision")
    earnest = await request.send(key=KEY)  # the key is still free
    assert "idempotent-replayed" not in earnest.headers
    assert (plan["dry_run"], plan["status"]) == (True, earnest.status_code)
    made, changed, jobs = await _done(api, last)
    assert (plan["created_count"], plan["changed_count"], plan["jobs_count"]) == (len(made), len(changed), jobs)
    assert {each["id"] for each in plan["changed"]} == changed  # what is made has other ids each time
    effect = {name: (each["used"], each["after"]) for name, each in plan["quota"].items()}
    now = await _usage(api)
    assert effect == {name: (usage.get(name, 0), now[name]) for name in now if now[name] != usage.get(name, 0)}
    assert {name: each["after"] - each["used"] for name, each in plan["organization_quota"].items()} == {
        name: after - before for name, (before, after) in effect.items()
    }
    for job in plan["jobs"]:
        assert job["steps"] == list(WORKFLOWS[job["workflow"], 1].steps)


async def test_a_machine_is_told_with_its_parts_its_host_its_steps_and_what_it_takes(api: Api) -> None:
    (mutation,) = (each for each in MUTATIONS if each.route == ("POST", "/api/tenant/v1/projects/{project_id}/vms"))
    plan = (await (await prepared(api, mutation)).send(dry_run=True)).json()
    assert [each["kind"] for each in sorted(plan["created"], key=lambda each: each["name"])] == ["vm", "port", "volume"]
    (host_id,) = api.cloud.hosts
    hosts = {each["kind"]: (each["host_id"], each["host_name"]) for each in plan["created"]}
    assert hosts["vm"] == hosts["volume"] == (HOST.public_id(host_id), "host-0")
    (vm,) = (each for each in plan["created"] if each["kind"] == "vm")
    assert vm["changes"]["spec"]["vcpus"] == 1
    assert vm["changes"]["status"] == "creating"
    assert [(job["workflow"], job["steps"]) for job in plan["jobs"]] == [("vm.create", ["create", "done"])]
    limits = {
        "vms": 10_000,
        "vcpus": 20_000,
        "memory_mib": 20_000_000,
        "volumes": 20_000,
        "volume_gib": 200_000,
        "ports": 20_000,
    }
    amounts = {"memory_mib": 512}
    assert plan["quota"] == {
        name: {"used": 0, "after": amounts.get(name, 1), "limit": most} for name, most in limits.items()
    }  # fmt: skip


async def test_many_are_counted_and_a_hundred_are_listed(api: Api) -> None:
    answer = await api.post("/networks?dry_run=true", {"name": "lan", "count": 250})
    plan = answer.json()
    assert (plan["status"], plan["created_count"], plan["jobs_count"]) == (202, 250, 251)
    assert len(plan["created"]) == len(plan["jobs"]) == 100
    assert plan["quota"]["networks"] == {"used": 0, "after": 250, "limit": 1000}
    assert await api.cloud.value("SELECT count(*) FROM job") == 0


@pytest.mark.parametrize(("path", "body", "status", "code", "pointer"), BAD)
async def test_refusals_are_those_of_earnest(api: Api, path: str, body: Json, status: int, code: str, pointer: str) -> None:
    await api.cloud.image()
    await api.made("networks", "taken")
    await api.made("subnets", "a", {"network": "taken", "cidr": "10.0.0.0/24"})
    before = await api.cloud.contents()
    dry = await api.post(f"{path}?dry_run=true", body)
    assert await api.cloud.contents() == before  # nothing was refused in earnest, so it is not audited
    earnest = await api.post(path, body)
    told = ("status", "code", "title", "detail", "errors", "context")
    assert {name: dry.json()[name] for name in told} == {name: earnest.json()[name] for name in told}
    assert (dry.status_code, dry.json()["code"]) == (status, code), pointer


async def test_what_is_only_found_at_the_end_is_found(api: Api) -> None:
    """Quota is taken last of all, and by a row that everybody waits for."""
    await limit(api.cloud, networks=1)
    answer = await api.post("/networks?dry_run=true", {"name": "lan", "count": 2})
    assert (answer.status_code, answer.json()["code"]) == (403, "quota_exceeded")
    assert (await api.post("/networks?dry_run=true", {"name": "lan", "count": 1})).status_code == 200


async def test_it_does_not_wait_for_others_for_long(api: Api) -> None:
    async with api.cloud.database.transaction() as tx:
        await tx.execute("SELECT * FROM quota_usage WHERE scope_id = $1 FOR UPDATE", api.cloud.project_id)
        answer = await api.post("/networks?dry_run=true", {"name": "lan"})
    assert answer.status_code == 503
    assert answer.json()["code"] == "unavailable"


async def test_who_may_not_is_refused_and_audited(api: Api) -> None:
    viewer = await api.as_("viewer", api.cloud.organization_id)
    answer = await viewer.post("/networks?dry_run=true", {"name": "lan"})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert await api.cloud.value("SELECT count(*) FROM audit_event WHERE outcome = 'denied'") == 1


@pytest.mark.parametrize("text", ["yes", "1", "True", ""])
async def test_only_true_and_false_are_understood(api: Api, text: str) -> None:
    """Whoever misspells a dry run does not do it in earnest."""
    answer = await api.post(f"/networks?dry_run={text}", {"name": "lan"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert await api.cloud.value("SELECT count(*) FROM resource WHERE kind = 'network'") == 0


async def test_false_is_in_earnest(api: Api) -> None:
    assert (await api.post("/networks?dry_run=false", {"name": "lan"})).status_code == 202
    assert len(api.cloud.tasks) == 1


async def test_an_answer_of_before_does_not_stand_for_a_dry_run(api: Api) -> None:
    """A dry run with the key of a request that was done says what it would be now."""
    network = await api.cloud.made(NETWORK, NetworkSpec(), name="lan")
    path = f"{api.project}/networks/{NETWORK.public_id(network.id)}"
    headers = api.headers | {"Idempotency-Key": KEY}
    assert (await api.client.delete(path, headers=headers)).status_code == 202
    dry = await api.client.delete(f"{path}?dry_run=true", headers=headers)
    assert dry.json()["dry_run"] is True
    assert "idempotent-replayed" not in dry.headers


def test_every_kind_has_an_example(api: Api) -> None:
    assert SPECS.keys() == {kind.name for kind in api.services.kinds.values() if kind.create is not None}
