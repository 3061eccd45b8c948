"""The demo's story: from nothing to a virtual machine, through a failure behind the platform's back, and back to nothing."""

import contextlib
import secrets
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from groundplane.kernel.ids import parse_id
from groundplane.processes import doctor
from groundplane.processes.demo.engines import Backstage, backstage
from groundplane.processes.demo.screen import Screen
from groundplane.processes.layout import DEFAULT_PORT, Endpoints, Installation, Layout, data_directory, free_port, port_is_free
from groundplane.processes.migrate import Credentials
from groundplane.sdk import Client, ClientError, JobStep, Resource, Tenant
from groundplane.sdk.records import Drift

NAME, SIMULATED_NAME = "demo", "demo-simulated"
SUBNET = "10.77.0.0/24"
BOOT_SECONDS = 90.0
HEAL_SECONDS = 60.0
REPOSITORY = Path(__file__).parents[4]


Made = TypeVar("Made", bound=Resource)


class DemoFailedError(Exception):
    """The demo saw something that is not as promised; the message says what."""


def check(truth: object, message: str) -> None:
    """Go on only if it is so."""
    if not truth:
        raise DemoFailedError(message)


@dataclass
class Cast:
    """Who and what takes part. `ids` is every resource that was made, for the proof that nothing is left."""

    client: Client
    tenant: Tenant
    organization: str
    project: str
    mark: str = field(default_factory=lambda: secrets.token_hex(8))
    ids: set[UUID] = field(default_factory=set)


def main() -> None:
    """Run the demo; exit status 1 if something was not as promised."""
    screen = Screen()
    missing = doctor.obstacles()
    simulated = bool(missing)
    if simulated:
        screen.console.print(
            f"[bold yellow]This demo runs on the SIMULATED data plane: the real one cannot work here.[/] {why(missing)}"
        )
    else:
        screen.console.print(
            "[bold]This demo runs on the REAL data plane: libvirt, QEMU, Open vSwitch and OVN on this machine.[/]"
        )
    try:
        tell(screen, simulated=simulated)
    except (DemoFailedError, ClientError, subprocess.SubprocessError) as error:
        screen.console.print(f"\n[bold red]The demo failed:[/] {error}")
        screen.table()
        sys.exit(1)


def why(missing: Sequence[doctor.Finding]) -> str:
    """What keeps the real data plane from working, and what to type; as root, `make demo` itself installs what is missing."""
    if any(finding.part == "root" for finding in missing):
        return "It needs root. For the real one type, as root: make demo"
    return " ".join(f"{finding.part}: {finding.detail} ({finding.advice})." for finding in missing)


def tell(screen: Screen, *, simulated: bool, layout: Layout | None = None) -> None:
    """All chapters, in order, in the data directory that is named or in the demo's own."""
    layout = layout or data_directory(SIMULATED_NAME if simulated else NAME)
    with screen.chapter("The tiny image"):
        image = make_blank_image(screen) if simulated else make_image(screen)
    with screen.chapter("groundplane up"):
        endpoints = bring_up(layout, simulated=simulated)
    stage = backstage(layout, endpoints)
    with screen.chapter("An organization, a project, a user"):
        cast = gather(screen, layout, endpoints)
    with cast.client, tempfile.TemporaryDirectory(prefix="gp-demo-") as scratch:
        key = make_key(Path(scratch))
        with screen.chapter("An image, a network, a security group, a key"):
            furnish(screen, cast, image, key)
        with screen.chapter("A virtual machine: from the request to its first boot"):
            vm, address = create_machine(screen, cast, stage)
        with screen.chapter("A login over its own network, and a reboot"):
            log_in_and_reboot(screen, cast, stage, key=key, vm=vm, address=address)
        with screen.chapter("The domain is destroyed behind the platform's back"):
            break_and_heal(screen, cast, stage, key=key, vm=vm, address=address)
        with screen.chapter("Everything is deleted"):
            clear(screen, cast, stage)
    screen.table()
    say_next(screen, layout, endpoints)


def make_image(screen: Screen) -> Path:
    """The disk that boots by itself, from Debian's packages; at once when it was made before."""
    out = REPOSITORY / ".cache" / "tiny"
    subprocess.run(
        [sys.executable, str(REPOSITORY / "deploy/tiny/build.py"), "--out", str(out)], check=True, stdout=subprocess.DEVNULL
    )
    image = out / "tiny.qcow2"
    screen.say(f"{image.name}: {image.stat().st_size >> 20} MiB, a Debian kernel and busybox")
    return image


