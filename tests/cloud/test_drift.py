"""What happens behind the platform's back: noticed, shown as drift, and put right by a job where that loses nothing."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cloud.installation import Installation, idle_spec, ids_of, uuid_of, wait_for

from groundplane.sdk import Tenant
from groundplane.sdk.records import Drift, Vm


@pytest.fixture
def vm(tenant: Tenant) -> Iterator[Vm]:
    """A machine for one test."""
    yield tenant.vms.create("victim", idle_spec(), wait=True)
    tenant.vms.delete("victim", wait=True)


def await_drift(tenant: Tenant, resource_id: str, *, resolved: bool = True) -> Drift:
    def look() -> Drift | None:
        mine = [drift for drift in tenant.drift.list(open_only=False) if drift.resource_id == resource_id]
        return mine[0] if mine and (not resolved or mine[0].resolved_at) else None

    return wait_for(look, f"drift of {resource_id}")


def assert_corrected(tenant: Tenant, drift: Drift) -> None:
    assert drift.decision == "correct"
    assert drift.job_id is not None
    job = tenant.jobs.get(drift.job_id)
    assert (job.state, job.resource_id) == ("SUCCEEDED", drift.resource_id)


def assert_runs(cloud: Installation, tenant: Tenant, vm: Vm) -> None:
    again = tenant.vms.get(vm.id)
    vm_id = str(ids_of(vm)[0])
    assert (again.status, again.observed.power, again.spec) == ("active", "running", vm.spec)
    assert cloud.virsh("domstate", vm_id) == "running"
    assert cloud.domains().count(vm_id) == 1
    assert len(cloud.guests()[vm_id]) == 1


def test_a_destroyed_machine_is_started_again(cloud: Installation, tenant: Tenant, vm: Vm) -> None:
    cloud.virsh("destroy", str(ids_of(vm)[0]))
    drift = await_drift(tenant, vm.id)
    assert (drift.difference, drift.source) == ("wrong_state", "event")
    assert drift.fields["power"] == {"wanted": "running", "observed": "stopped"}
    assert_corrected(tenant, drift)
    assert_runs(cloud, tenant, vm)


def test_a_killed_qemu_is_started_again(cloud: Installation, tenant: Tenant, vm: Vm) -> None:
    (guest,) = cloud.guests()[str(ids_of(vm)[0])]
    assert guest.send(signal.SIGKILL)
    assert_corrected(tenant, await_drift(tenant, vm.id))
    assert_runs(cloud, tenant, vm)


def test_an_undefined_machine_is_made_anew(cloud: Installation, tenant: Tenant, vm: Vm) -> None:
    vm_id = str(ids_of(vm)[0])
    cloud.virsh("undefine", vm_id)
    cloud.virsh("destroy", vm_id)
    drift = await_drift(tenant, vm.id)
    assert (drift.difference, drift.source) == ("missing", "event")
    assert_corrected(tenant, drift)
    assert_runs(cloud, tenant, vm)


def test_a_paused_machine_goes_on(cloud: Installation, tenant: Tenant, vm: Vm) -> None:
    before = cloud.guests()
    cloud.virsh("suspend", str(ids_of(vm)[0]))
    drift = await_drift(tenant, vm.id)
    assert drift.fields["power"] == {"wanted": "running", "observed": "paused"}
    assert_corrected(tenant, drift)
    assert_runs(cloud, tenant, vm)
    assert cloud.guests() == before, "it was not started anew"


def test_a_deleted_port_is_made_anew(cloud: Installation, tenant: Tenant, vm: Vm) -> None:
    port_id, port = ids_of(vm)[2], vm.spec.nics[0].port
    wait_for(lambda: cloud.switch_port(port_id, "up") == "true", "the port is up")
    before = {column: cloud.switch_port(port_id, column) for column in ("name", "addresses", "port_security")}
    cloud.nbctl("lsp-del", before["name"])
    drift = await_drift(tenant, port)
    assert drift.difference == "missing"
    assert_corrected(tenant, drift)
    assert {column: cloud.switch_port(port_id, column) for column in before} == before
    wait_for(lambda: cloud.switch_port(port_id, "up") == "true", "the port is up again")
    assert_runs(cloud, tenant, vm)


def test_a_deleted_network_is_made_anew_with_all_that_was_on_it(cloud: Installation, tenant: Tenant, vm: Vm) -> None:
    port_id, network = ids_of(vm)[2], tenant.networks.get("lan")
    name = cloud.nbctl(
        "--bare", "--columns=name", "find", "Logical_Switch", f'external_ids:"groundplane:id"="{uuid_of(network.id)}"'
    )
    addresses = cloud.switch_port(port_id, "addresses")
    cloud.nbctl("ls-del", name)
    for resource_id in (network.id, vm.spec.nics[0].port):
        assert_corrected(tenant, await_drift(tenant, resource_id))
    assert cloud.switch_port(port_id, "addresses") == addresses
    wait_for(lambda: cloud.switch_port(port_id, "up") == "true", "the port is up again")
    wait_for(lambda: list(tenant.drift.list()) == [], "all is put right")


def test_lost_data_is_told_and_not_made_anew(cloud: Installation, tenant: Tenant, vm: Vm) -> None:
    volume_id, volume = ids_of(vm)[1], vm.spec.disks[0].volume
    file = Path(cloud.endpoints.pool_path) / f"{volume_id}.qcow2"
    tenant.vms.stop(vm.id, wait=True)
    file.unlink()
    drift = await_drift(tenant, volume, resolved=False)
    assert (drift.difference, drift.decision, drift.job_id) == ("missing", "alert", None)
    incident = wait_for(
        lambda: [each for each in cloud.admin.ops.incidents.list() if each.context.get("drift_id") == drift.id],
        "an incident",
    )[0]
    assert incident.code == "drift_alert"
    assert not file.exists(), "an empty disk in its place would hide the loss"
    tenant.vms.delete(vm.id, wait=True)
    assert cloud.left_of(*ids_of(vm)) == []
    wait_for(lambda: not list(tenant.drift.list()), "what is deleted is no drift")
    tenant.vms.create("victim", idle_spec(), wait=True)  # for the fixture to delete


def test_a_stranger_in_the_engine_is_let_alone(cloud: Installation, tenant: Tenant, tmp_path: Path) -> None:
    xml = tmp_path / "stranger.xml"
    xml.write_text(
        "<domain type='qemu'><name>stranger</name><memory unit='MiB'>32</memory>"
        "<os><type arch='x86_64' machine='q35'>hvm</type></os></domain>"
    )
    cloud.virsh("define", str(xml))
    cloud.virsh("start", "stranger")
    cloud.nbctl("ls-add", "stranger")
    vm = tenant.vms.create("neighbour", idle_spec(), wait=True)
    cloud.virsh("destroy", str(ids_of(vm)[0]))
    assert_corrected(tenant, await_drift(tenant, vm.id))  # looks and corrections go on beside it
    tenant.vms.delete(vm.id, wait=True)
    assert cloud.virsh("domstate", "stranger") == "running"
    assert "(stranger)" in cloud.nbctl("ls-list")
    cloud.virsh("destroy", "stranger")
    cloud.virsh("undefine", "stranger")
    cloud.nbctl("ls-del", "stranger")
