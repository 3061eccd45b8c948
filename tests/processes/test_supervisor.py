"""The supervisor's promises, with toys: order, restarts, adoption, and that nothing is signalled by mistake."""

import os
import signal
import subprocess

import pytest
from tests.processes.conftest import Supervise
from tests.processes.toys import alive, wait_for

from groundplane.processes.control import ask, is_locked, take_lock
from groundplane.processes.layout import Layout, read_json, write_json
from groundplane.processes.pids import ProcessRef, end
from groundplane.processes.takedown import control_survivors, data_survivors, end_control_plane


def test_everything_is_started_once_its_needs_are_met(layout: Layout, supervise: Supervise) -> None:
    parts = {part["name"]: part for part in supervise("toys").wait()["parts"]}
    assert {name: part["state"] for name, part in parts.items()} == {
        "store": "ready",
        "step": "done",
        "app": "ready",
        "engine": "ready",
    }
    assert parts["store"]["uptime_s"] >= parts["app"]["uptime_s"]
    assert parts["app"]["memory_mib"] > 0


def test_a_killed_part_is_started_again(supervise: Supervise) -> None:
    supervised = supervise("toys")
    supervised.wait()
    store, app = supervised.pid("store"), supervised.pid("app")
    os.kill(store, signal.SIGKILL)
    supervised.wait_ready("store", other_than=store)
    assert supervised.part("store")["restarts"] == 1
    assert supervised.pid("app") == app


def test_helpers_end_with_a_killed_stateless_part(layout: Layout, supervise: Supervise) -> None:
    supervised = supervise("toys")
    supervised.wait()
    app, helper = supervised.pid("app"), int((layout.root / "helper").read_text())
    os.kill(app, signal.SIGKILL)
    supervised.wait_ready("app", other_than=app)
    assert not alive(helper)
    assert alive(int((layout.root / "helper").read_text()))


def test_the_next_supervisor_adopts_what_holds_state_and_ends_the_rest(layout: Layout, supervise: Supervise) -> None:
    first = supervise("toys")
    first.wait()
    before = {name: first.pid(name) for name in ("store", "app", "engine")}
    helper = int((layout.root / "helper").read_text())
    first.kill()
    assert all(alive(pid) for pid in before.values())
    assert not is_locked(layout), "children must not hold the lock of their supervisor"

    second = supervise("toys")
    parts = {part["name"]: part for part in second.wait()["parts"]}
    assert parts["store"]["pid"] == before["store"]
    assert parts["engine"]["pid"] == before["engine"]
    assert parts["store"]["adopted"]
    assert parts["app"]["pid"] != before["app"]
    assert not alive(before["app"])
    assert not alive(helper)

    os.kill(before["store"], signal.SIGKILL)
    assert second.wait_ready("store", other_than=before["store"])


def test_what_no_record_knows_is_found_by_its_mark(layout: Layout, supervise: Supervise) -> None:
    first = supervise("toys")
    first.wait()
    store, app = first.pid("store"), first.pid("app")
    first.kill()
    layout.processes.unlink()
    second = supervise("toys")
    second.wait()
    assert not alive(store), "how it was started is unknown, so it is not adopted"
    assert not alive(app)
    assert {name for name, _ in control_survivors(layout)} == {"store", "app"}


def test_a_record_of_another_boot_or_process_is_not_believed(layout: Layout, supervise: Supervise) -> None:
    first = supervise("toys")
    first.wait()
    first.stop()
    with subprocess.Popen(["sleep", "60"]) as bystander:
        for boot, started in (("another boot", ProcessRef.of_child(bystander.pid).started), (None, 1)):
            record = read_json(layout.processes)
            record["processes"]["store"] = {
                **record["processes"]["engine"],
                "pid": bystander.pid,
                "started": started,
                "plane": "control",
            }
            record["boot_id"] = boot or record["boot_id"]
            write_json(layout.processes, record)
            assert "store" not in {name for name, _ in control_survivors(layout)}
            second = supervise("toys")
            second.wait()
            assert second.pid("store") != bystander.pid
            second.stop()
        assert bystander.poll() is None
        bystander.kill()


