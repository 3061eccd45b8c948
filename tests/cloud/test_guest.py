"""A guest that really boots: its console, reboots, power, and what it does to itself."""

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.cloud.installation import LOOK_SECONDS, Installation, idle_spec, ids_of, uuid_of, wait_for

from groundplane.processes.demo.screen import Screen
from groundplane.processes.demo.story import make_image
from groundplane.processes.plug import plug
from groundplane.sdk import ApiError, Tenant
from groundplane.sdk.bodies import VmRequest
from groundplane.sdk.records import Vm

BOOT_SECONDS = 120.0
SSH = ["ssh", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
       "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ConnectionAttempts=5"]  # fmt: skip

Run = Callable[[str], str]


@dataclass
class Guest:
    """The one machine of these tests."""

    tenant: Tenant
    vm: Vm
    key: Path
    boots: int = 0

    @property
    def domain(self) -> str:
        """What libvirt calls it."""
        return str(ids_of(self.vm)[0])

    def now(self) -> Vm:
        """As the platform sees it."""
        return self.tenant.vms.get(self.vm.id)

    def console(self) -> str:
        """All that it ever said."""
        try:
            return self.tenant.vms.console_log(self.vm.id).decode(errors="replace").replace("\r", "")
        except ApiError as error:
            if error.code == "console_not_found":
                return ""
            raise

    def await_boot(self) -> str:
        """Wait until it is up once more than before; what it said meanwhile."""
        self.boots += 1
        text = wait_for(self._said, f"boot {self.boots}", BOOT_SECONDS)
        assert f"boots={self.boots}\n" in text
        return text

    def _said(self) -> str:
        parts = self.console().split("tiny: kernel ")
        text = parts[self.boots] if len(parts) > self.boots else ""
        return text if "tiny: ready after" in text and "tiny: eth0 address" in text else ""