def make_blank_image(screen: Screen) -> Path:
    """A disk that nothing boots from: simulated guests need no more, and it needs no package."""
    image = REPOSITORY / ".cache" / "blank.raw"
    image.parent.mkdir(exist_ok=True)
    image.write_bytes(bytes(510) + b"\x55\xaa" + bytes((1 << 20) - 512))
    screen.say(f"{image.name}: a blank disk, since the guest is simulated")
    return image


def bring_up(layout: Layout, *, simulated: bool) -> Endpoints:
    """`groundplane up`, or what runs already."""
    before = Installation.load(layout)
    port = before.port if before else DEFAULT_PORT if port_is_free(DEFAULT_PORT) else free_port()
    command = [sys.executable, "-m", "groundplane.processes.main", "up", *options(layout), "--port", str(port)]
    command += ["--simulated", "--hosts", "3"] if simulated else ["--real"]
    done = subprocess.run(command, check=False)
    already_running = 3
    check(done.returncode in {0, already_running}, "`groundplane up` did not come up; see above.")
    endpoints = Endpoints.load(layout)
    if endpoints is None:
        raise DemoFailedError(f"{layout.endpoints} is missing.")
    return endpoints


def options(layout: Layout) -> list[str]:
    """How the commands are told which installation is meant."""
    name = layout.root.name
    return ["--name", name] if layout == data_directory(name) else ["--data-dir", str(layout.root)]


def gather(screen: Screen, layout: Layout, endpoints: Endpoints) -> Cast:
    """The administrator makes a tenant and its owner; the owner logs in."""
    told = Credentials.model_validate_json((layout.administrator).read_bytes())
    run = secrets.token_hex(2)
    email, password = f"ann-{run}@acme.example", secrets.token_urlsafe(18)
    with Client(endpoints.api) as admin:
        admin.login(told.email, told.password)
        organization = admin.common.organizations.create(f"acme-{run}").id
        project = admin.organization(organization).projects.create("shop").id
        user = admin.common.users.create(email=email, name="Ann", password=password)
        admin.organization(organization).role_bindings.create("owner", user=user.id)
    screen.say(f"the administrator made organization acme-{run}, project shop, and {email} as its owner")
    client = Client(endpoints.api)
    client.login(email, password)
    screen.proof("Ann logged in with her password and has a signed token")
    return Cast(client, client.tenant(project), organization, project)


def make_key(scratch: Path) -> Path:
    """A fresh key pair of the demo's own, made without OpenSSH: the simulated demo needs no package."""
    key = scratch / "key"
    pair = Ed25519PrivateKey.generate()
    key.touch(mode=0o600)
    key.write_bytes(pair.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    key.with_suffix(".pub").write_bytes(pair.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH) + b" ann@acme\n")
    return key


def furnish(screen: Screen, cast: Cast, image: Path, key: Path) -> None:
    """What a machine needs around it."""
    tenant = cast.tenant
    uploaded = tenant.images.upload(image, name="tiny")
    note(cast, uploaded)
    screen.proof(f"image tiny uploaded and checked: {uploaded.spec.format}, {uploaded.spec.size_bytes >> 20} MiB")
    note(cast, make(screen, tenant.networks.create, "lan"))
    note(cast, make(screen, tenant.subnets.create, "lan-a", spec={"network": "lan", "cidr": SUBNET}))
    rules = [
        {"direction": "ingress", "protocol": "tcp", "port_min": 22, "port_max": 22},
        {"direction": "ingress", "protocol": "icmp"},
        {"direction": "egress"},
    ]
    note(cast, make(screen, tenant.security_groups.create, "ssh", spec={"rules": rules}))
    note(cast, tenant.ssh_keys.create("ann", spec={"public_key": key.with_suffix(".pub").read_text().strip()}))
    screen.proof("network lan with DHCP on " + SUBNET + ", security group ssh, SSH key ann")


def make(screen: Screen, create: Callable[..., Made], name: str, **body: Any) -> Made:
    """Create and wait, showing the job's steps."""
    return create(name, wait=True, on_step=lambda line: screen.step(told(line)), **body)


def told(line: JobStep) -> str:
    """A line of a job's history, for people."""
    detail = line.detail
    calls = [f"{call['verb']} {call['kind']} {call['milliseconds']:.0f} ms" for call in detail.get("calls", ())]
    extra = ", ".join(calls or detail.get("operations", ()))
    fault = detail.get("fault")
    return f"{line.step}: {line.what}" + (f" · {extra}" if extra else "") + (f" · {fault['message']}" if fault else "")


