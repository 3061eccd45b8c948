"""What the demo does past the platform: breaks a machine, stands on its network, and asks the engines what is left."""

import contextlib
import shlex
import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol
from uuid import UUID

from groundplane.dataplane.providers.simulated import SimulatedEngine
from groundplane.kernel.ids import parse_id
from groundplane.processes import proof
from groundplane.processes.layout import Endpoints, Layout
from groundplane.processes.plug import plug
from groundplane.sdk.records import Port

Ssh = Callable[[Path, str, str], str]
MTU = 1442


class Backstage(Protocol):
    """The engines, seen without the platform."""

    real: bool

    def destroy(self, vm_id: UUID) -> None:
        """Destroy a machine as a careless operator would."""

    def how_destroyed(self, vm_id: UUID) -> str:
        """What was just done, for people."""

    def plugged(self, port: Port, *, prefix: int) -> contextlib.AbstractContextManager[Ssh | None]:
        """Stand on a port; what it gives runs a command on a guest by SSH."""

    def left(self, ids: Collection[UUID]) -> Mapping[str, Sequence[str]]:
        """What each engine still holds of these ids."""


def backstage(layout: Layout, endpoints: Endpoints) -> Backstage:
    """The engines of this installation."""
    return Local(endpoints) if endpoints.data_plane == "local" else Simulated(layout)


class Local:
    """libvirt, OVN and the pool of this machine."""

    real = True

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    def destroy(self, vm_id: UUID) -> None:
        """By virsh."""
        subprocess.run(self._virsh(vm_id), check=True, capture_output=True, timeout=30)

    def how_destroyed(self, vm_id: UUID) -> str:
        """The very command."""
        return shlex.join(self._virsh(vm_id))

    @contextlib.contextmanager
    def plugged(self, port: Port, *, prefix: int) -> Iterator[Ssh | None]:
        """A namespace on the same network."""
        port_id = parse_id("prt", port.id)
        if port_id is None:
            raise LookupError(port.id)
        spec = port.spec
        with plug(self._endpoints, port_id=port_id, mac=spec.mac, address=spec.address, prefix=prefix, mtu=MTU) as plugged:

            def ssh(key: Path, address: str, command: str) -> str:
                options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
                options += ["-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ConnectionAttempts=3", "-i", str(key)]
                return plugged.run(["ssh", *options, f"root@{address}", command]).strip()

            yield ssh

    def left(self, ids: Collection[UUID]) -> Mapping[str, Sequence[str]]:
        """Each engine in its own words."""
        found = {
            "libvirt": proof.left_in_libvirt(self._endpoints),
            "OVN": proof.left_in_ovn(self._endpoints),
            "the storage pool": proof.left_in_pool(self._endpoints),
        }
        return {engine: proof.left_of(ids, found=lines) for engine, lines in found.items()}

    def _virsh(self, vm_id: UUID) -> list[str]:
        return ["virsh", "-c", str(self._endpoints.libvirt_uri), "destroy", str(vm_id)]


class Simulated:
    """The simulated engine."""

    real = False

    def __init__(self, layout: Layout) -> None:
        self._engine = SimulatedEngine(layout.root / "simulated.sqlite")

    def destroy(self, vm_id: UUID) -> None:
        """As if the host had killed it."""
        self._engine.outside_destroy(vm_id)

    def how_destroyed(self, vm_id: UUID) -> str:
        """What was just done, for people."""
        return f"the simulated host destroyed {vm_id}"

    @contextlib.contextmanager
    def plugged(self, port: Port, *, prefix: int) -> Iterator[Ssh | None]:
        """There is no network to stand on."""
        del port, prefix
        yield None

    def left(self, ids: Collection[UUID]) -> Mapping[str, Sequence[str]]:
        """What the simulated engine holds."""
        return {
            "the simulated engine": [
                str(found.key) for found in self._engine.resources() if found.present and found.key.id in ids
            ]
        }
