"""`kill -9` of any one process in the middle of a create: the job still ends, and exactly one of everything is there."""

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple
from uuid import UUID

import pytest
from tests.cloud.installation import Installation, idle_spec, ids_of, kill, wait_for

from groundplane.processes import proof
from groundplane.processes.pids import ProcessRef
from groundplane.processes.up import NOT_RUNNING
from groundplane.sdk import ApiError, Tenant
from groundplane.sdk.records import JobReference, Vm

CONTROL = ("api", "worker", "agent", "nats", "postgres")
ENGINES = ("libvirtd", "virtlogd", "ovsdb", "ovn-nb", "ovn-sb", "vswitchd", "northd", "ovn-controller")
JOB_SECONDS = 120.0
moments = random.Random(20)  # noqa: S311 - the same moments in every run
OFFSETS = {
    **{part: (0.0, *(round(moments.uniform(0.01, 0.4), 3) for _ in range(2))) for part in CONTROL},
    **{part: (round(moments.uniform(0.0, 0.3), 3),) for part in ENGINES},
}
"""Seconds from the beginning of the request to the kill."""


class Doomed(NamedTuple):
    """What was made here and has to go."""

    ids: list[UUID]
    jobs: list[str]


@pytest.fixture(scope="module")
def doomed() -> Doomed:
    """Collects them; the last test sees that they are gone."""
    return Doomed([], [])


@pytest.fixture(autouse=True)
def _next_one_finds_room(cloud: Installation, tenant: Tenant, doomed: Doomed) -> Iterator[None]:
    """The machine goes while the next test begins, so that deletions meet kills too."""
    yield
    cloud.wait_whole()
    for vm in tenant.vms.list():
        doomed.ids.extend(ids_of(vm))
        if (job := delete(tenant, vm)) is not None:
            doomed.jobs.append(job.id)


def delete(tenant: Tenant, vm: Vm) -> JobReference | None:
    """The job by which it goes; None if it is gone: the deletion of the test before may have ended meanwhile."""
    try:
        return tenant.vms.delete(vm.id).job
    except ApiError as error:
        if error.code != "not_found":
            raise
        return None


def create_while(tenant: Tenant, name: str, harm: Callable[[], None], after: float) -> Vm:
    """Create a machine; `harm` comes so many seconds after the request began.

    The client sends the request again, with the same key, until it is answered: a name that is taken would be an error.
    """
    failed: list[BaseException] = []

    def harmed() -> None:
        try:
            harm()
        except BaseException as error:  # told by the test's own thread
            failed.append(error)

    timer = threading.Timer(after, harmed)
    timer.start()
    try:
        return tenant.vms.create(name, idle_spec())
    finally:
        timer.join()
        assert not failed, failed


def await_jobs(tenant: Tenant, vm: Vm) -> None:
    """Every job of the machine ends, and none of them fails."""
    jobs = wait_for(lambda: list(tenant.jobs.list(resource=vm.id)), "the machine has a job")
    for job in jobs:
        assert tenant.jobs.wait(job.id, JOB_SECONDS).state == "SUCCEEDED"


def assert_exactly_one(cloud: Installation, tenant: Tenant, vm: Vm) -> None:
    """One machine, one volume, one port: in the platform's eyes and in the engines'."""
    vm = tenant.vms.get(vm.id)
    assert [found.id for found in tenant.vms.list(name=vm.name)] == [vm.id]
    assert (vm.status, vm.observed.power, vm.job) == ("active", "running", None)
    vm_id, volume_id, port_id = ids_of(vm)
    assert tenant.volumes.get(vm.spec.disks[0].volume).status == "active"
    assert tenant.ports.get(vm.spec.nics[0].port).status == "active"
    assert cloud.domains().count(str(vm_id)) == 1
    assert len(cloud.guests()[str(vm_id)]) == 1
    ports = [line for line in proof.left_in_ovn(cloud.endpoints) if line.startswith("Logical_Switch_Port")]
    assert len(proof.left_of([port_id], found=ports)) == 1
    assert len(proof.left_of([volume_id], found=proof.left_in_pool(cloud.endpoints))) == 1
    assert cloud.virsh("domstate", str(vm_id)) == "running"


