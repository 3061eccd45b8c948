"""`up` on what runs already, `down` and `up` around living guests, and `down --all` after the worst."""

import json
import signal
import subprocess
from pathlib import Path

import pytest
from tests.cloud.installation import Installation, furnish, idle_spec, ids_of, installation, wait_for

from groundplane.processes.engines import DataPlane
from groundplane.processes.pids import everyone, namespace
from groundplane.processes.up import NOT_RUNNING, RUNNING_ALREADY
from groundplane.sdk import Tenant
from groundplane.sdk.records import Drift, Vm

ADOPTED = ("libvirtd", "virtlogd", "ovsdb", "ovn-nb", "ovn-sb", "vswitchd", "northd", "ovn-controller")


def test_a_second_up_says_so_and_harms_nothing(cloud: Installation) -> None:
    before = {name: part["pid"] for name, part in cloud.parts().items()}
    endpoints = cloud.layout.endpoints.read_bytes()
    done = cloud.run("up", "--port", str(cloud.port))
    assert done.returncode == RUNNING_ALREADY
    assert "already runs" in done.stdout
    assert str(cloud.layout.root) in done.stdout
    assert {name: part["pid"] for name, part in cloud.parts().items()} == before
    assert cloud.layout.endpoints.read_bytes() == endpoints
    assert cloud.admin.common.me.get().user


def drift_that_is_over(tenant: Tenant, vm: Vm) -> list[Drift]:
    return [drift for drift in tenant.drift.list(open_only=False) if drift.resource_id == vm.id and drift.resolved_at]


def test_guests_live_through_down_and_up(cloud: Installation, tenant: Tenant) -> None:
    vm = tenant.vms.create("survivor", idle_spec(), wait=True)
    vm_id, _, port_id = ids_of(vm)
    guest, daemons = cloud.guests()[str(vm_id)], {part: cloud.parts()[part]["pid"] for part in ADOPTED}
    assert "go on" in cloud.must("down")
    assert cloud.run("status").returncode == NOT_RUNNING
    assert [ref.alive() for ref in guest] == [True]
    assert cloud.virsh("domstate", str(vm_id)) == "running"

    told = cloud.up()
    for part in ADOPTED:
        assert f"  {part:<15} adopted" in told
        assert cloud.parts()[part]["pid"] == daemons[part]
    assert cloud.guests()[str(vm_id)] == guest
    again = tenant.vms.get(vm.id)
    assert (again.status, again.observed.power, again.job) == ("active", "running", None)
    assert cloud.switch_port(port_id, "up") == "true"
    assert list(tenant.drift.list(open_only=False)) == [], "nothing happened that would have to be put right"
    tenant.vms.delete(vm.id, wait=True)
    assert cloud.left_of(*ids_of(vm)) == []


def test_what_happened_while_down_is_put_right_after_up(cloud: Installation, tenant: Tenant) -> None:
    vm = tenant.vms.create("fallen", idle_spec(), wait=True)
    vm_id = ids_of(vm)[0]
    cloud.must("down")
    cloud.virsh("destroy", str(vm_id))
    cloud.up()
    wait_for(lambda: drift_that_is_over(tenant, vm), "put right")
    assert cloud.virsh("domstate", str(vm_id)) == "running"
    tenant.vms.delete(vm.id, wait=True)


def test_after_everything_was_killed_up_brings_it_all_back(cloud: Installation, tenant: Tenant) -> None:
    runs, rests = (tenant.vms.create(name, idle_spec(), wait=True) for name in ("runs", "rests"))
    tenant.vms.stop("rests", wait=True)
    kill_everything(cloud)
    assert cloud.guests() == {}
    cloud.up()
    drift = wait_for(lambda: drift_that_is_over(tenant, runs), "put right")
    assert [each.decision for each in drift] == ["correct"]
    assert cloud.virsh("domstate", str(ids_of(runs)[0])) == "running"
    assert cloud.virsh("domstate", str(ids_of(rests)[0])) == "shut off"
    assert tenant.vms.get("rests").observed.power == "stopped"
    wait_for(lambda: cloud.switch_port(ids_of(runs)[2], "up") == "true", "its port is up")
    for vm in (runs, rests):
        tenant.vms.delete(vm.id, wait=True)
        assert cloud.left_of(*ids_of(vm)) == []


def test_a_restart_touches_no_guest(cloud: Installation, tenant: Tenant) -> None:
    vm = tenant.vms.create("bystander", idle_spec(), wait=True)
    guest, before = cloud.guests(), {name: part["pid"] for name, part in cloud.parts().items()}
    cloud.must("restart")
    changed = {name for name, part in cloud.parts().items() if part["pid"] != before[name]}
    assert changed == {"api", "worker", "agent"}
    cloud.must("restart", "libvirtd", "vswitchd", "ovn-controller")
    assert cloud.guests() == guest
    tenant.vms.stop(vm.id, wait=True)
    tenant.vms.delete(vm.id, wait=True)


@pytest.mark.parametrize("how", ["it runs", "everything was killed"])
def test_down_all_leaves_nothing(tmp_path: Path, how: str) -> None:
    netns, links = named_namespaces(), host_links()
    with installation() as made:
        made.up("--real")
        project = made.tenant("short-lived")
        furnish(project, tmp_path)
        for name in ("one", "two"):
            project.vms.create(name, idle_spec(), wait=True)
        network = DataPlane(made.layout, "").network_namespace.stat().st_ino
        processes = made.processes()
        assert len(made.guests()) == 2
        assert network in living_namespaces()
        if how == "everything was killed":
            kill_everything(made)
        told = made.take_away()
        assert f"deleted {made.layout.root}" in told
        assert not made.layout.root.exists()
        assert [ref.command() for ref in processes if ref.alive()] == []
        mine = [ref.command() for ref in everyone() if str(made.layout.root) in ref.command()]
        assert [command for command in mine if "undertaker" not in command] == []
        assert network not in living_namespaces()
        assert str(made.layout.root) not in Path("/proc/self/mountinfo").read_text()
        # Other tests of this machine may make some and take them away meanwhile.
        wait_for(lambda: named_namespaces() <= netns and host_links() <= links, "no namespace and no link more than before")


def kill_everything(made: Installation) -> None:
    """As the power going off would, but for what the kernel holds: mounts and namespaces stay."""
    supervisor = made.ref("supervisor")
    assert supervisor.send(signal.SIGKILL)
    doomed = made.processes()
    for ref in doomed:
        ref.send(signal.SIGKILL)
    wait_for(lambda: not any(ref.alive() for ref in doomed), "everything is dead")


def named_namespaces() -> set[str]:
    """As `ip netns` lists them."""
    return set(subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True).stdout.split())


def host_links() -> set[str]:
    """The machine's own network devices; taps would be among them."""
    listed = subprocess.run(["ip", "-j", "link"], check=True, capture_output=True, text=True).stdout
    return {link["ifname"] for link in json.loads(listed)}


def living_namespaces() -> set[int]:
    """The network namespaces that any process lives in."""
    return {namespace(ref.pid, "net") for ref in everyone()} - {0}
