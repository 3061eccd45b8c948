"""From the request to a running virtual machine, over the same engine calls made by hand.

The real data plane. A machine with a new volume from an image, one port and user data is made through the public API, and the
same seed, volume, port and domain are made by direct calls of libvirt and OVN; both are timed to libvirt's own event that the
domain has started. Pairs alternate, so that a drift of the machine's speed falls on both.
"""

import contextlib
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import libvirt
from bench.results import Figure
from ovsdbapp.backend.ovs_idl import connection, idlutils
from ovsdbapp.schema.ovn_northbound import impl_idl

from groundplane.contracts.specs import Disk, Nic, Seed, VmSpec
from groundplane.dataplane.providers.libvirt.domain_xml import domain_xml, seed_name, vm_files
from groundplane.dataplane.providers.libvirt.domains import Memory
from groundplane.dataplane.providers.libvirt.seed import seed_iso
from groundplane.dataplane.providers.ovn.labels import closed_group_name, group_name
from groundplane.kernel.ids import parse_id
from groundplane.processes.kvm import kvm_verdict
from groundplane.processes.layout import Endpoints, Layout, data_directory, free_port
from groundplane.processes.migrate import Credentials
from groundplane.sdk import Client, Tenant
from groundplane.sdk.bodies import VmRequest

NAME = "bench"
PAIRS = 20
WARM_UP = 2
GOAL = 1.15
MEMORY_MIB = 96
MTU = 1442
POOL = "default"
USER_DATA = "#!/bin/sh\necho provisioned\n"
EVENT_SECONDS = 60.0
REPOSITORY = Path(__file__).parents[1]


def run() -> list[Figure]:
    """Both ways in turn; the median of the ratios pair by pair."""
    image = _image()
    with _platform() as (layout, endpoints):
        tenant, network, group = _furnish(layout, endpoints, image)
        watch = Watch(str(endpoints.libvirt_uri))
        hand = Hand(endpoints, layout, network=network, group=group, image=_pool_image(endpoints))
        ours, bare = [], []
        for number in range(WARM_UP + PAIRS):
            order = ("ours", "bare") if number % 2 else ("bare", "ours")
            seconds = {name: _by_platform(tenant, watch) if name == "ours" else hand.make(watch) for name in order}
            if number >= WARM_UP:
                ours.append(seconds["ours"])
                bare.append(seconds["bare"])
            told = ", ".join(f"{name} {value:.3f} s" for name, value in seconds.items())
            print(f"pair {number + 1 - WARM_UP:>3}: {told}", flush=True)
    ratios = [a / b for a, b in zip(ours, bare, strict=True)]
    return [
        Figure("post_to_running_ratio", statistics.median(ratios), "ratio", GOAL, "lower"),
        Figure("post_to_running_seconds", statistics.median(ours), "s", None, "lower"),
        Figure("by_hand_seconds", statistics.median(bare), "s", None, "lower"),
    ]


def _image() -> Path:
    out = REPOSITORY / ".cache" / "tiny"
    subprocess.run([sys.executable, str(REPOSITORY / "deploy/tiny/build.py"), "--out", str(out)], check=True)
    return out / "tiny.qcow2"


@contextlib.contextmanager
def _platform() -> Iterator[tuple[Layout, Endpoints]]:
    """An installation of the benchmark's own, taken away afterwards."""
    layout = data_directory(NAME)
    groundplane = [sys.executable, "-m", "groundplane.processes.main"]
    away = [*groundplane, "down", "--all", "--yes", "--name", NAME]
    subprocess.run(away, check=True, stdout=subprocess.DEVNULL)
    try:
        subprocess.run([*groundplane, "up", "--name", NAME, "--real", "--port", str(free_port())], check=True)
        endpoints = Endpoints.load(layout)
        if endpoints is None:
            raise RuntimeError("no endpoints")
        yield layout, endpoints
    finally:
        subprocess.run(away, check=True, stdout=subprocess.DEVNULL)


