"""What a stranger does with a terminal, on a real installation with the simulated data plane: every command is a process."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.cloud.installation import IDLE_DISK, Installation, installation, wait_for

from groundplane.processes.migrate import Credentials

pytestmark = pytest.mark.slow
GP = str(Path(sys.executable).with_name("gp"))
PASSWORD = "a long password of Ann's"
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ann@acme"


@dataclass(frozen=True)
class Person:
    """Somebody with a configuration of their own."""

    home: Path

    def run(self, *words: str, said: str = "") -> "subprocess.CompletedProcess[str]":
        """Type a command; `said` is its standard input."""
        return subprocess.run(
            [GP, *words], env=self.environment(), input=said, capture_output=True, text=True, timeout=120, check=False
        )

    def does(self, *words: str, said: str = "") -> str:
        """A command that succeeds; what it answered."""
        done = self.run(*words, said=said)
        assert done.returncode == 0, f"gp {' '.join(words)}: {done.stderr}"
        return done.stdout

    def environment(self) -> dict[str, str]:
        """Where their configuration is."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("GROUNDPLANE_")}
        return {**ours, "GROUNDPLANE_CONFIG_DIR": str(self.home)}


@pytest.fixture(scope="module")
def cloud() -> Iterator[Installation]:
    """The installation of this module."""
    with installation() as made:
        made.up("--simulated")
        yield made


@pytest.fixture(scope="module")
def admin(cloud: Installation, tmp_path_factory: pytest.TempPathFactory) -> Person:
    """The first administrator, logged in."""
    told = Credentials.model_validate_json((cloud.layout.root / "admin.json").read_bytes())
    person = Person(tmp_path_factory.mktemp("admin"))
    person.does("login", cloud.endpoints.api, "--email", told.email, "--password-stdin", said=f"{told.password}\n")
    return person


@pytest.fixture(scope="module")
def ann(cloud: Installation, admin: Person, tmp_path_factory: pytest.TempPathFactory) -> Person:
    """An owner of organization acme, logged in, in its only project; with an image and a network."""
    admin.does("organization", "create", "acme")
    admin.does("project", "create", "shop", "--org", "acme")
    password = tmp_path_factory.mktemp("password") / "password"
    password.write_text(PASSWORD)
    admin.does("user", "create", "ann@acme.example", "--name", "Ann", "--password-file", str(password))
    admin.does("role-binding", "create", "owner", "--user", "ann@acme.example", "--org", "acme")
    person = Person(tmp_path_factory.mktemp("ann"))
    login = person.run("login", cloud.endpoints.api, "--email", "ann@acme.example", "--password-stdin", said=f"{PASSWORD}\n")
    assert login.returncode == 0, login.stderr
    assert "Commands are about project acme/shop." in login.stderr
    disk = tmp_path_factory.mktemp("disk") / "tiny.raw"
    disk.write_bytes(IDLE_DISK)
    person.does("image", "create", "tiny", "--file", str(disk))
    person.does("network", "create", "lan", "--wait")
    person.does("subnet", "create", "lan-a", "--network", "lan", "--cidr", "10.1.0.0/24", "--wait")
    return person


def test_a_machine_is_made_looked_at_and_deleted(ann: Person) -> None:
    plan = ann.does("vm", "create", "web", "--image", "tiny", "--network", "lan", "--dry-run")
    assert "+ vm web" in plan
    assert "+ volume web-root" in plan
    made = ann.run("vm", "create", "web", "--image", "tiny", "--network", "lan", "--wait", "-l", "env=prod")
    assert made.stdout.endswith(": active, running\n")
    assert "succeeded" in made.stderr
    assert ann.does("vm", "list", "-l", "env=prod", "-o", "name") == "web\n"
    assert ann.does("vm", "list", "-l", "env=test") == ""
    assert "vm.create succeeded" in ann.does("why", "vm", "web")
    job = ann.does("job", "list", "--resource", "vm/web", "--query", "[0].id").strip()
    assert "succeeded" in ann.does("job", "show", job)
    assert "ms in all" in ann.does("job", "trace", job)
    wait_for(lambda: ann.run("vm", "console-log", "web").stdout, "its console log")
    assert ann.does("vm", "stop", "web", "--wait").endswith(": active, stopped\n")
    assert ann.run("network", "delete", "lan").returncode == 5
    assert ann.does("vm", "delete", "web", "--wait").endswith(": deleted\n")
    assert ann.run("vm", "show", "web").returncode == 3


