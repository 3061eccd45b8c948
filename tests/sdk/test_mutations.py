"""Calls that change something: done once however often they are sent, many by one, and tried only."""

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from fastapi import Response
from fastapi.responses import JSONResponse
from tests.sdk.platform import AT, PASSWORD, PROJECT, SPEC, Platform, problem, unavailable

from groundplane.sdk import ApiError, Client
from groundplane.sdk.records import JobError, JobReference, PlannedJob, PlannedResource, QuotaEffect

VMS = f"{PROJECT}/vms"
JOBS = f"{PROJECT}/jobs"

MUTATIONS: dict[str, Callable[[Client, Path, str | None], object]] = {
    "create": lambda client, _, key: client.tenant("prj_1").vms.create("a", SPEC, idempotency_key=key),
    "create_many": lambda client, _, key: client.tenant("prj_1").vms.create_many("a", 2, SPEC, idempotency_key=key),
    "update": lambda client, _, key: client.tenant("prj_1").vms.update("a", name="b", idempotency_key=key),
    "delete": lambda client, _, key: client.tenant("prj_1").vms.delete("a", idempotency_key=key),
    "act": lambda client, _, key: client.tenant("prj_1").vms.reboot("a", idempotency_key=key),
    "upload": lambda client, path, key: client.tenant("prj_1").images.upload(path, "tiny", idempotency_key=key),
    "cancel": lambda client, _, key: client.tenant("prj_1").jobs.cancel("job_1", idempotency_key=key),
    "retry": lambda client, _, key: client.tenant("prj_1").jobs.retry("job_1", idempotency_key=key),
    "create_user": lambda client, _, key: client.common.users.create("a@example.org", "A", PASSWORD, idempotency_key=key),
    "bind": lambda client, _, key: client.common.platform_role_bindings.create("viewer", user="usr_1", idempotency_key=key),
    "unbind": lambda client, _, key: client.common.platform_role_bindings.delete("rlb_1", idempotency_key=key),
    "disable": lambda client, _, key: client.common.users.disable("usr_1", idempotency_key=key),
    "set_quota": lambda client, _, key: client.ops.quota.update("prj_1", {"vms": 1}, idempotency_key=key),
    "change_quota": lambda client, _, key: client.ops.quota.change("prj_1", {"vms": None}, idempotency_key=key),
    "set_organization_quota": lambda client, _, key: client.ops.organization_quota.update("org_1", {}, idempotency_key=key),
    "change_organization_quota": lambda client, _, key: client.ops.organization_quota.change("org_1", {}, idempotency_key=key),
}


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A file to upload."""
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(1000))
    return path


def in_flight() -> Response:
    """What a repetition is answered while the first request is at work."""
    return problem(409, "idempotency_in_flight", "Send it again in a moment.")


@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS)
def test_a_mutation_has_one_key_however_often_it_is_sent(
    platform: Platform, client: Client, image: Path, mutation: Callable[[Client, Path, str | None], object]
) -> None:
    platform.keys.clear()
    platform.script = [unavailable(), in_flight()]
    mutation(client, image, None)
    first, *others = platform.keys
    assert first is not None
    assert UUID(first).version == 4
    assert others == [first, first]
    mutation(client, image, None)
    assert platform.keys[-1] not in {None, first}
    mutation(client, image, "mine")
    assert platform.keys[-1] == "mine"


def test_a_key_outlives_the_token(platform: Platform, client: Client) -> None:
    platform.keys.clear()
    platform.tokens.clear()
    client.tenant("prj_1").vms.create("a", SPEC)
    refused, login, done = platform.keys
    assert login is None
    assert refused == done is not None


def test_reads_and_logins_have_no_key(platform: Platform, client: Client) -> None:
    client.login("a@example.org", PASSWORD)
    client.tenant("prj_1").vms.get("a")
    assert platform.keys == [None, None, None]


def test_another_conflict_is_the_answer(platform: Platform, client: Client) -> None:
    platform.script = [problem(409, "name_taken", "Choose another name.")]
    with pytest.raises(ApiError, match="name_taken"):
        client.tenant("prj_1").vms.create("a", SPEC)
    assert platform.count("POST", VMS) == 1


def test_a_request_that_stays_in_flight_is_told(platform: Platform, client: Client) -> None:
    platform.script = [in_flight() for _ in range(1000)]
    with pytest.raises(ApiError, match="idempotency_in_flight"):
        client.tenant("prj_1").vms.create("a", SPEC)
    assert platform.count("POST", VMS) > 3


def test_many_are_made_by_one_request(platform: Platform, client: Client) -> None:
    platform.job_lines = ["entered"]
    bulk = client.tenant("prj_1").vms.create_many("a", 5, SPEC, labels={"env": "prod"})
    assert platform.bodies == [{"name": "a", "labels": {"env": "prod"}, "spec": SPEC, "count": 5}]
    assert [(vm.name, vm.status) for vm in bulk.items] == [(f"a-{number}", "creating") for number in range(1, 6)]
    assert bulk.job == JobReference(id="job_1", state="PENDING", href=f"{JOBS}/job_1")
    assert platform.count("GET", f"{JOBS}/job_1") == 0


def test_many_that_are_waited_for_are_answered_as_they_are_then(platform: Platform, client: Client) -> None:
    platform.names = ["earlier"]
    platform.job_lines = ["entered", "succeeded"]
    bulk = client.tenant("prj_1").vms.create_many("a", 4, SPEC, wait=True)
    assert [(vm.name, vm.status) for vm in bulk.items] == [(f"a-{number}", "active") for number in range(1, 5)]
    paths = [path for _, path, _ in platform.requests]
    assert paths[-4:] == [f"{JOBS}/job_1"] * 2 + [VMS] * 2


def test_a_job_is_cancelled_and_tried_again(platform: Platform, client: Client) -> None:
    platform.job_lines = ["entered", "succeeded"]
    jobs = client.tenant("prj_1").jobs
    assert jobs.cancel("job_1").undoing
    assert not jobs.retry("job_1").undoing
    assert [request[:2] for request in platform.requests[-2:]] == [
        ("POST", f"{JOBS}/job_1/cancel"),
        ("POST", f"{JOBS}/job_1/retry"),
    ]


def test_jobs_are_listed_by_what_is_asked(platform: Platform, client: Client) -> None:
    jobs = client.tenant("prj_1").jobs
    assert [job.verb for job in jobs.list(state="FAILED", parent="job_0")] == ["create"]
    assert platform.requests[-1] == ("GET", JOBS, {"limit": "200", "state": "FAILED", "parent": "job_0"})


def test_a_job_tells_all_its_faults(platform: Platform, client: Client) -> None:
    fault = {"at": AT, "step": "s", "attempt": 1, "code": "engine_down", "fault_class": "transient", "message": "Wait."}
    told = {"errors": [fault], "parent_id": "job_0", "cancel_requested_at": AT}
    platform.script = [JSONResponse({**platform.job(), **told})]
    job = client.tenant("prj_1").jobs.get("job_1")
    (found,) = job.errors
    assert found == JobError(at=found.at, step="s", attempt=1, code="engine_down", fault_class="transient", message="Wait.")
    assert job.cancel_requested_at == found.at
    assert (job.parent_id, job.links.self) == ("job_0", f"{JOBS}/job_1")


def test_a_dry_run_tells_what_would_be(platform: Platform, client: Client) -> None:
    vm = {"id": "vm_a", "kind": "vm", "name": "a", "host_id": "hst_1", "host_name": "h1", "changes": {"status": "creating"}}
    job = {"workflow": "vm.create", "resource_id": "vm_a", "steps": ["define", "start"]}
    plan = {
        "dry_run": True, "status": 202, "created_count": 1, "created": [vm], "changed_count": 0, "changed": [],
        "jobs_count": 1, "jobs": [job], "quota": {"vms": {"used": 0, "after": 1, "limit": 10}},
        "organization_quota": {},
    }  # fmt: skip
    platform.script = [JSONResponse(plan) for _ in range(5)]
    dry_run = client.tenant("prj_1").vms.dry_run
    told = dry_run.create("a", SPEC)
    assert told.created == (
        PlannedResource(id="vm_a", kind="vm", name="a", host_id="hst_1", host_name="h1", changes={"status": "creating"}),
    )
    assert told.jobs == (PlannedJob(workflow="vm.create", resource_id="vm_a", steps=("define", "start")),)
    assert told.quota == {"vms": QuotaEffect(used=0, after=1, limit=10)}
    assert (told.status, told.created_count, told.changed, told.changed_count, told.jobs_count) == (202, 1, (), 0, 1)

    assert [dry_run.create_many("a", 2, SPEC), dry_run.update("a", name="b"), dry_run.delete("a"), dry_run.stop("a")] == [
        told
    ] * 4
    assert platform.requests[1:] == [
        ("POST", VMS, {"dry_run": "true"}),
        ("POST", VMS, {"dry_run": "true"}),
        ("PATCH", f"{VMS}/a", {"dry_run": "true"}),
        ("DELETE", f"{VMS}/a", {"dry_run": "true"}),
        ("POST", f"{VMS}/a/stop", {"dry_run": "true"}),
    ]