def _furnish(layout: Layout, endpoints: Endpoints, image: Path) -> tuple[Tenant, UUID, UUID]:
    told = Credentials.model_validate_json((layout.root / "admin.json").read_bytes())
    client = Client(endpoints.api)
    client.login(told.email, told.password)
    organization = client.common.organizations.create("bench").id
    tenant = client.tenant(client.organization(organization).projects.create("bench").id)
    tenant.images.upload(image, name="tiny")
    network = tenant.networks.create("lan", wait=True)
    tenant.subnets.create("lan-a", spec={"network": "lan", "cidr": "10.78.0.0/16"}, wait=True)
    group = tenant.security_groups.create("ssh", spec={"rules": [{"direction": "egress"}]}, wait=True)
    tenant.volumes.create("first", spec={"size_gib": 1, "image": "tiny"}, wait=True)  # brings the image into the pool
    return tenant, _uuid("net", network.id), _uuid("sg", group.id)


def _uuid(prefix: str, text: str) -> UUID:
    value = parse_id(prefix, text)
    if value is None:
        raise ValueError(text)
    return value


def _pool_image(endpoints: Endpoints) -> Path:
    return next(Path(endpoints.pool_path).glob("image-*.qcow2"))


def _by_platform(tenant: Tenant, watch: "Watch") -> float:
    spec: VmRequest = {
        "vcpus": 1,
        "memory_mib": MEMORY_MIB,
        "root_volume": {"image": "tiny", "size_gib": 1},
        "nics": [{"network": "lan", "security_groups": ["ssh"]}],
        "user_data": USER_DATA,
    }
    began = time.perf_counter()
    vm = tenant.vms.create(f"vm-{uuid4().hex[:12]}", spec=spec)
    seconds = watch.started(_uuid("vm", vm.id)) - began
    if vm.job is not None:
        tenant.jobs.wait(vm.job.id)
    tenant.vms.delete(vm.id, wait=True)
    return seconds


class Watch:
    """When libvirt said that a domain has started, by our own connection; times of time.perf_counter."""

    def __init__(self, uri: str) -> None:
        libvirt.virEventRegisterDefaultImpl()
        threading.Thread(target=self._turn, daemon=True).start()
        self._times: dict[UUID, float] = {}
        self._news = threading.Condition()
        self._connect = libvirt.open(uri)
        self._connect.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._on_event, None)

    def started(self, vm_id: UUID) -> float:
        """Wait for the event; TimeoutError when it does not come."""
        with self._news:
            if not self._news.wait_for(lambda: vm_id in self._times, EVENT_SECONDS):
                raise TimeoutError(f"domain {vm_id} did not start")
            return self._times.pop(vm_id)

    def _turn(self) -> None:
        while True:
            libvirt.virEventRunDefaultImpl()

    def _on_event(self, _connect: Any, domain: Any, event: int, _detail: int, _opaque: Any) -> None:
        if event == libvirt.VIR_DOMAIN_EVENT_STARTED:
            now = time.perf_counter()
            with self._news:
                self._times[UUID(bytes=domain.UUID())] = now
                self._news.notify_all()


class _Northbound(impl_idl.OvnNbApiIdlImpl):  # type: ignore[misc]  # ovsdbapp ships no types
    """A connection of our own: the library keeps one per class."""


