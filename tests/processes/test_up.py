"""What the commands say and refuse; nothing is started here that could reach another installation."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from tests.processes.conftest import Supervise
from tests.processes.toys import alive
from typer.testing import CliRunner

from groundplane.processes import doctor, up
from groundplane.processes.control import take_lock
from groundplane.processes.layout import Endpoints, Installation, Layout, data_directory

app = typer.Typer()
for command in (up.up, up.down, up.restart, up.status, up.doctor):
    app.command()(command)


def invoke(*argv: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, argv)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_a_second_up_says_that_it_runs_and_harms_nothing(layout: Layout, supervise: Supervise) -> None:
    supervised = supervise("toys")
    supervised.wait()
    pids = supervised.pid("store"), supervised.pid("app")
    code, output = invoke("up", "--data-dir", str(layout.root), "--simulated")
    assert code == up.UNFIT, "the directory was made for another data plane"
    Installation(name="toys", data_plane="simulated", simulated_hosts=1).save(layout)
    code, output = invoke("up", "--data-dir", str(layout.root), "--simulated")
    assert code == up.RUNNING_ALREADY
    assert f"supervisor pid {supervised.process.pid}" in output
    assert all(alive(pid) for pid in pids)
    assert supervised.status()["phase"] == "running"


def test_status_shows_parts_and_no_password(layout: Layout, supervise: Supervise) -> None:
    supervised = supervise("toys")
    supervised.wait()
    Endpoints(
        name="toys",
        data_dir=str(layout.root),
        data_plane="simulated",
        simulated_hosts=1,
        api="http://127.0.0.1:1",
        database_url="postgresql://someone:hidden@host/db",
        nats_url="nats://groundplane:hidden@127.0.0.1:4222",
        nats_port=4222,
        pool_path="",
        blobs_path="",
    ).save(layout)
    assert layout.endpoints.stat().st_mode & 0o777 == 0o600
    code, output = invoke("status", "--data-dir", str(layout.root))
    assert code == 0
    assert "store" in output
    assert "hidden" not in output
    code, output = invoke("status", "--data-dir", str(layout.root), "-o", "json")
    picture = json.loads(output)
    assert code == 0
    assert {part["name"]: part["state"] for part in picture["parts"]}["step"] == "done"
    assert picture["endpoints"]["nats_url"] == "nats://groundplane@127.0.0.1:4222"


def test_status_and_down_know_survivors_of_a_killed_supervisor(layout: Layout, supervise: Supervise) -> None:
    supervised = supervise("toys")
    supervised.wait()
    engine = supervised.pid("engine")
    supervised.kill()
    code, output = invoke("status", "--data-dir", str(layout.root))
    assert code == up.NOT_RUNNING
    assert "not running" in output
    assert "store" in output
    assert invoke("restart", "--data-dir", str(layout.root))[0] == up.NOT_RUNNING
    code, output = invoke("down", "--data-dir", str(layout.root))
    assert code == 0
    assert "go on" in output
    assert alive(engine)
    code, output = invoke("status", "--data-dir", str(layout.root))
    assert "store" not in output
    assert "engine" in output


def test_down_all_takes_the_toys_away(layout: Layout, supervise: Supervise) -> None:
    supervised = supervise("toys")
    supervised.wait()
    pids = [supervised.pid(name) for name in ("store", "app", "engine")]
    code, _ = invoke("down", "--all", "--yes", "--data-dir", str(layout.root))
    assert code == 0
    assert not any(alive(pid) for pid in pids)
    assert not layout.root.exists()
    assert invoke("down", "--all", "--yes", "--data-dir", str(layout.root)) == (0, f"There is nothing at {layout.root}.\n")


def test_only_directories_of_ours_are_deleted_or_used(layout: Layout) -> None:
    keep = layout.root / "thesis.txt"
    keep.write_text("years of work")
    code, output = invoke("down", "--all", "--yes", "--data-dir", str(layout.root))
    assert code == up.UNFIT
    assert "was not made by Groundplane" in output
    code, output = invoke("up", "--simulated", "--data-dir", str(layout.root))
    assert code == up.UNFIT
    assert "files that are not Groundplane's" in output
    assert keep.read_text() == "years of work"


@pytest.mark.parametrize("place", ["/run/groundplane", "/srv/" + "long/" * 20])
def test_a_place_where_sockets_or_engines_would_fail_is_refused(place: str) -> None:
    code, output = invoke("up", "--simulated", "--data-dir", place)
    assert code == up.UNFIT
    assert "--data-dir" in output
    assert not Path(place).exists()


def test_without_root_the_real_data_plane_is_refused_in_words(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    code, output = invoke("up", "--data-dir", str(layout.root))
    assert code == up.UNFIT
    assert "needs root" in output
    assert "up --simulated" in output
    assert not layout.installation.exists()


def test_missing_packages_are_named_with_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_PATH", "/nonexistent")
    packages = next(finding for finding in doctor.obstacles() if finding.part == "packages")
    assert "apt-get install" in packages.advice
    assert "ovn-central" in packages.advice


def test_doctor_answers_for_each_part(layout: Layout) -> None:
    findings = doctor.examine(layout, 1, "local")
    assert [finding.part for finding in findings if finding.part.startswith("Postgre")] == ["PostgreSQL"]
    assert len(findings) == len(doctor.CHECKS)
    assert all(finding.detail for finding in findings)
    assert all(finding.advice for finding in findings if finding.verdict != "ok")
    assert len(doctor.examine(layout, 1, "simulated")) < len(findings)


def test_the_directory_is_by_name_and_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert data_directory("blue").root == Path("/var/lib/groundplane/blue")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_directory("blue").root == tmp_path / ".local/share/groundplane/blue"


def test_the_supervisor_refuses_to_run_without_its_lock(layout: Layout) -> None:
    """Its argument is an inherited descriptor; a stranger who runs it by hand gets nowhere."""
    layout.create()
    lock = take_lock(layout)
    assert lock is not None
    done = subprocess.run(
        [sys.executable, "-m", "groundplane.processes.supervise", str(layout.root), "99"],
        capture_output=True,
        check=False,
    )
    os.close(lock)
    assert done.returncode != 0
    assert not layout.control.exists()