def test_who_may_not_is_refused(ann: Person) -> None:
    done = ann.run("ops", "host", "list")
    assert (done.returncode, done.stdout) == (4, "")
    assert ann.run("user", "list").returncode == 4


def test_a_quota_is_told(admin: Person, ann: Person) -> None:
    admin.does("ops", "project", "quota", "update", "--secrets", "0", "--project", "acme/shop")
    done = ann.run("secret", "create", "key", "--value-file", "-", said="open sesame")
    assert done.returncode == 6, done.stderr
    admin.does("ops", "project", "quota", "update", "--secrets", "none", "--project", "acme/shop")
    ann.does("secret", "create", "key", "--value-file", "-", said="open sesame")
    assert json.loads(ann.does("secret", "reveal", "key", "-o", "json"))["value"] == "open sesame"


def test_a_device_is_let_in_by_somebody_who_is(cloud: Installation, ann: Person, tmp_path: Path) -> None:
    device = Person(tmp_path)
    argv = [GP, "login", cloud.endpoints.api]
    with subprocess.Popen(argv, env=device.environment(), stderr=subprocess.PIPE, text=True) as login:
        assert login.stderr is not None
        words = [login.stderr.readline() for _ in range(3)]
        ann.does("device", "approve", words[-1].split()[-1])
        assert login.wait(timeout=60) == 0
    assert "ann@acme.example" in device.does("me", "show")


def test_what_changes_is_watched(ann: Person) -> None:
    argv = [GP, "event", "watch", "-o", "json"]
    with subprocess.Popen(argv, env=ann.environment(), stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        for number in range(20):  # until it listens
            ann.does("ssh-key", "create", f"key-{number}", "--public-key", PUBLIC_KEY)
            if select.select([watching.stdout], [], [], 0.5)[0]:
                break
        event = json.loads(watching.stdout.readline())
        watching.send_signal(signal.SIGINT)
        assert watching.wait(timeout=10) == 130
    assert event["data"]["kind"] == "ssh_key"


def test_nobody_waits_after_ctrl_c_and_the_job_goes_on(admin: Person, ann: Person) -> None:
    rule = admin.does(
        "ops", "traffic-rule", "create", "pause", "--reason", "A test.", "--expires-at", "10m", "--query", "id"
    ).strip()
    code, said = typed_then_interrupted(ann, ["vm", "create", "held", "--image", "tiny", "--network", "lan", "--wait"], b"held")
    assert code == 130
    assert b"the job goes on" in said
    assert b"\x1b[31m" in said  # it is a terminal, so there are colours
    watch = said.decode().partition("Watch it: gp ")[2].split()[:3]
    admin.does("ops", "traffic-rule", "delete", rule, "--yes")
    assert ann.does(*watch).endswith("SUCCEEDED\n")
    ann.does("vm", "delete", "held", "--wait")


def typed_then_interrupted(person: Person, words: Sequence[str], until: bytes) -> tuple[int, bytes]:
    """A command on a terminal, interrupted when it said `until`: its exit code, and what the terminal showed."""
    ours, theirs = pty.openpty()
    environment = {**person.environment(), "TERM": "xterm"}
    with subprocess.Popen(
        [GP, *words], env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as process:
        os.close(theirs)
        said, interrupted, deadline = b"", False, time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            said += piece
            if until in said and not interrupted:
                interrupted = True
                process.send_signal(signal.SIGINT)
        os.close(ours)
        return process.wait(timeout=10), said
