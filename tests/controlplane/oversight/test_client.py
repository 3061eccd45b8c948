"""The SDK against the real application behind a real socket: what it reads is what the platform answers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
import uvicorn
from tests.controlplane.gateway.conftest import Api
from tests.controlplane.scenes import boot_machine

from groundplane.contracts.faults import Fault
from groundplane.controlplane.compute.vm import VM
from groundplane.controlplane.identity import bind, create_user
from groundplane.controlplane.resources.organization import ORGANIZATION
from groundplane.controlplane.resources.project import PROJECT
from groundplane.sdk import ApiError, Client, JobFailedError
from groundplane.sdk.records import QuotaDimension

EMAIL, PASSWORD = "root@example.org", "correct horse battery"
Answer = TypeVar("Answer")


@pytest.fixture
async def url(api: Api) -> AsyncIterator[str]:
    """Where the application is served, in this loop; it has an administrator."""
    async with api.cloud.database.transaction() as tx:
        user = await create_user(tx, email=EMAIL, name="Root", password=PASSWORD)
        await bind(tx, user_id=user.id, role="admin")
    server = uvicorn.Server(uvicorn.Config(api.app, port=0, log_config=None, access_log=False, lifespan="off"))
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]  # pytest keeps its own handlers
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await task


@pytest.fixture
async def client(url: str) -> AsyncIterator[Client]:
    """The administrator's client."""
    with Client(url) as client:
        user = await asyncio.to_thread(client.login, EMAIL, PASSWORD)
        assert user.email == EMAIL
        yield client


async def taken(make: Callable[[], Iterator[Answer]]) -> list[Answer]:
    """All of a list, read in a thread."""
    return await asyncio.to_thread(lambda: list(make()))


async def test_secrets_are_written_and_revealed(client: Client, api: Api) -> None:
    secrets = client.tenant(PROJECT.public_id(api.cloud.project_id)).secrets
    made = await asyncio.to_thread(secrets.create, "db", {"value": "one"})
    assert made.spec.version == 1
    await asyncio.to_thread(secrets.update, "db", spec={"value": "two"})
    assert (await asyncio.to_thread(secrets.reveal, "db")).value == "two"
    assert (await asyncio.to_thread(lambda: secrets.reveal("db", version=1))).value == "one"
    kept = await asyncio.to_thread(secrets.versions, "db")
    assert [(each.version, each.current) for each in kept] == [(1, False), (2, True)]
    assert await asyncio.to_thread(secrets.destroy, "db", 1) == (kept[1],)


async def carried_out(api: Api, task: "asyncio.Task[Answer]") -> Answer:
    """What comes of it while everybody does their work."""
    while not task.done():
        await api.cloud.run()
        await api.cloud.resume()
        await asyncio.sleep(0.02)
    return await task


async def test_a_tenant_from_nothing_to_a_network_and_back(api: Api, client: Client) -> None:
    organization = await asyncio.to_thread(lambda: client.common.organizations.create("acme", labels={"tier": "gold"}))
    projects = client.organization(organization.id).projects
    project = await asyncio.to_thread(lambda: projects.create("web", spec={"description": "the web"}))
    assert [each.id for each in await taken(lambda: projects.list(name="web"))] == [project.id]
    assert organization.id in {
        each.id for each in await taken(lambda: client.common.organizations.list(label={"tier": "gold"}))
    }

    await asyncio.to_thread(client.common.users.create, "dev@example.org", "Dev", "a long enough word")
    bindings = client.organization(organization.id).role_bindings
    binding = await asyncio.to_thread(lambda: bindings.create("viewer", user="dev@example.org", project_id=project.id))
    assert binding.project_id == project.id
    assert (await taken(bindings.list)) == [binding]

    networks = client.tenant(project.id).networks
    made = await asyncio.to_thread(networks.create, "lan")
    assert made.job is not None
    await api.cloud.run()
    told: list[str] = []
    job = await asyncio.to_thread(client.tenant(project.id).jobs.wait, made.job.id, 10, lambda step: told.append(step.what))
    assert (job.state, job.resource_id) == ("SUCCEEDED", made.id)
    assert told == [step.what for step in job.steps]
    assert told[-1] == "succeeded"
    assert (await asyncio.to_thread(networks.get, "lan")).status == "active"
    renamed = await asyncio.to_thread(lambda: networks.update("lan", name="wan", labels={"a": "b"}))
    assert (renamed.name, renamed.labels) == ("wan", {"a": "b"})
    assert len(await asyncio.to_thread(networks.history, "wan")) >= 2
    why = await asyncio.to_thread(networks.why, "wan")
    assert why.summary.startswith(f"active: {job.id} ")
    assert [entry.what for entry in why.entries][:3] == ["requested", "claimed", "created"]

    deletion = asyncio.create_task(asyncio.to_thread(lambda: networks.delete("wan", wait=True, timeout=10)))
    await carried_out(api, deletion)
    with pytest.raises(ApiError, match="not_found"):
        await asyncio.to_thread(networks.get, "wan")