def note(cast: Cast, resource: Resource) -> None:
    """Remember an id for the last chapter."""
    value = parse_id(resource.id.rpartition("_")[0], resource.id)
    if value is not None:
        cast.ids.add(value)


def create_machine(screen: Screen, cast: Cast, stage: Backstage) -> tuple[str, str]:
    """One request makes volume, port and machine; the guest's own console says what it found."""
    user_data = f"#!/bin/sh\necho 'user data: I run once'\necho {cast.mark} > /root-volume/mark\nsync\n"
    spec = {
        "vcpus": 1,
        "memory_mib": 128,
        "root_volume": {"image": "tiny", "size_gib": 1},
        "nics": [{"network": "lan", "security_groups": ["ssh"]}],
        "ssh_keys": ["ann"],
        "user_data": user_data,
    }
    began = time.monotonic()
    vm = make(screen, cast.tenant.vms.create, "web", spec=spec)
    note(cast, vm)
    note(cast, cast.tenant.volumes.get(vm.spec.disks[0].volume))
    port = cast.tenant.ports.get(vm.spec.nics[0].port)
    note(cast, port)
    address = port.spec.address
    screen.proof(f"machine web is {vm.observed.power} after {time.monotonic() - began:.2f} s; promised address {address}")
    if not stage.real:
        screen.say("the guest is simulated: it has no console of its own, no login and no disk")
        return vm.id, address
    console = follow_console(screen, cast, vm.id, boots=1)
    check("root volume vda1" in console and "boots=1" in console, "the guest did not boot from its root volume")
    check("tiny: hostname web\n" in console, "the guest has another host name")
    check(f"tiny: eth0 address {address}/24" in console, f"the guest did not get {address} by DHCP")
    check("tiny: authorized keys 1\n" in console, "the guest did not get the SSH key")
    check("user data: I run once" in console and "tiny: user-data exit 0" in console, "the guest did not run its user data")
    screen.proof(f"it booted from its own volume, is called web, got {address} by DHCP, has the key, ran its user data")
    return vm.id, address


def follow_console(screen: Screen, cast: Cast, vm: str, *, boots: int) -> str:
    """The console from this boot's kernel on, shown as it comes, until the guest says that it is ready."""
    text, shown, deadline = "", 0, time.monotonic() + BOOT_SECONDS
    while time.monotonic() < deadline:
        whole = cast.tenant.vms.console_log(vm).decode(errors="replace").replace("\r", "")
        parts = whole.split("tiny: kernel ")
        text = "tiny: kernel " + parts[boots] if len(parts) > boots else ""
        lines = [line for line in text.split("\n")[:-1] if line.startswith(("tiny:", "user data:"))]
        for line in lines[shown:]:
            screen.guest(line)
        shown = len(lines)
        if "tiny: ready after" in text and "tiny: eth0 address" in text:
            return text
        time.sleep(0.1)
    raise DemoFailedError(f"the guest was not ready after {BOOT_SECONDS:.0f} s; its console says: {text[-500:]}")


def log_in_and_reboot(screen: Screen, cast: Cast, stage: Backstage, *, key: Path, vm: str, address: str) -> None:
    """From a port on the same network, with the key; then a reboot, and the mark is there again."""
    with neighbour(cast, stage) as ssh:
        if ssh is not None:
            name = ssh(key, address, "hostname")
            check(name == "web", f"the login answered {name!r}")
            screen.proof(f"ssh root@{address} from a port on the same network: this is {name}")
        screen.say("reboot, through the API")
        again = cast.tenant.vms.reboot(vm, wait=True, on_step=lambda line: screen.step(told(line)))
        check(again.spec.reboots == 1, "the reboot is not counted")
        if ssh is not None:
            console = follow_console(screen, cast, vm, boots=2)
            check("boots=2" in console, "the guest does not count a second boot")
            check("user data: I run once" not in console, "the user data ran a second time")
            check_mark(screen, cast, ssh, key, address, "after the reboot")


def check_mark(screen: Screen, cast: Cast, ssh: "Ssh", key: Path, address: str, when: str) -> None:
    """What the guest wrote on its root volume at its first boot is still there."""
    found = ssh(key, address, "cat /root-volume/mark")
    check(found == cast.mark, f"the mark on the root volume is {found!r}, not {cast.mark!r}")
    screen.proof(f"{when} the mark {cast.mark} is there again")


