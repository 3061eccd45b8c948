"""The local agent of a whole installation: it enrols itself, renews while it works, is cut off, and comes back when invited."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest
from tests.cloud.installation import Installation, wait_for

from groundplane.dataplane.agent.enrolment import AgentFolder
from groundplane.processes.layout import Layout
from groundplane.processes.migrate import Credentials

LIFETIME_SECONDS = 8


@pytest.fixture
def installation(layout: Layout) -> Iterator[Installation]:
    """One with the simulated data plane and credentials that last for seconds."""
    installation = Installation(layout.root)
    yield installation
    if "admin" in vars(installation):
        installation.admin.close()
    installation.take_away()


def _up(installation: Installation, **settings: str) -> None:
    """Bring it up with these settings."""
    argv = ["up", "--simulated", "--hosts", "1", "--data-dir", str(installation.layout.root), "--port", str(installation.port)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GROUNDPLANE_")}
    command = [sys.executable, "-m", "groundplane.processes.main", *argv]
    done = subprocess.run(command, env={**kept, **settings}, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _log(installation: Installation, event: str) -> list[dict[str, object]]:
    """The agent's log lines of an event."""
    lines = installation.layout.log("agent").read_text().splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{")]
    return [line for line in found if line.get("event") == event]


@pytest.mark.slow
def test_a_local_agent_through_its_life(installation: Installation) -> None:
    _up(installation, GROUNDPLANE_AGENT_CREDENTIAL_SECONDS=str(LIFETIME_SECONDS))
    folder = AgentFolder(installation.layout.root / "agent")
    assert folder.invitation() is None
    networks = installation.tenant("it").networks
    started = installation.ref("agent")
    until = time.monotonic() + 2 * LIFETIME_SECONDS
    number = 0
    while time.monotonic() < until:
        number += 1
        assert networks.create(f"net-{number}", wait=True).status == "active"
    assert len(_log(installation, "agent.renewed")) >= 2
    assert installation.ref("agent") == started, "renewal ends no process"

    assert _ops(installation, "revoke")["was_enrolled"] is True
    wait_for(lambda: _log(installation, "agent.not_enrolled"), "the agent is cut off", 20)
    waiting = networks.create("waiting")
    time.sleep(1)
    assert networks.get(waiting.id).status == "creating"
    folder.invite(str(_ops(installation, "enrolment")["token"]))
    wait_for(lambda: networks.get(waiting.id).status == "active", "an agent works again", 60)


def _ops(installation: Installation, verb: str) -> dict[str, object]:
    """What an operator does with the agent."""
    told = Credentials.model_validate_json((installation.layout.root / "admin.json").read_bytes())
    with httpx.Client(base_url=installation.endpoints.api) as client:
        token = client.post("/api/common/v1/auth/login", json=told.model_dump()).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        answer = client.post(f"/api/ops/v1/agents/agent-1/{verb}", json={} if verb == "enrolment" else None, headers=headers)
        assert answer.is_success, answer.text
        body: dict[str, object] = answer.json()
        return body