@pytest.mark.parametrize(("part", "after"), [(part, after) for part, offsets in OFFSETS.items() for after in offsets])
def test_any_process_may_be_killed_in_a_create(cloud: Installation, tenant: Tenant, part: str, after: float) -> None:
    killed = cloud.ref(part)
    vm = create_while(tenant, f"{part}-{after * 1000:.0f}", lambda: kill(killed), after)
    await_jobs(tenant, vm)
    assert_exactly_one(cloud, tenant, vm)
    cloud.wait_restarted(part, killed)


def test_the_supervisor_may_be_killed_in_a_create(cloud: Installation, tenant: Tenant) -> None:
    supervisor, parts = cloud.ref("supervisor"), cloud.parts()
    first = create_while(tenant, "unsupervised", lambda: kill(supervisor), 0.05)
    await_jobs(tenant, first)
    assert_exactly_one(cloud, tenant, first)
    assert cloud.run("status").returncode == NOT_RUNNING
    guest = cloud.guests()[str(ids_of(first)[0])]

    second = tenant.vms.create("met-by-up", idle_spec())
    told = cloud.up()
    await_jobs(tenant, second)
    assert_exactly_one(cloud, tenant, second)
    assert cloud.guests()[str(ids_of(first)[0])] == guest
    for part in (*ENGINES, "nats", "postgres"):
        assert f"  {part:<15} adopted" in told
        assert cloud.parts()[part]["pid"] == parts[part]["pid"]

    killed = cloud.ref("vswitchd")
    kill(killed)
    cloud.wait_restarted("vswitchd", killed)


@pytest.mark.parametrize("after", [0.0, 0.03, 0.08, 0.15, 0.25, 0.4])
def test_a_delete_while_the_create_runs_leaves_nothing(cloud: Installation, tenant: Tenant, after: float) -> None:
    vm = tenant.vms.create(f"brief-{after * 1000:.0f}", idle_spec())
    assert vm.job is not None
    time.sleep(after)
    tenant.vms.delete(vm.id, wait=True, timeout=JOB_SECONDS)
    with pytest.raises(ApiError) as caught:
        tenant.vms.get(vm.id)
    assert caught.value.code == "not_found"
    create = tenant.jobs.get(vm.job.id)
    assert create.state == "SUCCEEDED" or (create.error is not None and create.error.code == "superseded")
    assert cloud.left_of(*ids_of(vm)) == []


def test_a_storm_of_kills_loses_and_doubles_nothing(cloud: Installation, tenant: Tenant) -> None:
    storm = random.Random(7)  # noqa: S311 - the same storm in every run
    victims = [storm.choice((*CONTROL, *ENGINES)) for _ in range(8)]

    def blow() -> None:
        for victim in victims:
            if (pid := cloud.parts()[victim]["pid"]) and (ref := ProcessRef.of(pid)):
                ref.send(signal.SIGKILL)
            time.sleep(storm.uniform(0.1, 0.6))

    with ThreadPoolExecutor(max_workers=6) as threads:
        creates = [threads.submit(tenant.vms.create, f"storm-{number}", idle_spec()) for number in range(5)]
        threads.submit(blow).result()
        machines = [create.result() for create in creates]
    cloud.wait_whole()
    for vm in machines:
        await_jobs(tenant, vm)
        assert_exactly_one(cloud, tenant, vm)


def test_at_last_nothing_is_left(cloud: Installation, tenant: Tenant, doomed: Doomed) -> None:
    assert doomed.ids
    for job in doomed.jobs:
        assert tenant.jobs.wait(job, JOB_SECONDS).state == "SUCCEEDED"
    assert cloud.left_of(*doomed.ids) == []
    assert [tenant.quota.get().dimensions[name].used for name in ("vms", "volumes", "ports")] == [0, 0, 0]
    assert not set(cloud.guests()) & {str(each) for each in doomed.ids}
