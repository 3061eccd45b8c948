"""An installation of the whole product for tests: brought up, asked, hurt and taken away; and its engines, asked past it."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from groundplane.kernel.ids import parse_id
from groundplane.processes import proof
from groundplane.processes.control import ask
from groundplane.processes.engines import DataPlane
from groundplane.processes.layout import Endpoints, Layout, free_port
from groundplane.processes.migrate import Credentials
from groundplane.processes.pids import ProcessRef, marked
from groundplane.sdk import Client, Resource, Tenant
from groundplane.sdk.bodies import VmRequest
from groundplane.sdk.records import Vm

COMMAND = [sys.executable, "-m", "groundplane.processes.main"]
UP_SECONDS = 120.0
SETTLE_SECONDS = 60.0
LOOK_SECONDS = 3.0
"""How often these installations look at their engines in full; the product's own default is half a minute."""

# A disk that a firmware boots and that then does nothing, for ever: cli; hlt; jmp.
IDLE_DISK = b"\xfa\xf4\xeb\xfd".ljust(510, b"\0") + b"\x55\xaa" + bytes((1 << 20) - 512)

Found = TypeVar("Found")


def wait_for(look: Callable[[], Found | None], what: str, seconds: float = SETTLE_SECONDS) -> Found:
    """Look until there is something true, and give it."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.05)
    return found


def uuid_of(public_id: str) -> UUID:
    """The bare id of a public one."""
    found = parse_id(public_id.rpartition("_")[0], public_id)
    assert found is not None, public_id
    return found


class Installation:
    """One data directory with its own port."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout(root)
        self.port = free_port()

    def run(self, *argv: str, seconds: float = UP_SECONDS) -> "subprocess.CompletedProcess[str]":
        """A groundplane command on this data directory, with what it said on both outputs in `stdout`."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GROUNDPLANE_")}
        return subprocess.run(
            [*COMMAND, *argv, "--data-dir", str(self.layout.root)],
            env={**environment, "GROUNDPLANE_LOOK_SECONDS": str(LOOK_SECONDS)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds, check=False,
        )  # fmt: skip

    def must(self, *argv: str, seconds: float = UP_SECONDS) -> str:
        """A command that succeeds; what it said."""
        done = self.run(*argv, seconds=seconds)
        assert done.returncode == 0, f"{argv} ended with {done.returncode}: {done.stdout}"
        return done.stdout

    def up(self, *argv: str) -> str:
        """Bring it up."""
        return self.must("up", "--port", str(self.port), *argv)

    def take_away(self) -> str:
        """Take everything away."""
        return self.must("down", "--all", "--yes")

    @property
    def endpoints(self) -> Endpoints:
        """Where everything is to be reached."""
        endpoints = Endpoints.load(self.layout)
        assert endpoints is not None
        return endpoints

    def parts(self) -> dict[str, dict[str, Any]]:
        """The parts as their supervisor sees them."""
        return {part["name"]: part for part in ask(self.layout, {"do": "status"})["parts"]}

    def ref(self, part: str) -> ProcessRef:
        """The process of a part; `supervisor` is one too."""
        pid = ask(self.layout, {"do": "status"})["supervisor"] if part == "supervisor" else self.parts()[part]["pid"]
        ref = ProcessRef.of(pid)
        assert ref is not None, part
        return ref

    def wait_whole(self) -> None:
        """Wait until every part is ready."""
        wait_for(
            lambda: all(part["state"] in {"ready", "done"} for part in self.parts().values()), "every part ready", UP_SECONDS
        )

    def wait_restarted(self, part: str, before: ProcessRef) -> None:
        """Wait until a part that was killed is there again, as another process."""
        wait_for(lambda: self.parts()[part]["pid"] not in {None, before.pid}, f"{part} is started again")
        wait_for(lambda: self.parts()[part]["state"] == "ready", f"{part} is ready again")

    # -- its users ---------------------------------------------------------------------------------

    @cached_property
    def admin(self) -> Client:
        """The first administrator, logged in."""
        told = Credentials.model_validate_json((self.layout.root / "admin.json").read_bytes())
        client = Client(self.endpoints.api)
        client.login(told.email, told.password)
        return client

    def tenant(self, name: str) -> Tenant:
        """A new project in an organization of its own, in the administrator's hands."""
        organization = self.admin.common.organizations.create(name).id
        return self.admin.tenant(self.admin.organization(organization).projects.create(name).id)

    # -- its engines, past the platform ------------------------------------------------------------

    def virsh(self, *argv: str) -> str:
        """A command of libvirt's own tool."""
        return _output(["virsh", "-q", "-c", str(self.endpoints.libvirt_uri), *argv])

    def nbctl(self, *argv: str) -> str:
        """A command of OVN's own tool."""
        return _output(["ovn-nbctl", f"--db={self.endpoints.ovn_northbound}", "--timeout=30", *argv])

    def switch_port(self, port_id: UUID, column: str) -> str:
        """What OVN says of a port."""
        which = f'external_ids:"groundplane:id"="{port_id}"'
        return self.nbctl("--bare", f"--columns={column}", "find", "Logical_Switch_Port", which)

    def domains(self) -> list[str]:
        """The domains that libvirt knows, running or not, by UUID."""
        return proof.left_in_libvirt(self.endpoints)

    def guests(self) -> dict[str, list[ProcessRef]]:
        """The QEMU processes in the data plane, by the UUID of their guest."""
        found: dict[str, list[ProcessRef]] = {}
        for ref in DataPlane(self.layout, "").inhabitants():
            if match := re.search(r"qemu-system\S* .*-uuid (\S+)", ref.command()):
                found.setdefault(match[1], []).append(ref)
        return found

    def left_of(self, *ids: UUID) -> list[str]:
        """What any engine still holds of these ids."""
        found = [
            *proof.left_in_libvirt(self.endpoints),
            *proof.left_in_ovn(self.endpoints),
            *proof.left_in_pool(self.endpoints),
        ]
        return proof.left_of(ids, found=found)

    def processes(self) -> list[ProcessRef]:
        """Every process of this installation that lives, guests and all."""
        return sorted({*DataPlane(self.layout, "").inhabitants(), *(ref for _, ref in marked(self.layout.root))})