@dataclass
class Hand:
    """The same calls, made directly: no platform, no fences, no database. Everything is connected beforehand."""

    endpoints: Endpoints
    layout: Layout
    network: UUID
    group: UUID
    image: Path
    _next_host: int = 10
    _connect: Any = field(init=False)
    _pool: Any = field(init=False)
    _north: Any = field(init=False)

    def __post_init__(self) -> None:
        """Connect to both engines."""
        (self.layout.root / "console").mkdir(exist_ok=True)
        self._connect = libvirt.open(self.endpoints.libvirt_uri)
        self._pool = self._connect.storagePoolLookupByName(POOL)
        helper = idlutils.get_schema_helper(self.endpoints.ovn_northbound, "OVN_Northbound")
        for table in ("Logical_Switch", "Logical_Switch_Port", "DHCP_Options", "Port_Group", "NB_Global"):
            helper.register_table(table)
        idl = connection.OvsdbIdl(self.endpoints.ovn_northbound, helper)
        self._north = _Northbound(connection.Connection(idl, timeout=30))

    def make(self, watch: Watch) -> float:
        """One machine; gone again when it answers."""
        vm_id, volume_id, port_id = uuid4(), uuid4(), uuid4()
        self._next_host += 1
        address = f"10.78.200.{self._next_host}"
        mac = f"52:54:01:00:00:{self._next_host:02x}"
        seed = Seed(instance_id=str(vm_id), hostname="bare")
        spec = VmSpec(
            id=vm_id, name="bare", vcpus=1, memory_mib=MEMORY_MIB, seed=seed, seed_pool=POOL,
            disks=(Disk(volume_id=volume_id, pool=POOL, serial="root"),), nics=(Nic(port_id=port_id, mac=mac, mtu=MTU),),
        )  # fmt: skip
        volume_path = Path(self.endpoints.pool_path) / f"{volume_id}.qcow2"
        seed_path = Path(self.endpoints.pool_path) / seed_name(vm_id)
        xml = domain_xml(
            spec, Memory(), self._domain_type(), disks=vm_files(spec, [volume_path], seed_path),
            console=self.layout.root / "console" / f"{vm_id}.log",
        )  # fmt: skip
        began = time.perf_counter()
        iso = seed_iso(seed, USER_DATA.encode())
        volume = self._pool.createXML(_volume_xml(volume_path.name, "qcow2", 1 << 30, self.image), 0)
        self._make_port(port_id, mac, address)
        disk = self._pool.createXML(_volume_xml(seed_path.name, "raw", 0), 0)
        stream = self._connect.newStream(0)
        disk.upload(stream, 0, len(iso), 0)
        stream.sendAll(_feed, [memoryview(iso)])
        stream.finish()
        domain = self._connect.defineXMLFlags(xml, 0)
        domain.createWithFlags(0)
        seconds = watch.started(vm_id) - began
        domain.destroyFlags(0)
        domain.undefineFlags(0)
        volume.delete(0)
        disk.delete(0)
        self._north.lsp_del(str(port_id)).execute(check_error=True)
        (self.layout.root / "console" / f"{vm_id}.log").unlink(missing_ok=True)
        return seconds

    def _make_port(self, port_id: UUID, mac: str, address: str) -> None:
        dhcp = next(iter(self._north.tables["DHCP_Options"].rows.values()))
        with self._north.transaction(check_error=True) as transaction:
            port = transaction.add(
                self._north.lsp_add(
                    str(self.network), str(port_id), addresses=[f"{mac} {address}"], port_security=[f"{mac} {address}"],
                    dhcpv4_options=dhcp.uuid,
                )
            )  # fmt: skip
            for name in (group_name(self.group), closed_group_name(self.network)):
                transaction.add(self._north.pg_add_ports(name, port))

    def _domain_type(self) -> Any:
        return "kvm" if kvm_verdict(self.layout.root).usable else "qemu"


def _volume_xml(name: str, form: str, size_bytes: int, backing: Path | None = None) -> str:
    store = f"<backingStore><path>{backing}</path><format type='qcow2'/></backingStore>" if backing else ""
    return (
        f"<volume><name>{name}</name><capacity unit='bytes'>{size_bytes}</capacity><allocation>0</allocation>"
        f"<target><format type='{form}'/><permissions><mode>0600</mode></permissions></target>{store}</volume>"
    )


def _feed(_stream: Any, most: int, rest: list[memoryview]) -> bytes:
    piece, rest[0] = bytes(rest[0][:most]), rest[0][most:]
    return piece


def virtualization() -> str:
    """How guests run here."""
    return "kvm" if kvm_verdict(data_directory(NAME).root).usable else "tcg"


if __name__ == "__main__":
    print(*run(), sep="\n")
