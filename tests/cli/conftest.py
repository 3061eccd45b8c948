"""The command line as a person of a test types it: a configuration of their own, and a small platform that answers."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.cli.platform import Platform, serving

from groundplane.cli.contexts import Context, Credentials, Place, Store
from groundplane.cli.main import run

RUNNING = {"up": "Start everything on this machine."}
TOKEN = "token-0"


@dataclass(frozen=True)
class Ended:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    def json(self) -> object:
        """Standard output as JSON."""
        return json.loads(self.out)


Gp = Callable[..., Ended]


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An empty configuration, and nothing in the environment."""
    for name in ("CONTEXT", "URL", "API_KEY", "PROJECT", "ORGANIZATION"):
        monkeypatch.delenv(f"GROUNDPLANE_{name}", raising=False)
    monkeypatch.setenv("GROUNDPLANE_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Store(tmp_path / "config")


@pytest.fixture
def gp(capfd: pytest.CaptureFixture[str]) -> Gp:
    """Type a command."""

    def typed(*arguments: str) -> Ended:
        capfd.readouterr()
        code = run(arguments, "gp", RUNNING)
        out, err = capfd.readouterr()
        return Ended(code, out, err)

    return typed


@pytest.fixture
def platform(store: Store) -> Iterator[Platform]:
    """A served platform, to which one is logged in, in project shop of organization acme."""
    platform = Platform(tokens={TOKEN})
    with serving(platform):
        context = Context("default", platform.url, "ann@acme.example", Place("org_1", "acme"), Place("prj_1", "shop"))
        store.save(context, Credentials(access_token=TOKEN, expires_at=4e9))
        yield platform
