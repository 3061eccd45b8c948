"""A hand on the simulated hosts, as virsh is on real ones: see what they hold, and change it behind the platform's back.

    python -m groundplane.dataplane.providers.simulated list DATA_DIR/simulated.sqlite
    python -m groundplane.dataplane.providers.simulated destroy DATA_DIR/simulated.sqlite vm_01k…

destroy pulls the plug, shutdown is the guest's own doing, crash ends its process, start starts it, delete forgets the machine.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from uuid import UUID

from groundplane.dataplane.providers.simulated.engine import SimulatedEngine
from groundplane.kernel.ids import parse_id

DEEDS: Mapping[str, Callable[[SimulatedEngine, UUID], None]] = {
    "destroy": SimulatedEngine.outside_destroy,
    "shutdown": SimulatedEngine.outside_shutdown,
    "crash": SimulatedEngine.outside_crash,
    "start": SimulatedEngine.outside_start,
    "delete": lambda engine, vm_id: engine.outside_delete("vm", vm_id),
}


def main() -> int:
    """Do what the command line says; 1 if there is no such engine or machine."""
    parser = argparse.ArgumentParser(prog="python -m groundplane.dataplane.providers.simulated")
    parser.add_argument("deed", choices=["list", *DEEDS])
    parser.add_argument("file", type=Path, help="simulated.sqlite of an installation")
    parser.add_argument("machine", nargs="?", type=_machine, help="its id, such as vm_01k…")
    told = parser.parse_args()
    if not told.file.is_file():
        return _refuse(f"There is no simulated engine at {told.file}.")
    engine = SimulatedEngine(told.file)
    try:
        return _list(engine) if told.deed == "list" else _do(engine, told.deed, told.machine)
    finally:
        engine.close()


def _list(engine: SimulatedEngine) -> int:
    for found in engine.resources():
        power = found.observed.get("power", "")
        print(found.key.kind, found.key.id, *([power] if power else []))  # noqa: T201  # a command
    return 0


def _do(engine: SimulatedEngine, deed: str, machine: UUID | None) -> int:
    if machine is None or not engine.holds("vm", machine):
        return _refuse("There is no such machine here. Name one by its id, as `gp vm show` tells it.")
    DEEDS[deed](engine, machine)
    return 0


def _machine(text: str) -> UUID:
    found = parse_id("vm", text)
    if found is None:
        raise argparse.ArgumentTypeError("not the id of a vm")
    return found


def _refuse(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