async def test_what_is_asked_for_twice_with_one_key_is_done_once(api: Api, client: Client) -> None:
    networks = client.tenant(PROJECT.public_id(api.cloud.project_id)).networks
    first = await asyncio.to_thread(lambda: networks.create("lan", idempotency_key="mine"))
    again = await asyncio.to_thread(lambda: networks.create("lan", idempotency_key="mine"))
    assert again == first
    with pytest.raises(ApiError, match="idempotency_key_reused"):
        await asyncio.to_thread(lambda: networks.create("wan", idempotency_key="mine"))
    with pytest.raises(ApiError, match="name_taken"):
        await asyncio.to_thread(networks.create, "lan")


async def test_what_is_tried_is_told_and_not_done(api: Api, client: Client) -> None:
    tenant = client.tenant(PROJECT.public_id(api.cloud.project_id))
    plan = await asyncio.to_thread(tenant.networks.dry_run.create_many, "lan", 3)
    assert {planned.name for planned in plan.created} == {"lan-1", "lan-2", "lan-3"}
    assert (plan.status, plan.created_count, plan.quota["networks"].after) == (202, 3, 3)
    assert sorted(job.workflow for job in plan.jobs) == ["bulk.create"] + ["network.ensure"] * 3
    assert await taken(tenant.networks.list) == []

    await asyncio.to_thread(tenant.networks.create, "lan-1")
    await api.cloud.run()
    dry_run = tenant.networks.dry_run
    assert (await asyncio.to_thread(lambda: dry_run.update("lan-1", name="wan"))).changed[0].name == "wan"
    assert (await asyncio.to_thread(dry_run.delete, "lan-1")).jobs_count == 1
    assert (await asyncio.to_thread(tenant.networks.get, "lan-1")).status == "active"
    with pytest.raises(ApiError, match="name_taken"):
        await asyncio.to_thread(dry_run.create_many, "lan", 3)
    vm = await boot_machine(api.cloud)
    stop = await asyncio.to_thread(tenant.vms.dry_run.stop, VM.public_id(vm.id))
    assert [planned.name for planned in stop.changed] == [vm.name]


async def test_many_are_made_and_waited_for(api: Api, client: Client) -> None:
    tenant = client.tenant(PROJECT.public_id(api.cloud.project_id))
    making = asyncio.create_task(
        asyncio.to_thread(lambda: tenant.networks.create_many("lan", 3, labels={"a": "b"}, wait=True, timeout=10))
    )
    bulk = await carried_out(api, making)
    assert [(each.name, each.status, each.labels) for each in bulk.items] == [
        (f"lan-{number}", "active", {"a": "b"}) for number in (1, 2, 3)
    ]
    assert bulk.job is not None
    parent = await asyncio.to_thread(tenant.jobs.get, bulk.job.id)
    assert (parent.verb, parent.state, parent.parent_id, parent.links.resource) == ("bulk", "SUCCEEDED", None, None)
    children = await taken(lambda: tenant.jobs.list(parent=parent.id, state="SUCCEEDED"))
    assert {child.resource_id for child in children} == {each.id for each in bulk.items}
    assert {(child.verb, child.parent_id) for child in children} == {("create", parent.id)}


async def test_a_job_is_cancelled_and_its_resource_goes(api: Api, client: Client) -> None:
    tenant = client.tenant(PROJECT.public_id(api.cloud.project_id))
    made = await asyncio.to_thread(tenant.networks.create, "lan")
    assert made.job is not None
    job = await asyncio.to_thread(tenant.jobs.cancel, made.job.id)
    assert (job.id, job.verb, job.resource_id) == (made.job.id, "create", made.id)
    assert job.cancel_requested_at is not None
    with pytest.raises(JobFailedError) as caught:
        await carried_out(api, asyncio.create_task(asyncio.to_thread(tenant.jobs.wait, job.id, 10)))
    assert caught.value.code == "cancelled"
    assert [fault.code for fault in caught.value.job.errors] == ["cancelled"]
    assert await taken(tenant.networks.list) == []
    with pytest.raises(ApiError) as refused:
        await asyncio.to_thread(tenant.jobs.cancel, job.id)
    assert refused.value.status == 409