Ssh = Callable[[Path, str, str], str]


@contextlib.contextmanager
def neighbour(cast: Cast, stage: Backstage) -> Iterator[Ssh | None]:
    """A port of the same network, held by this machine for as long as the block runs; None without a real network."""
    port = cast.tenant.ports.create("neighbour", spec={"network": "lan"}, wait=True)
    note(cast, port)
    try:
        with stage.plugged(port, prefix=int(SUBNET.rpartition("/")[2])) as ssh:
            yield ssh
    finally:
        cast.tenant.ports.delete("neighbour", wait=True)


def break_and_heal(screen: Screen, cast: Cast, stage: Backstage, *, key: Path, vm: str, address: str) -> None:
    """Nobody asks the platform: the engine is told to destroy the machine. It is noticed, shown, and put right."""
    value = parse_id("vm", vm)
    if value is None:
        raise DemoFailedError(f"{vm} is no machine's id")
    stage.destroy(value)
    began = time.monotonic()
    screen.say(stage.how_destroyed(value))
    drift = wait_for(lambda: find_drift(cast, vm), "the platform did not notice")
    fields = ", ".join(f"{name}: wanted {both['wanted']}, is {both['observed']}" for name, both in drift.fields.items())
    screen.proof(f"noticed by {drift.source} after {time.monotonic() - began:.2f} s: {drift.difference} ({fields})")
    drift = wait_for(lambda: find_drift(cast, vm, resolved=True), "the drift was not corrected")
    job = cast.tenant.jobs.get(drift.job_id or "")
    for line in job.steps:
        screen.step(told(line))
    machine = cast.tenant.vms.get(vm)
    check(job.state == "SUCCEEDED" and machine.observed.power == "running", "the machine does not run again")
    screen.proof(f"corrected by job {job.id} after {time.monotonic() - began:.2f} s: the machine runs again")
    if stage.real:
        console = follow_console(screen, cast, vm, boots=3)
        check("boots=3" in console, "the guest does not count a third boot")
        with neighbour(cast, stage) as ssh:
            if ssh is not None:
                check_mark(screen, cast, ssh, key, address, "after the repair")


def find_drift(cast: Cast, vm: str, *, resolved: bool = False) -> Drift | None:
    """The project's drift of this machine, once it is there (and resolved)."""
    for drift in cast.tenant.drift.list(open_only=False):
        if drift.resource_id == vm and (drift.resolved_at is not None or not resolved):
            return drift
    return None


def wait_for(look: Callable[[], Drift | None], otherwise: str) -> Drift:
    """Look until there is something."""
    deadline = time.monotonic() + HEAL_SECONDS
    while time.monotonic() < deadline:
        found = look()
        if found is not None:
            return found
        time.sleep(0.05)
    raise DemoFailedError(f"{otherwise} within {HEAL_SECONDS:.0f} s")


def clear(screen: Screen, cast: Cast, stage: Backstage) -> None:
    """Everything goes, in the order in which it is used; then the engines are asked what they still hold."""
    tenant = cast.tenant
    doomed: Sequence[tuple[Any, str]] = (
        (tenant.vms, "web"),
        (tenant.subnets, "lan-a"),
        (tenant.networks, "lan"),
        (tenant.security_groups, "ssh"),
        (tenant.ssh_keys, "ann"),
        (tenant.images, "tiny"),
    )
    for collection, name in doomed:
        collection.delete(name, wait=True, on_step=lambda line: screen.step(told(line)))
    cast.client.organization(cast.organization).projects.delete(cast.project)
    screen.say("machine, subnet, network, security group, key, image and project are deleted")
    for engine, left in stage.left(cast.ids).items():
        check(not left, f"{engine} still holds {left}")
        screen.proof(f"{engine} itself says: nothing of it is left")


def say_next(screen: Screen, layout: Layout, endpoints: Endpoints) -> None:
    """What a curious viewer types now."""
    groundplane, which = ".venv/bin/groundplane", shlex.join(options(layout))
    for what, line in (
        ("the API, to read and to try", f"{endpoints.api}/api/tenant/v1/docs"),
        ("the first administrator", f"cat {layout.root / 'admin.json'}"),
        ("what runs", f"{groundplane} status {which}"),
        ("what can work here", f"{groundplane} doctor {which}"),
        ("take everything away", f"{groundplane} down --all --yes {which}"),
    ):
        screen.console.print(f"  {what:<28} [bold]{line}[/]")
