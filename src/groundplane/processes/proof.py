"""Asks the engines themselves what they hold, past the platform: for the demo's and the tests' last word."""

import os
import subprocess
from collections.abc import Collection, Sequence
from pathlib import Path
from uuid import UUID

from groundplane.processes.layout import Endpoints


def left_in_libvirt(endpoints: Endpoints) -> list[str]:
    """The domains that libvirt knows, running or not, as `virsh` says."""
    return _lines(["virsh", "-q", "-c", str(endpoints.libvirt_uri), "list", "--all", "--uuid"])


def left_in_pool(endpoints: Endpoints) -> list[str]:
    """The files in the storage pool's folder."""
    return sorted(path.name for path in Path(endpoints.pool_path).iterdir())


def left_in_ovn(endpoints: Endpoints) -> list[str]:
    """Switches, ports, DHCP options and port groups of the northbound database that carry an id of ours."""
    ids = []
    for table in ("Logical_Switch", "Logical_Switch_Port", "DHCP_Options", "Port_Group"):
        argv = ["ovn-nbctl", f"--db={endpoints.ovn_northbound}", "--bare", "--columns=external_ids", "list", table]
        ids += [f"{table}: {line}" for line in _lines(argv) if "groundplane:id" in line]
    return ids


def left_of(ids: Collection[UUID], *, found: Sequence[str]) -> list[str]:
    """Those lines that name one of these ids."""
    texts = [form for value in ids for form in (str(value), value.hex)]
    return [line for line in found if any(text in line for text in texts)]


def _lines(argv: Sequence[str]) -> list[str]:
    done = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=20, env={**os.environ, "LC_ALL": "C"})
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]