@contextmanager
def installation() -> Iterator[Installation]:
    """A place for an installation, which is taken away whatever happens, even if this process is killed."""
    root = Path(tempfile.mkdtemp(prefix="gpc-", dir="/tmp"))  # short, and the engines' users may pass through /tmp
    made = Installation(root)
    with _undertaker(root):
        try:
            yield made
        finally:
            if "admin" in vars(made):
                made.admin.close()
            for line in _last_words(made):
                print(line)  # noqa: T201 - shown by pytest if the test failed
            if made.layout.is_ours():
                made.take_away()
            shutil.rmtree(root, ignore_errors=True)


@contextmanager
def _undertaker(root: Path) -> Iterator[None]:
    """A process that takes the installation away when this one has gone without doing so: its end of the pipe closes."""
    script = 'read -r done && exit; exec "$@"'
    argv = ["sh", "-c", script, "undertaker", *COMMAND, "down", "--all", "--yes", "--data-dir", str(root)]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", start_new_session=True
    ) as process:
        assert process.stdin is not None
        yield
        process.stdin.write(b"done\n")
        process.stdin.close()


def _last_words(made: Installation) -> Iterator[str]:
    """What the parts' logs end with that are not the engines' own."""
    for part in ("supervisor", "api", "worker", "agent"):
        path = made.layout.log(part)
        if path.is_file():
            yield f"--- {path.name}"
            yield from (line[:300] for line in path.read_text(errors="replace").splitlines()[-12:])


def kill(ref: ProcessRef) -> None:
    """As hard as it goes."""
    assert ref.send(signal.SIGKILL), "it was gone already"


def idle_image(tenant: Tenant, scratch: Path) -> Resource:
    """An image of which guests start at once and then rest."""
    path = scratch / "idle.img"
    path.write_bytes(IDLE_DISK)
    return tenant.images.upload(path, name="idle")


def idle_spec(network: str = "lan") -> VmRequest:
    """A small machine of that image."""
    return {
        "vcpus": 1,
        "memory_mib": 64,
        "root_volume": {"image": "idle", "size_gib": 1},
        "nics": [{"network": network}],
    }


def furnish(tenant: Tenant, scratch: Path) -> None:
    """What small machines need around them."""
    idle_image(tenant, scratch)
    tenant.networks.create("lan", wait=True)
    tenant.subnets.create("lan-a", {"network": "lan", "cidr": "10.30.0.0/24"}, wait=True)


def ids_of(vm: Vm) -> tuple[UUID, UUID, UUID]:
    """The bare ids of a machine, of its root volume and of its port."""
    return uuid_of(vm.id), uuid_of(vm.spec.disks[0].volume), uuid_of(vm.spec.nics[0].port)


def _output(argv: list[str]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "LC_ALL": "C"})
    assert done.returncode == 0, f"{argv}: {done.stderr}"
    return done.stdout.strip()
