"""Ends what runs without a supervisor, and takes an installation away so that nothing of it is left.

Works on debris of any age: nothing here needs a supervisor, a daemon that answers, or a record that is true.
"""

import shutil
import signal
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from groundplane.processes.embedded import PLAIN_ENVIRONMENT
from groundplane.processes.engines import ENVIRONMENT, DataPlane, mounts_below
from groundplane.processes.layout import Layout, read_json
from groundplane.processes.pids import ProcessRef, end, marked, working_in
from groundplane.processes.supervisor import survivors

_FOUNDATION = ("nats", "postgres")
"""Ended after everything that uses them."""

Say = Callable[[str], None]


class LeftOverError(Exception):
    """Something could not be taken away; the message lists it."""


def control_survivors(layout: Layout) -> list[tuple[str, ProcessRef]]:
    """Find control-plane processes that run without a supervisor, those first that need the others."""
    return [(name, ref) for name, ref in _ordered(layout) if not _is_data_plane(layout, name)]


def data_survivors(layout: Layout) -> list[tuple[str, ProcessRef]]:
    """Find data-plane daemons that run, supervised or not."""
    return [(name, ref) for name, ref in _ordered(layout) if _is_data_plane(layout, name)]


def end_control_plane(layout: Layout) -> list[str]:
    """End what an earlier supervisor left of the control plane; return the parts' names. Nobody may hold the lock."""
    found = control_survivors(layout)
    end([ref for name, ref in found if name not in _FOUNDATION], seconds=15)
    for foundation in _FOUNDATION:
        number = signal.SIGINT if foundation == "postgres" else signal.SIGTERM
        end([ref for name, ref in found if name == foundation], number, 30)
    return [name for name, _ in found]


def take_away(layout: Layout, say: Say) -> None:
    """End and delete everything of this data directory: guests, daemons, namespaces, mounts, and the directory.

    Raises:
        LeftOverError: something is still there afterwards.
    """
    if ended := end_control_plane(layout):
        say(f"ended {', '.join(ended)}")
    plane = DataPlane(layout, "")
    _destroy_guests(layout, plane, say)
    _detach_switch(layout, plane)
    daemons = data_survivors(layout)
    end((ref for _, ref in daemons), seconds=5)
    end(plane.inhabitants(), seconds=5)
    end(ref for _, ref in marked(layout.root))
    end(working_in(layout.root / "postgres" / "cluster"), signal.SIGQUIT, 5)
    if daemons:
        say(f"ended {', '.join(name for name, _ in daemons)}")
    for path in reversed(mounts_below(layout.root)):
        subprocess.run(["umount", "-l", str(path)], env=PLAIN_ENVIRONMENT, check=False, capture_output=True)
    left = [f"pid {ref.pid}: {ref.command()[:100]}" for ref in _who_is_left(layout, plane)]
    left += [f"mount {path}" for path in mounts_below(layout.root)]
    if left:
        raise LeftOverError("\n".join(left))
    shutil.rmtree(layout.root, ignore_errors=True)
    if layout.root.exists():
        raise LeftOverError(f"{layout.root} could not be deleted")
    if layout.root.parent.name == "groundplane" and not any(layout.root.parent.iterdir()):
        layout.root.parent.rmdir()
    say(f"deleted {layout.root}")


def _destroy_guests(layout: Layout, plane: DataPlane, say: Say) -> None:
    """Ask libvirt to destroy its guests; those that it does not are ended with the namespace's other inhabitants."""
    if not (layout.run / "libvirt" / "libvirt-sock").exists():
        return
    virsh = ["virsh", "-q", "-c", plane.addresses()["libvirt_uri"]]
    guests = _ask([*virsh, "list", "--uuid"]).split()
    # All at once: without a supervisor nobody reaps a guest's zombie quickly, and libvirt waits two seconds for each.
    with ThreadPoolExecutor(max_workers=32) as threads:
        list(threads.map(lambda guest: _ask([*virsh, "destroy", guest]), guests))
    if guests:
        say(f"destroyed {len(guests)} guest{'s' if len(guests) > 1 else ''}")


def _detach_switch(layout: Layout, plane: DataPlane) -> None:
    """Have Open vSwitch give back its ports and taps, if it runs."""
    if plane.standing() and (layout.run / "openvswitch" / "vswitchd.ctl").exists():
        _ask([*plane.enter("ovs-appctl", "-t", "/run/openvswitch/vswitchd.ctl", "exit", "--cleanup")])


def _ask(argv: list[str]) -> str:
    try:
        done = subprocess.run(argv, env=ENVIRONMENT, cwd="/", capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def _who_is_left(layout: Layout, plane: DataPlane) -> list[ProcessRef]:
    return sorted({*plane.inhabitants(), *(ref for _, ref in marked(layout.root))})


def _ordered(layout: Layout) -> list[tuple[str, ProcessRef]]:
    found = [(name, ref) for name, ref, _ in survivors(layout)]
    return sorted(found, key=lambda item: (item[0] in _FOUNDATION, item[0]))


def _is_data_plane(layout: Layout, name: str) -> bool:
    entry = read_json(layout.processes).get("processes", {}).get(name)
    return bool(entry and entry["plane"] == "data") or name in {part.name for part in DataPlane(layout, "").parts()}
