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
    """A namespace that holds the port's address. `switch` and `guest` are the ends of its veth pair."""

    endpoints: Endpoints
    namespace: str
    switch: str

    def run(self, argv: Sequence[str], *, seconds: float = RUN_SECONDS, text: str | None = None) -> str:
        """Run a command inside; its standard output. Raises subprocess.CalledProcessError, TimeoutExpired."""
        return _run(["ip", "netns", "exec", self.namespace, *argv], seconds=seconds, text=text)


@contextmanager
def plug(endpoints: Endpoints, *, port_id: UUID, mac: str, address: str, prefix: int, mtu: int) -> Iterator[Plug]:
    """Plug the port in for as long as the block runs. Needs root and the local data plane."""
    mark = uuid.uuid4().hex[:8]
    plugged = Plug(endpoints, f"gp-{mark}", f"gps{mark}")
    guest = f"gpg{mark}"
    inside = ["nsenter", f"--net={endpoints.network_namespace}"]
    # Userspace switching sees checksums that nobody has filled in yet: both ends fill them in themselves.
    steps = [
        ["ip", "netns", "add", plugged.namespace],
        ["ip", "-n", plugged.namespace, "link", "add", guest, "address", mac, "mtu", str(mtu), "type", "veth",
         "peer", "name", plugged.switch],
        ["ip", "-n", plugged.namespace, "link", "set", plugged.switch, "netns", str(endpoints.network_namespace)],
        [*inside, "ethtool", "-K", plugged.switch, "tx", "off"],
        [*inside, "ip", "link", "set", plugged.switch, "mtu", str(mtu), "up"],
        ["ip", "netns", "exec", plugged.namespace, "ethtool", "-K", guest, "tx", "off"],
        ["ip", "-n", plugged.namespace, "link", "set", "lo", "up"],
        ["ip", "-n", plugged.namespace, "address", "add", f"{address}/{prefix}", "dev", guest],
        ["ip", "-n", plugged.namespace, "link", "set", guest, "up"],
        [*_vsctl(endpoints), "add-port", "br-int", plugged.switch, "--", "set", "Interface", plugged.switch,
         f"external_ids:iface-id={port_id}"],
    ]  # fmt: skip
    try:
        for step in steps:
            _run(step)
        yield plugged
    finally:
        _unplug(plugged)


def _unplug(plugged: Plug) -> None:
    for step in (
        [*_vsctl(plugged.endpoints), "--if-exists", "del-port", "br-int", plugged.switch],
        ["ip", "netns", "delete", plugged.namespace],
    ):
        subprocess.run(step, check=False, capture_output=True, timeout=RUN_SECONDS)


def _vsctl(endpoints: Endpoints) -> list[str]:
    return ["ovs-vsctl", f"--db={endpoints.ovs}", "--timeout=10"]


def _run(argv: Sequence[str], *, seconds: float = RUN_SECONDS, text: str | None = None) -> str:
    done = subprocess.run(
        argv, check=True, capture_output=True, text=True, timeout=seconds, input=text, env={**os.environ, "LC_ALL": "C"}
    )
    return done.stdout
