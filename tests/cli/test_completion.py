"""What shells offer after Tab."""

import shutil
import subprocess
from collections.abc import Callable

import pytest
from tests.cli.conftest import Gp
from tests.cli.platform import COMMON, PROJECT, Platform, machine, page

from groundplane.cli.completion import SHELLS

Offered = Callable[[str], list[str]]


@pytest.fixture
def offered(gp: Gp, monkeypatch: pytest.MonkeyPatch) -> Offered:
    """What is offered for the last word of a line."""

    def ask(line: str) -> list[str]:
        monkeypatch.setenv("_GP_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
        ended = gp()
        assert ended.err == ""
        return [each.partition(",")[2] for each in ended.out.splitlines() if each]

    return ask


def test_words_and_options_are_offered_without_a_platform(offered: Offered) -> None:
    assert offered("gp vm sh") == ["show"]
    assert {"vm", "volume"} <= set(offered("gp v"))
    assert offered("gp ops ho") == ["host", "host-health"]
    assert "--image" in offered("gp vm create web --im")
    assert offered("gp vm list -o js") == ["json"]
    assert offered("gp why ho") == ["host"]
    assert offered("gp u") == ["user", "up"]


def test_names_and_ids_are_offered(platform: Platform, offered: Offered) -> None:
    platform.on(f"GET {PROJECT}/vms", page(machine("web"), machine("db")))
    assert offered("gp vm show w") == ["web"]
    assert platform.last("GET").query["name_prefix"] == "w"
    assert offered("gp vm show vm_d") == ["vm_db"]
    assert offered("gp why vm w") == ["web"]
    platform.on(f"GET {PROJECT}/networks", page({"id": "net_1", "name": "lan"}))
    assert offered("gp vm create x --network l") == ["lan"]
    assert offered("gp port list --uses network/l") == ["network/lan"]
    platform.on(
        f"GET {COMMON}/organizations/org_1/groups/grp_00000000000000000000000000/members", page({"email": "bo@acme.example"})
    )
    platform.on(f"GET {COMMON}/users", page({"id": "usr_1", "email": "bo@acme.example"}))
    assert offered("gp group member remove grp_00000000000000000000000000 b") == ["bo@acme.example"]


def test_projects_and_contexts_are_offered(platform: Platform, offered: Offered) -> None:
    place = {"id": "prj_1", "name": "shop", "organization_id": "org_1", "organization_name": "acme"}
    platform.on(f"GET {COMMON}/me/projects", {"projects": [place], "organizations": [{"id": "org_1", "name": "acme"}]})
    assert offered("gp vm list --project s") == ["shop"]
    assert offered("gp vm list --org a") == ["acme"]
    assert offered("gp context use d") == ["default"]


def test_a_platform_that_refuses_offers_nothing(platform: Platform, offered: Offered) -> None:
    assert offered("gp vm show w") == []
    assert platform.last("GET").path == f"{PROJECT}/vms"


def test_a_platform_that_does_not_answer_holds_up_nobody(
    platform: Platform, offered: Offered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("groundplane.cli.completion.SECONDS", 0.1)
    platform.on(f"GET {PROJECT}/vms", page(machine("web")))
    with platform.lock:
        assert offered("gp vm show w") == []


@pytest.mark.parametrize("shell", SHELLS)
def test_shells_understand_what_they_are_told(gp: Gp, shell: str) -> None:
    ended = gp("completion", shell)
    assert ended.code == 0
    assert "_GP_COMPLETE" in ended.out
    program = shutil.which(shell)
    if program is not None:
        assert subprocess.run([program, "-n"], input=ended.out, text=True, check=False).returncode == 0