def test_a_stale_reference_signals_nobody() -> None:
    with subprocess.Popen(["sleep", "60"]) as bystander:
        ref = ProcessRef.of_child(bystander.pid)
        assert not ProcessRef(ref.pid, ref.started - 1).send(signal.SIGKILL)
        end([ProcessRef(ref.pid, ref.started + 1)])
        assert bystander.poll() is None
        end([ref])
        assert bystander.wait(5) == -signal.SIGTERM


def test_stop_leaves_the_data_plane(layout: Layout, supervise: Supervise) -> None:
    supervised = supervise("toys")
    supervised.wait()
    pids = {name: supervised.pid(name) for name in ("store", "app", "engine")}
    assert ask(layout, {"do": "stop"}) == {"ok": True}
    assert supervised.process.wait(20) == 0
    assert {name for name, pid in pids.items() if alive(pid)} == {"engine"}
    assert [(name, ref.pid) for name, ref in data_survivors(layout)] == [("engine", pids["engine"])]
    assert not is_locked(layout)


def test_down_works_without_a_supervisor(layout: Layout, supervise: Supervise) -> None:
    supervised = supervise("toys")
    supervised.wait()
    pids = {name: supervised.pid(name) for name in ("store", "app", "engine")}
    supervised.kill()
    assert end_control_plane(layout) == ["app", "store"]
    assert {name for name, pid in pids.items() if alive(pid)} == {"engine"}


def test_restart_touches_only_what_is_named_and_runs_steps_again(layout: Layout, supervise: Supervise) -> None:
    supervised = supervise("toys")
    supervised.wait()
    store, app = supervised.pid("store"), supervised.pid("app")
    assert ask(layout, {"do": "restart", "names": ["app", "step"]}) == {"ok": True}
    assert supervised.part("app")["state"] == "ready"
    assert supervised.part("app")["restarts"] == 0, "what was asked for is no failure"
    assert supervised.pid("app") != app
    assert supervised.pid("store") == store
    assert (layout.root / "step-runs").read_text() == "ran\nran\n"
    assert "no such part: nothing" in ask(layout, {"do": "restart", "names": ["nothing"]})["error"]


def test_whatever_is_restarted_often_is_there_each_time(layout: Layout, supervise: Supervise) -> None:
    supervised = supervise("toys")
    supervised.wait()
    for _ in range(20):
        engine = supervised.pid("engine")
        assert ask(layout, {"do": "restart", "names": ["engine"]}) == {"ok": True}
        assert supervised.part("engine")["state"] == "ready"
        assert supervised.pid("engine") != engine
        assert not alive(engine)


def test_a_part_that_never_gets_ready_is_named(layout: Layout, supervise: Supervise) -> None:
    status = supervise("broken").wait(phase="failed")
    assert status["failed"] == "app"
    app = next(part for part in status["parts"] if part["name"] == "app")
    assert app["state"] in ("failed", "starting")
    assert "status 7" in app["detail"]
    assert layout.log("app").read_text().startswith("no such luck\n")


def test_a_failed_part_that_heals_is_taken_back(layout: Layout, supervise: Supervise) -> None:
    supervised = supervise("toys")
    supervised.wait()
    # The store's ready file cannot be written any more, so its next start fails; then it can again.
    ready = layout.ready("store")
    ready.unlink()
    ready.mkdir()
    store = supervised.pid("store")
    os.kill(store, signal.SIGSTOP)
    os.kill(store, signal.SIGKILL)
    wait_for(lambda: supervised.part("store")["pid"] not in (store, None), 10)
    assert supervised.part("store")["state"] == "starting"
    ready.rmdir()
    os.kill(supervised.pid("store"), signal.SIGKILL)
    wait_for(lambda: bool(supervised.part("store")["state"] == "ready"), 20)


def test_the_lock_has_one_holder(layout: Layout) -> None:
    layout.create()
    lock = take_lock(layout)
    assert lock is not None
    assert take_lock(layout) is None
    assert is_locked(layout)
    with subprocess.Popen(["sleep", "60"], close_fds=False) as child:  # CLOEXEC alone must do
        os.close(lock)
        assert not is_locked(layout)
        child.kill()


@pytest.mark.parametrize("request_", [{"do": "dance"}, {}, {"do": "restart", "names": "app"}])
def test_an_unknown_request_is_refused(layout: Layout, supervise: Supervise, request_: dict[str, object]) -> None:
    supervised = supervise("toys")
    supervised.wait()
    assert ask(layout, request_) == {"error": "unknown request"}
