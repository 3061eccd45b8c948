"""What commands ask of the platform, and what people and programs see of its answers."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Gp
from tests.cli.golden import golden
from tests.cli.platform import AT, COMMON, PROJECT, Platform, job, machine, page, problem

from groundplane.sdk.retries import Retries

VMS = f"{PROJECT}/vms"
PLAN = {
    "dry_run": True, "status": 202, "created_count": 1, "changed_count": 0, "changed": [], "jobs_count": 1,
    "created": [{"id": "vm_web", "kind": "vm", "name": "web", "host_id": "hst_1", "host_name": "host-1",
                 "changes": {"status": "creating", "spec": {"vcpus": 1}}}],
    "jobs": [{"workflow": "vm.create", "resource_id": "vm_web", "steps": ["create", "done"]}],
    "quota": {"vcpus": {"used": 0, "after": 1, "limit": 10}},
    "organization_quota": {"vms": {"used": 0, "after": 1, "limit": None}},
}  # fmt: skip
TRACE = {
    "job_id": "job_1", "trace_id": "t", "state": "kept", "sentence": "Made of 2 spans.", "source": "spans", "started_at": AT,
    "duration_ms": 100.0, "truncated": False,
    "spans": [{"span_id": "a", "name": "POST /vms", "service": "api", "start_ms": 0, "duration_ms": 60.0, "status": "ok",
               "error": None, "attributes": {}, "children": [
                   {"span_id": "b", "name": "ensure vm", "service": "agent", "start_ms": 50.0, "duration_ms": 50.0,
                    "status": "error", "error": "timeout", "attributes": {}, "children": []}]}],
}  # fmt: skip
WHY: dict[str, Any] = {
    "name": "web", "resource": None, "summary": "active: job_1 succeeded.", "more": False,
    "entries": [{"at": AT, "what": "created", "who": "usr_1", "job_id": None, "step": None, "sentence": "Made.", "detail": {}}],
}  # fmt: skip
QUOTA = {
    "organization_id": "org_1", "project_id": "prj_1",
    "dimensions": {"vms": {"used": 2, "limit": 2, "own": True}, "vcpus": {"used": 2, "limit": None, "own": False}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("help-vm-create", ["vm", "create"]), ("help-login", ["login"]), ("help-job-watch", ["job", "watch"]),
        ("help-security-group-create", ["security-group", "create"]), ("help-completion", ["completion"]),
    ],
)  # fmt: skip
def test_help_is_as_it_was_agreed(gp: Gp, name: str, words: list[str]) -> None:
    golden(name, gp(*words, "--help").out)


@pytest.mark.parametrize(
    ("name", "what", "answer", "words"),
    [
        ("vm-list", "GET " + VMS, page(machine("web"), machine("db", status="error", observed={})), ["vm", "list"]),
        ("vm-list-wide", "GET " + VMS, page(machine("web")), ["vm", "list", "-o", "wide"]),
        ("vm-show", "GET " + VMS + "/web", machine("web"), ["vm", "show", "web"]),
        ("vm-show-yaml", "GET " + VMS + "/web", machine("web"), ["vm", "show", "web", "-o", "yaml"]),
        ("vm-why", "GET " + VMS + "/web/why", WHY, ["why", "vm", "web"]),
        ("job-show", "GET " + PROJECT + "/jobs/job_1", job(), ["job", "show", "job_1"]),
        ("job-trace", "GET " + PROJECT + "/jobs/job_1/trace", TRACE, ["job", "trace", "job_1"]),
        ("quota", "GET " + PROJECT + "/quota", QUOTA, ["quota", "show"]),
        ("plan", "DELETE " + VMS + "/web", PLAN, ["vm", "delete", "web", "--dry-run"]),
    ],
)  # fmt: skip
def test_answers_are_shown_as_it_was_agreed(
    platform: Platform, gp: Gp, name: str, what: str, answer: Any, words: list[str]
) -> None:
    platform.on(what, answer)
    ended = gp(*words)
    assert (ended.code, ended.err) == (0, "")
    golden(name, ended.out)


def test_a_list_says_what_it_is_filtered_by_and_goes_through_all_pages(platform: Platform, gp: Gp) -> None:
    platform.on("GET " + VMS, page(machine("web")))
    ended = gp("vm", "list", "-l", "env=prod", "--label", "!old", "--created-after", "2026-01-01T00:00:00Z", "-o", "name")
    assert ended.out == "web\n"
    assert platform.last("GET").query == {
        "label": "env=prod,!old", "created_after": "2026-01-01T00:00:00+00:00", "limit": "200",
    }  # fmt: skip


def test_a_create_says_the_request_in_humane_words(platform: Platform, gp: Gp, tmp_path: Path) -> None:
    platform.on("POST " + VMS, machine("web", status="creating"), 202)
    (tmp_path / "init").write_text("#!/bin/sh\n")
    ended = gp(
        "vm", "create", "web", "--image", "tiny", "--network", "lan", "--nic", "network=dmz,security_groups=ssh+web",
        "--ssh-key", "ann", "-l", "env=prod", "--set", "hostname=w", "--user-data-file", str(tmp_path / "init"),
        "--idempotency-key", "k",
    )  # fmt: skip
    assert (ended.code, ended.out) == (0, "vm web (vm_web): creating\n")
    sent = platform.last("POST")
    assert sent.headers["idempotency-key"] == "k"
    assert sent.body == {
        "name": "web",
        "labels": {"env": "prod"},
        "spec": {
            "vcpus": 1, "memory_mib": 512, "root_volume": {"image": "tiny", "size_gib": 10}, "hostname": "w",
            "nics": [{"network": "dmz", "security_groups": ["ssh", "web"]}, {"network": "lan"}],
            "ssh_keys": ["ann"], "user_data": "#!/bin/sh",
        },
    }  # fmt: skip


def test_rules_are_said_in_a_word(platform: Platform, gp: Gp) -> None:
    platform.on(f"POST {PROJECT}/security-groups", {**machine("ssh"), "kind": "security_group", "observed": {}}, 201)
    words = [
        "--ingress",
        "tcp/22",
        "--ingress",
        "tcp/80-90@10.0.0.0/8",
        "--egress",
        "any",
        "--rule",
        "direction=ingress,remote=self",
    ]
    assert gp("security-group", "create", "ssh", *words).code == 0
    assert platform.last("POST").body["spec"]["rules"] == [
        {"direction": "ingress", "remote": "self"},
        {"direction": "ingress", "protocol": "tcp", "port_min": 22, "port_max": 22},
        {"direction": "ingress", "protocol": "tcp", "port_min": 80, "port_max": 90, "remote": "10.0.0.0/8"},
        {"direction": "egress", "protocol": "any"},
    ]
    assert "is not PROTOCOL" in gp("security-group", "create", "ssh", "--ingress", "22").err


def test_a_default_beside_what_was_not_said_is_none(platform: Platform, gp: Gp) -> None:
    platform.on("POST " + VMS, machine("web"), 202)
    assert gp("vm", "create", "web", "--root-volume", "old").code == 0
    assert platform.last("POST").body["spec"]["root_volume"] == {"volume": "old"}


def test_a_request_comes_from_a_file_and_is_changed_by_what_is_typed(platform: Platform, gp: Gp, tmp_path: Path) -> None:
    platform.on(f"POST {PROJECT}/volumes", {**machine("d"), "kind": "volume"}, 202)
    (tmp_path / "spec.yaml").write_text("size_gib: 2\nimage: tiny\n")
    assert gp("volume", "create", "d", "--from-file", str(tmp_path / "spec.yaml"), "--set", "size_gib=3").code == 0
    assert platform.last("POST").body == {"name": "d", "spec": {"size_gib": 3, "image": "tiny"}}


def test_what_the_api_wants_and_nobody_said_is_asked_for(platform: Platform, gp: Gp) -> None:
    ended = gp("volume", "create", "d")
    assert (ended.code, ended.err) == (2, "Error: --size-gib is missing.\nSay it. See: gp volume create --help\n")
    assert platform.asked == []


def test_a_wait_shows_the_steps_and_then_what_became_of_it(platform: Platform, gp: Gp) -> None:
    reference = {"id": "job_1", "state": "PENDING", "href": f"{PROJECT}/jobs/job_1"}
    platform.on("POST " + VMS, machine("web", status="creating", job=reference), 202)
    platform.on(f"GET {PROJECT}/jobs/job_1", job())
    platform.on(f"GET {VMS}/vm_web", machine("web"))
    ended = gp("vm", "create", "web", "--image", "tiny", "--wait")
    assert (ended.code, ended.out) == (0, "vm web (vm_web): active, running\n")
    assert ended.err == "  12:00:00  create: asked · ensure vm\n  12:00:00  done: succeeded\n"


def test_a_failed_job_is_told_with_its_own_sentence(platform: Platform, gp: Gp) -> None:
    reference = {"id": "job_1", "state": "PENDING", "href": f"{PROJECT}/jobs/job_1"}
    platform.on("POST " + VMS + "/web/stop", machine("web", job=reference), 202)
    error = {"code": "engine_error", "fault_class": "permanent", "message": "The disk is gone."}
    platform.on(f"GET {PROJECT}/jobs/job_1", job("FAILED", error=error, steps=[]))
    ended = gp("vm", "stop", "web", "--wait")
    assert ended.code == 1
    assert ended.err == "Error: Job job_1 failed: The disk is gone.\nSee what happened: gp job show job_1\n"


def test_a_job_that_was_to_be_cancelled_and_is_has_not_failed(platform: Platform, gp: Gp) -> None:
    error = {"code": "cancelled", "fault_class": "permanent", "message": "It was cancelled."}
    for method, verb in (("POST", "/cancel"), ("GET", "")):
        platform.on(f"{method} {PROJECT}/jobs/job_1{verb}", job("FAILED", error=error))
    assert gp("job", "cancel", "job_1", "--wait").code == 0
    assert gp("job", "watch", "job_1").code == 1


def test_what_was_deleted_is_restored_by_its_name(platform: Platform, gp: Gp) -> None:
    projects = f"{COMMON}/organizations/org_1/projects"
    platform.on(f"GET {projects}", page({"id": "prj_9", "name": "old"}, {"id": "prj_8", "name": "older"}))
    platform.on(f"POST {projects}/prj_9/restore", {**machine("old"), "kind": "project", "observed": {}})
    assert gp("project", "restore", "old").code == 0
    assert next(each for each in platform.asked if each.path == projects).query["deleted"] == "true"


def test_a_wait_that_takes_too_long_says_how_to_go_on(platform: Platform, gp: Gp) -> None:
    platform.on(f"GET {PROJECT}/jobs/job_1", job("RUNNING", steps=[]))
    ended = gp("job", "watch", "job_1", "--timeout", "0")
    assert ended.code == 8
    assert ended.err.endswith("It goes on; watch it: gp job watch job_1\n")


@pytest.mark.parametrize(
    ("status", "code", "ends"),
    [
        (401, "token_expired", 4), (403, "forbidden", 4), (404, "not_found", 3), (409, "name_taken", 5),
        (409, "quota_exceeded", 6), (422, "invalid_request", 2), (429, "rate_limited", 6), (500, "internal", 7),
    ],
)  # fmt: skip
def test_refusals_have_exit_codes_of_their_own(platform: Platform, gp: Gp, status: int, code: str, ends: int) -> None:
    platform.answers["GET " + VMS] = problem(status, code, "It is so. Do that.")
    platform.refresh_tokens.clear()
    ended = gp("vm", "list")
    assert ended.code == ends
    assert ended.err.startswith("Error: ")
    assert len(ended.err.splitlines()) == 2


def test_bad_fields_are_told_at_their_places(platform: Platform, gp: Gp) -> None:
    errors = [{"pointer": "/spec/vcpus", "detail": "at least 1"}]
    platform.answers["POST " + VMS] = problem(422, "invalid_request", "The request is not valid. Mend it.", errors=errors)
    assert gp("vm", "create", "web").err == "Error: The request is not valid.\n  /spec/vcpus: at least 1\nMend it.\n"


def test_a_platform_that_is_away_is_told(platform: Platform, gp: Gp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groundplane.sdk.session.Retries", lambda: Retries(budget=0.0))
    monkeypatch.setenv("GROUNDPLANE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("GROUNDPLANE_API_KEY", "gp_x")
    ended = gp("vm", "list", "--project", "prj_" + "0" * 26)
    assert ended.code == 7
    assert "cannot be reached" in ended.err


def test_names_become_ids_where_the_api_knows_ids_only(platform: Platform, gp: Gp) -> None:
    platform.on(f"GET {COMMON}/organizations/org_1/groups", page({"id": "grp_1", "name": "admins"}))
    platform.on(f"GET {COMMON}/users", page({"id": "usr_2", "email": "bo@acme.example"}))
    platform.on(f"DELETE {COMMON}/organizations/org_1/groups/grp_1/members/usr_2", {"user_id": "usr_2"})
    ended = gp("group", "member", "remove", "admins", "bo@acme.example")
    assert ended.code == 0, ended.err
    assert gp("group", "member", "remove", "nobody", "bo@acme.example").code == 3


def test_what_uses_something_is_asked_by_kind_and_name(platform: Platform, gp: Gp) -> None:
    platform.on(f"GET {PROJECT}/networks/lan", {"id": "net_1"})
    platform.on(f"GET {PROJECT}/ports", page())
    assert gp("port", "list", "--uses", "network/lan").err == "There is nothing.\n"
    assert platform.last("GET").query["uses"] == "net_1"


def test_another_project_is_found_by_its_name(platform: Platform, gp: Gp) -> None:
    places = [
        {"id": "prj_2", "name": "web", "organization_id": "org_1", "organization_name": "acme"},
        {"id": "prj_3", "name": "web", "organization_id": "org_2", "organization_name": "zeta"},
    ]
    platform.on(f"GET {COMMON}/me/projects", {"projects": places, "organizations": [], "platform": False})
    for project in ("prj_2", "prj_3"):
        platform.on(f"GET /api/tenant/v1/projects/{project}/vms", page(machine(project.replace("_", "-"))))
    assert gp("vm", "list", "--project", "web", "-o", "name").out == "prj-2\n"
    assert gp("vm", "list", "--project", "zeta/web", "-o", "name").out == "prj-3\n"
    assert gp("vm", "list", "--project", "nothing").code == 3


def test_changes_are_watched_and_what_was_missed_is_told(platform: Platform, gp: Gp, monkeypatch: pytest.MonkeyPatch) -> None:
    common = {"id": "vm_web", "revision": 1, "at": AT}
    change = {
        **common,
        "entity": "resource",
        "kind": "vm",
        "name": "web",
        "status": "active",
        "deleted": False,
        "changed_by": "usr_1",
    }
    step = {**common, "entity": "job", "kind": "job", "workflow": "vm.create", "state": "RUNNING", "step": "create"}
    told = "".join(
        f"id: {cursor}\nevent: {event}\ndata: {json.dumps(data)}\n\n"
        for cursor, event, data in (("a", "reset", {}), ("b", "resource", change), ("c", "job", step))
    )
    platform.on(f"GET {PROJECT}/events", told.encode())

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("groundplane.sdk.session.time.sleep", interrupted)
    ended = gp("event", "watch", "--since", "old")
    assert ended.code == 130
    assert ended.out.splitlines() == [
        "Some changes were missed: list again what you look at.",
        "12:00:00  vm web: active by usr_1",
        "12:00:00  job vm_web: vm.create RUNNING at create",
    ]
    assert platform.last("GET").headers["last-event-id"] == "old"


def test_a_query_picks(platform: Platform, gp: Gp) -> None:
    platform.on("GET " + VMS, page(machine("web"), machine("db")))
    assert gp("vm", "list", "--query", "[].name").out == "web\ndb\n"
    assert gp("vm", "list", "--query", "[].[name, spec.vcpus]").out == "web\t2\ndb\t2\n"
    assert gp("vm", "list", "--query", "[].{N: name}").out == "N\nweb\ndb\n"
    assert gp("vm", "list", "--query", "length(@)").out == "2\n"
    assert gp("vm", "list", "--query", "[").code == 2


def test_names_that_would_drive_a_terminal_do_not(platform: Platform, gp: Gp) -> None:
    evil = "\x1b]0;owned\x07\u202e\x9b31m"
    platform.on("GET " + VMS, page(machine("web", labels={"a": evil}, name=evil)))
    for form in ("table", "wide", "json", "yaml", "name"):
        out = gp("vm", "list", "-o", form).out
        assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(out), form


def test_a_console_log_is_told_as_it_is_to_programs(platform: Platform, gp: Gp) -> None:
    platform.on(f"GET {VMS}/web/console-log", b"boot\r\n\x1b[31mred")
    assert gp("vm", "console-log", "web").out == "boot\n\x1b[31mred".replace("\n", "\r\n")


def test_an_image_is_sent_as_it_is(platform: Platform, gp: Gp, tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(b"disk")
    platform.on(f"POST {PROJECT}/images", {**machine("tiny"), "kind": "image", "observed": {}}, 201)
    ended = gp("image", "create", "tiny", "--file", str(tmp_path / "disk"), "-l", "os=linux")
    assert ended.out == "image tiny (vm_tiny): active\n"
    assert platform.last("POST").body == b"disk"
    assert platform.last("POST").query == {"name": "tiny", "labels": "os=linux"}
    assert gp("image", "create", "tiny", "--file", str(tmp_path / "none")).code == 2


def test_what_was_made_and_is_told_once_is_shown(platform: Platform, gp: Gp) -> None:
    platform.on(f"POST {COMMON}/me/api-keys", {"id": "key_1", "name": "ci", "token": "gp_secret"}, 201)
    assert "gp_secret" in gp("me", "api-key", "create", "ci", "--expires-at", "7d").out
    assert platform.last("POST").body["expires_at"] > "2026"


def test_a_limit_is_taken_away(platform: Platform, gp: Gp) -> None:
    platform.on("PATCH /api/ops/v1/projects/prj_1/quota", QUOTA)
    assert gp("ops", "project", "quota", "update", "--vcpus", "none", "--vms", "3").code == 0
    assert platform.last("PATCH").body == {"vcpus": None, "vms": 3}


def test_colours_are_for_terminals_alone(platform: Platform, gp: Gp) -> None:
    platform.on("GET " + VMS, page(machine("web")))
    assert "\x1b" not in gp("vm", "list").out


def test_the_version_is_told(gp: Gp) -> None:
    assert gp("--version").out == "gp 0.1.0\n"
