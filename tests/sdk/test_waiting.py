"""Waiting for jobs, uploads and consoles, against a real HTTP server."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.sdk.conftest import QUICK
from tests.sdk.platform import PROJECT, SPEC, Platform, problem, serving, unavailable

from groundplane.sdk import ApiError, Client, JobFailedError, JobStep, WaitTimeoutError

JOB = f"{PROJECT}/jobs/job_1"


def test_a_create_that_is_waited_for_answers_the_resource_as_it_is_then(platform: Platform, client: Client) -> None:
    platform.job_lines = ["entered", "asked", "reported", "succeeded"]
    told: list[JobStep] = []
    vm = client.tenant("prj_1").vms.create("a", SPEC, labels={"env": "prod"}, wait=True, on_step=told.append)
    assert platform.bodies == [{"name": "a", "labels": {"env": "prod"}, "spec": SPEC}]
    assert [step.what for step in told] == platform.job_lines
    assert vm.job is None
    assert platform.requests[-1][:2] == ("GET", f"{PROJECT}/vms/vm_a")
    waits = [float(query["wait"]) for method, path, query in platform.requests if path == JOB]
    assert waits == [30.0] * 4


def test_a_failed_job_raises_its_own_sentence(platform: Platform, client: Client) -> None:
    platform.job_lines = ["entered", "failed"]
    platform.job_error = {"code": "pool_full", "fault_class": "permanent", "message": "The pool is full. Delete something."}
    with pytest.raises(JobFailedError, match=r"^The pool is full\. Delete something\.$") as caught:
        client.tenant("prj_1").vms.create("a", SPEC, wait=True)
    assert caught.value.code == "pool_full"
    assert caught.value.job.steps[-1].what == "failed"


def test_without_waiting_the_job_is_named(platform: Platform, client: Client) -> None:
    platform.job_lines = ["entered"]
    vm = client.tenant("prj_1").vms.create("a", SPEC)
    assert vm.job is not None
    assert vm.job.id == "job_1"
    assert platform.count("GET", JOB) == 0


def test_a_wait_ends_in_time(platform: Platform, client: Client) -> None:
    platform.job_lines = ["entered"] * 1_000_000
    started = time.monotonic()
    with pytest.raises(WaitTimeoutError, match="RUNNING"):
        client.tenant("prj_1").jobs.wait("job_1", timeout=0.3)
    assert 0.3 <= time.monotonic() - started < 2


def test_a_wait_outlasts_an_api_that_is_away_for_a_moment(platform: Platform, client: Client) -> None:
    platform.job_lines = ["entered", "succeeded"]
    platform.script = [unavailable() for _ in range(3)]
    assert client.tenant("prj_1").jobs.wait("job_1", timeout=20).state == "SUCCEEDED"


def test_a_wait_outlasts_a_restart_of_the_api() -> None:
    platform = Platform(tokens={"t"}, job_lines=["entered"] * 200 + ["succeeded"])
    states: list[str] = []
    with serving(platform):
        client = Client(platform.url, "t", retries=QUICK)
        waiter = threading.Thread(
            target=lambda: states.append(
                client.tenant("prj_1").jobs.wait("job_1", timeout=30, on_step=lambda _: time.sleep(0.01)).state
            )
        )
        waiter.start()
        while platform.shown < 10:
            time.sleep(0.005)
    assert platform.shown < 200
    time.sleep(0.2)
    with serving(platform, int(platform.url.rpartition(":")[2])):
        waiter.join(30)
    client.close()
    assert states == ["SUCCEEDED"]


def test_a_delete_that_is_waited_for_reads_nothing_that_is_gone(platform: Platform, client: Client) -> None:
    platform.job_lines = ["entered", "succeeded"]
    assert client.tenant("prj_1").vms.delete("a", wait=True).status == "deleting"
    assert platform.requests[-1][:2] == ("GET", JOB)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A file of several pieces."""
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(range(256)) * 10_000)
    return path


def test_an_upload_streams_the_file_and_tells_its_progress(platform: Platform, client: Client, image: Path) -> None:
    told: list[tuple[int, int]] = []
    client.tenant("prj_1").images.upload(image, "tiny", labels={"os": "linux"}, progress=lambda *now: told.append(now))
    assert platform.uploaded == image.read_bytes()
    assert platform.requests[-1][2] == {"name": "tiny", "labels": "os=linux"}
    assert platform.bodies[-1]["content-length"] == "2560000"
    assert "transfer-encoding" not in platform.bodies[-1]
    assert [size for size, _ in told] == [1 << 20, 2 << 20, 2_560_000]
    assert {whole for _, whole in told} == {2_560_000}


def test_an_upload_begins_anew_with_a_new_token(platform: Platform, client: Client, image: Path) -> None:
    platform.tokens.clear()
    client.tenant("prj_1").images.upload(image, "tiny")
    assert platform.uploaded == image.read_bytes()


def test_an_upload_that_is_refused_early_says_why(platform: Platform, client: Client, image: Path) -> None:
    platform.script = [problem(413, "body_too_large", "Send less.")]
    with pytest.raises(ApiError, match="body_too_large"):
        client.tenant("prj_1").images.upload(image, "tiny")


def test_a_console_is_read_from_an_offset(platform: Platform, client: Client) -> None:
    platform.console = [b"booting\n", b"\xff\x00 done\n"]
    vms = client.tenant("prj_1").vms
    assert vms.console_log("a") == b"booting\n\xff\x00 done\n"
    assert vms.console_log("a", offset=8, limit=2) == b"\xff\x00"


def _followed(pieces: Iterator[bytes], platform: Platform, more: list[bytes]) -> bytes:
    """Take all, and let the guest write a little more after each piece."""
    found = b""
    for piece in pieces:
        found += piece
        if more:
            platform.console.append(more.pop(0))
    return found


def test_a_console_is_followed_from_before_it_is_there(platform: Platform, client: Client) -> None:
    threading.Timer(0.15, platform.console.append, [b"one "]).start()
    pieces = client.tenant("prj_1").vms.follow_console_log("a", timeout=1, interval=0.02)
    assert _followed(pieces, platform, [b"two ", b"three"]) == b"one two three"


def test_following_the_console_of_no_machine_is_an_error(platform: Platform, client: Client) -> None:
    platform.script = [problem(404, "not_found", "List what there is.")]
    with pytest.raises(ApiError, match="not_found"):
        next(client.tenant("prj_1").vms.follow_console_log("a", timeout=1))