async def test_a_job_that_failed_is_tried_again(api: Api, client: Client) -> None:
    tenant = client.tenant(PROJECT.public_id(api.cloud.project_id))
    made = await asyncio.to_thread(tenant.networks.create, "lan")
    assert made.job is not None
    fault = Fault(code="engine_refused", fault_class="permanent", message="The engine refused. Look at it.")
    await api.cloud.report(api.cloud.answer(api.cloud.tasks.pop(), fault=fault))
    failed = await asyncio.to_thread(tenant.jobs.get, made.job.id)
    assert (failed.state, failed.errors[-1].message) == ("FAILED", "The engine refused. Look at it.")
    again = await asyncio.to_thread(tenant.jobs.retry, failed.id)
    assert again.id != failed.id
    job = await carried_out(api, asyncio.create_task(asyncio.to_thread(tenant.jobs.wait, again.id, 10)))
    assert (job.verb, job.resource_id, job.errors) == ("create", made.id, ())
    assert (await asyncio.to_thread(tenant.networks.get, "lan")).status == "active"


async def test_what_is_seen_of_the_whole(api: Api, client: Client) -> None:
    vm = await boot_machine(api.cloud)
    tenant = client.tenant(PROJECT.public_id(api.cloud.project_id))
    api.cloud.engine.outside_destroy(vm.id)
    await api.cloud.sees("vm", vm.id)
    (drift,) = await taken(tenant.drift.list)
    assert (drift.resource_id, drift.resolved_at) == (VM.public_id(vm.id), None)
    assert drift.fields["power"] == {"wanted": "running", "observed": "stopped"}
    assert await taken(lambda: client.ops.drift.list(open_only=True)) == [drift]

    assert (await asyncio.to_thread(tenant.quota.get)).dimensions["vms"] == QuotaDimension(used=1, limit=10_000, own=False)
    limits = await asyncio.to_thread(client.ops.quota.update, tenant.project_id, {"vms": 1})
    assert limits.dimensions["vms"] == QuotaDimension(used=1, limit=1, own=True)
    (event,) = await taken(tenant.audit_events.list)
    assert (event.action, event.organization_id) == (
        "resources.quota.update",
        ORGANIZATION.public_id(api.cloud.organization_id),
    )
    assert event in await taken(client.ops.audit_events.list)

    await api.cloud.heartbeat(reachable=False)
    await api.cloud.incidents()
    assert "host_unreachable" in {incident.code for incident in await taken(client.ops.incidents.list)}
    (health,) = await taken(client.ops.hosts_health.list)
    assert health.facts is not None
    assert health.facts["reachable"] is False


async def test_a_refusal_names_the_field(client: Client, api: Api) -> None:
    wrong: Any = {"colour": "red"}
    tenant = client.tenant(PROJECT.public_id(api.cloud.project_id))
    with pytest.raises(ApiError) as caught:
        await asyncio.to_thread(lambda: tenant.networks.create("lan", spec=wrong))
    assert (caught.value.status, caught.value.code) == (422, "invalid_request")
    assert [each.pointer for each in caught.value.errors] == ["/spec/colour"]
    assert caught.value.request_id


async def test_an_operator_slows_a_tenant_and_lets_it_go_again(api: Api, client: Client) -> None:
    rules, expires_at = client.ops.traffic_rules, datetime.now(UTC) + timedelta(hours=1)
    made = await asyncio.to_thread(
        lambda: rules.create("concurrency", "Busy.", expires_at, limit=1, kind="network", organization="it")
    )
    assert (made.action, made.limit, made.kind, made.verbs) == ("concurrency", 1, "network", ("create", "update"))
    networks = client.tenant(PROJECT.public_id(api.cloud.project_id)).networks
    await asyncio.to_thread(networks.create, "first")
    second = await asyncio.to_thread(networks.create, "second")
    assert second.job is not None
    job = await asyncio.to_thread(client.ops.jobs.get, second.job.id)
    assert job.held is not None
    assert (job.state, job.held.rule_id, job.held.reason) == ("PENDING", made.id, "Busy.")
    assert [each.held_jobs for each in await taken(rules.list)] == [1]

    changed = await asyncio.to_thread(lambda: rules.update(made.id, limit=2, reason="Less busy."))
    assert await asyncio.to_thread(rules.get, made.id) == changed
    assert (await asyncio.to_thread(rules.delete, made.id)).id == made.id
    with pytest.raises(ApiError) as gone:
        await asyncio.to_thread(rules.get, made.id)
    assert gone.value.status == 404