@pytest.fixture(scope="module")
def guest(tenant: Tenant, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """Booted once."""
    key = tmp_path_factory.mktemp("key") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    tenant.ssh_keys.create("key", {"public_key": key.with_suffix(".pub").read_text().strip()})
    tenant.images.upload(make_image(Screen()), name="tiny")
    spec: VmRequest = {**idle_spec(), "memory_mib": 128, "root_volume": {"image": "tiny", "size_gib": 1}, "ssh_keys": ["key"]}
    guest = Guest(tenant, tenant.vms.create("guest", spec, wait=True), key)
    guest.await_boot()
    yield guest
    tenant.vms.delete("guest", wait=True)


@pytest.fixture(autouse=True)
def _runs(cloud: Installation, guest: Guest) -> Iterator[None]:
    """Each test finds it running, and leaves it so: one domain, one QEMU, no drift open."""
    yield
    vm = guest.now()
    assert (vm.status, vm.spec.power, vm.observed.power) == ("active", "running", "running")
    assert cloud.domains().count(guest.domain) == 1
    assert len(cloud.guests()[guest.domain]) == 1
    assert [drift for drift in guest.tenant.drift.list() if drift.resource_id == vm.id] == []


@pytest.fixture
def neighbour(cloud: Installation, guest: Guest) -> Iterator[Run]:
    """Runs commands on the guest by SSH, from a port on its network."""
    port = guest.tenant.ports.create("neighbour", {"network": "lan"}, wait=True)
    address = guest.tenant.ports.get(guest.vm.spec.nics[0].port).spec.address
    with plug(
        cloud.endpoints, port_id=uuid_of(port.id), mac=port.spec.mac, address=port.spec.address, prefix=24, mtu=1442
    ) as plugged:
        yield lambda command: plugged.run([*SSH, "-i", str(guest.key), f"root@{address}", command], seconds=60).strip()
    guest.tenant.ports.delete("neighbour", wait=True)


def test_the_console_says_what_was_promised(guest: Guest) -> None:
    text = guest.console()
    address = guest.tenant.ports.get(guest.vm.spec.nics[0].port).spec.address
    for line in ("tiny: hostname guest\n", f"tiny: eth0 address {address}/24", "tiny: authorized keys 1\n"):
        assert line in text


def test_the_console_is_read_in_pieces(guest: Guest) -> None:
    whole = guest.tenant.vms.console_log(guest.vm.id)
    assert guest.tenant.vms.console_log(guest.vm.id, offset=10, limit=20) == whole[10:30]
    assert guest.tenant.vms.console_log(guest.vm.id, offset=len(whole) + 1_000_000) == b""
    pieces = b"".join(guest.tenant.vms.follow_console_log(guest.vm.id, timeout=0))
    assert pieces.startswith(whole)


def test_a_reboot_is_done_once(guest: Guest) -> None:
    vm = guest.tenant.vms.reboot("guest", wait=True)
    assert (vm.spec.reboots, vm.observed.reboots) == (1, 1)
    guest.await_boot()
    assert guest.console().count("tiny: kernel ") == guest.boots


def test_stopped_and_started(cloud: Installation, guest: Guest) -> None:
    vm = guest.tenant.vms.stop("guest", wait=True)
    assert (vm.status, vm.spec.power, vm.observed.power) == ("active", "stopped", "stopped")
    assert cloud.virsh("domstate", guest.domain) == "shut off"
    assert guest.domain not in cloud.guests()
    assert f"boots={guest.boots}\n" in guest.console(), "the console is still there to be read"
    again = guest.tenant.vms.stop("guest", wait=True)
    assert again.observed.power == "stopped"
    vm = guest.tenant.vms.start("guest", wait=True)
    assert vm.observed.power == "running"
    guest.await_boot()


def test_a_reboot_starts_what_is_stopped(guest: Guest) -> None:
    guest.tenant.vms.stop("guest", wait=True)
    vm = guest.tenant.vms.reboot("guest", wait=True)
    assert (vm.spec.reboots, vm.observed.reboots, vm.observed.power) == (2, 2, "running")
    guest.await_boot()


def soon(command: str) -> str:
    """The command after a moment, when the connection that brought it has been closed."""
    return f"(sleep 1; {command}) </dev/null >/dev/null 2>&1 &"


@pytest.mark.parametrize("how", ["the power button", "its own command"])
def test_a_guest_may_switch_itself_off(cloud: Installation, guest: Guest, neighbour: Run, how: str) -> None:
    drifts = len(list(guest.tenant.drift.list(open_only=False)))
    if how == "the power button":
        cloud.virsh("shutdown", guest.domain, "--mode", "acpi")
    else:
        neighbour(soon("poweroff -f"))
    wait_for(lambda: guest.now().observed.power == "stopped", "it is off")
    vm = guest.now()
    assert (vm.spec.power, vm.status, vm.job) == ("stopped", "active", None)
    assert guest.tenant.vms.history("guest")[-1].reason == "the guest powered itself off"
    jobs = [job.id for job in guest.tenant.jobs.list(resource=vm.id)]
    time.sleep(2.5 * LOOK_SECONDS)  # looks come and see nothing to put right
    assert cloud.virsh("domstate", guest.domain) == "shut off", "and stays so"
    assert len(list(guest.tenant.drift.list(open_only=False))) == drifts
    assert [job.id for job in guest.tenant.jobs.list(resource=vm.id)] == jobs
    guest.tenant.vms.start("guest", wait=True)
    guest.await_boot()


def test_a_guest_may_reboot_itself(guest: Guest, neighbour: Run) -> None:
    before = guest.now()
    neighbour(soon("reboot -f"))
    guest.await_boot()
    vm = guest.now()
    assert (vm.spec, vm.generation) == (before.spec, before.generation), "nobody asked the platform"
    guest.tenant.vms.reboot("guest", wait=True)
    guest.await_boot()
    assert guest.console().count("tiny: kernel ") == guest.boots


def test_what_it_wrote_is_there_after_it_was_destroyed(cloud: Installation, guest: Guest, neighbour: Run) -> None:
    neighbour("echo here I was > /root-volume/mark")
    cloud.virsh("destroy", guest.domain)
    guest.await_boot()
    assert neighbour("cat /root-volume/mark; hostname") == "here I was\nguest"
