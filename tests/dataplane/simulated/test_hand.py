"""The hand on the simulated hosts: what a person types to change a machine behind the platform's back."""

import subprocess
import sys
from pathlib import Path
from uuid import uuid4

from tests.dataplane.conformance.rigs import machine

from groundplane.contracts.specs import Disk
from groundplane.dataplane.providers.simulated import SimulatedEngine
from groundplane.kernel.ids import format_id


def typed(*words: str) -> "subprocess.CompletedProcess[str]":
    """What the command answers."""
    command = [sys.executable, "-m", "groundplane.dataplane.providers.simulated", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_machine_is_listed_destroyed_and_started(tmp_path: Path) -> None:
    path = tmp_path / "simulated.sqlite"
    engine = SimulatedEngine(path)
    web = machine(Disk(volume_id=uuid4(), pool="default", serial="root"))
    engine.outside_create(uuid4(), web, {"power": "running"})
    name = format_id("vm", web.id)
    assert f"vm {web.id} running" in typed("list", str(path)).stdout
    assert typed("destroy", str(path), name).returncode == 0
    assert [(each.observed["power"], each.observed["stopped_by"]) for each in engine.resources()] == [("stopped", "host")]
    assert typed("start", str(path), name).returncode == 0
    assert [each.observed["power"] for each in engine.resources()] == ["running"]
    assert typed("delete", str(path), name).returncode == 0
    assert engine.resources() == []
    engine.close()


def test_what_is_not_there_is_refused_with_a_sentence(tmp_path: Path) -> None:
    missing = typed("list", str(tmp_path / "simulated.sqlite"))
    assert missing.returncode == 1
    assert "no simulated engine" in missing.stderr
    assert not (tmp_path / "simulated.sqlite").exists()
    SimulatedEngine(tmp_path / "simulated.sqlite").close()
    nobody = typed("destroy", str(tmp_path / "simulated.sqlite"), format_id("vm", uuid4()))
    assert nobody.returncode == 1
    assert "no such machine" in nobody.stderr
    assert typed("destroy", str(tmp_path / "simulated.sqlite"), "web").returncode == 2
