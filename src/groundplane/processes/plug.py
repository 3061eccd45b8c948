"""Plugs a port of a network into a network namespace of this machine: how a demo or a test stands beside a guest.

A veth pair: one end in Open vSwitch with the port's id, the other one in a namespace of its own, which ends with `unplug`.
"""

import os
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from groundplane.processes.layout import Endpoints

RUN_SECONDS = 30


@dataclass(frozen=True)
class Plug:
    """A namespace that holds the port's address. `switch` is the veth end in Open vSwitch."""

    endpoints: Endpoints
    namespace: str
    switch: str

    def run(self, argv: Sequence[str], *, seconds: float = RUN_SECONDS, text: str | None = None) -> str:
        """Run a command inside; its standard output. Raises subprocess.CalledProcessError, TimeoutExpired."""
        return _run([*_inside(self.endpoints), "ip", "netns", "exec", self.namespace, *argv], seconds=seconds, text=text)


@contextmanager
def plug(endpoints: Endpoints, *, port_id: UUID, mac: str, address: str, prefix: int, mtu: int) -> Iterator[Plug]:
    """Plug the port in for as long as the block runs. Needs root and the local data plane."""
    mark = uuid.uuid4().hex[:8]
    plugged = Plug(endpoints, f"gp-{mark}", f"gps{mark}")
    name, guest = plugged.namespace, f"gpg{mark}"
    # Userspace switching sees checksums that nobody has filled in yet: both ends fill them in themselves.
    steps = [
        ["ip", "netns", "add", name],
        ["ip", "link", "add", plugged.switch, "mtu", str(mtu), "type", "veth",
         "peer", "name", guest, "address", mac, "mtu", str(mtu), "netns", name],
        ["ethtool", "-K", plugged.switch, "tx", "off"],
        ["ip", "netns", "exec", name, "ethtool", "-K", guest, "tx", "off"],
        ["ip", "-n", name, "link", "set", "lo", "up"],
        ["ip", "-n", name, "address", "add", f"{address}/{prefix}", "dev", guest],
        ["ip", "-n", name, "link", "set", guest, "up"],
        ["ip", "link", "set", plugged.switch, "up"],
        ["ovs-vsctl", f"--db={endpoints.ovs}", "--timeout=10", "add-port", "br-int", plugged.switch,
         "--", "set", "Interface", plugged.switch, f"external_ids:iface-id={port_id}"],
    ]  # fmt: skip
    try:
        for step in steps:
            _run([*_inside(endpoints), *step])
        yield plugged
    finally:
        _unplug(plugged)


def _unplug(plugged: Plug) -> None:
    for step in (
        ["ovs-vsctl", f"--db={plugged.endpoints.ovs}", "--timeout=10", "--if-exists", "del-port", "br-int", plugged.switch],
        ["ip", "netns", "delete", plugged.namespace],
    ):
        argv = [*_inside(plugged.endpoints), *step]
        subprocess.run(argv, check=False, capture_output=True, timeout=RUN_SECONDS)


def _inside(endpoints: Endpoints) -> list[str]:
    """Within the data plane's own namespaces, so that whatever is left over goes with them."""
    return ["nsenter", f"--mount={endpoints.mount_namespace}", f"--net={endpoints.network_namespace}", "--"]


def _run(argv: Sequence[str], *, seconds: float = RUN_SECONDS, text: str | None = None) -> str:
    done = subprocess.run(
        argv, check=True, capture_output=True, text=True, timeout=seconds, input=text, env={**os.environ, "LC_ALL": "C"}
    )
    return done.stdout
