"""Logging in by every way, contexts, and tokens that processes share."""

import json
import stat
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from tests.cli.conftest import TOKEN, Gp
from tests.cli.platform import COMMON, PROJECT, Platform, granted, machine, page, problem, serving

from groundplane.cli import logins
from groundplane.cli.contexts import Context, Credentials, Store

PLACES = {
    "projects": [{"id": "prj_1", "name": "shop", "organization_id": "org_1", "organization_name": "acme"}],
    "organizations": [{"id": "org_1", "name": "acme"}, {"id": "org_2", "name": "zeta"}], "platform": False,
}  # fmt: skip

CODES = {
    "device_code": "d", "user_code": "ABCD-EFGH", "verification_uri": "http://p/device", "expires_in": 600, "interval": 0,
    "verification_uri_complete": "http://p/device?user_code=ABCD-EFGH",
}  # fmt: skip


@pytest.fixture
def open_platform(platform: Platform, store: Store) -> Platform:
    """A platform to which nobody is logged in."""
    store.delete("default")
    platform.on(f"GET {COMMON}/me", {"user": granted("", "")["user"], "service_account": None})
    platform.on(f"GET {COMMON}/me/projects", PLACES)
    platform.on(f"POST {COMMON}/auth/login", granted(TOKEN, "refresh-0"))
    platform.on(f"GET {PROJECT}/vms", page(machine("web")))
    return platform


def test_without_a_login_one_is_told_how(gp: Gp) -> None:
    ended = gp("vm", "list")
    assert (ended.code, ended.err) == (4, "Error: You are not logged in.\nLog in: gp login\n")


def test_a_login_by_password_chooses_the_only_project(
    open_platform: Platform, gp: Gp, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logins, "_secret", lambda _: "correct horse")
    ended = gp("login", open_platform.url, "--email", "ann@acme.example")
    assert ended.code == 0, ended.err
    assert "Commands are about project acme/shop." in ended.err
    assert gp("vm", "list", "-o", "name").out == "web\n"
    assert open_platform.asked[-4].body == {"email": "ann@acme.example", "password": "correct horse"}
    assert stat.S_IMODE((store.directory / "credentials.json").stat().st_mode) == 0o600
    assert TOKEN not in (store.directory / "contexts.json").read_text()


def test_a_login_asks_for_the_second_factor(open_platform: Platform, gp: Gp, monkeypatch: pytest.MonkeyPatch) -> None:
    open_platform.answers[f"POST {COMMON}/auth/login"] = problem(
        401, "totp_required", "Send a code.", context={"challenge": "c"}
    )
    open_platform.on(f"POST {COMMON}/auth/totp", granted(TOKEN, "refresh-0"))
    monkeypatch.setattr(logins, "_secret", lambda _: "correct horse")
    monkeypatch.setattr("click.prompt", lambda *_, **__: "123 456")
    assert gp("login", open_platform.url, "--email", "ann@acme.example").code == 0
    sent = next(each for each in open_platform.asked if each.path.endswith("/totp"))
    assert sent.body == {"challenge": "c", "code": "123456"}


def test_a_login_by_device_shows_where_to_approve(open_platform: Platform, gp: Gp) -> None:
    open_platform.on(f"POST {COMMON}/auth/device", CODES)
    open_platform.on(f"POST {COMMON}/auth/device/token", granted(TOKEN, "refresh-0"))
    ended = gp("login", open_platform.url)
    assert ended.code == 0, ended.err
    assert "Open http://p/device?user_code=ABCD-EFGH" in ended.err
    assert gp("vm", "list", "-o", "name").out == "web\n"
    assert {each.headers["user-agent"] for each in open_platform.asked} == {f"groundplane-cli/{version('groundplane')}"}


def test_a_login_by_device_that_was_kept_out_is_denied(open_platform: Platform, gp: Gp) -> None:
    open_platform.on(f"POST {COMMON}/auth/device", CODES)
    kept_out = problem(400, "access_denied", "The device was kept out. Begin again if that was a mistake.")
    open_platform.answers[f"POST {COMMON}/auth/device/token"] = kept_out
    ended = gp("login", open_platform.url)
    assert (ended.code, "The device was kept out." in ended.err) == (4, True)


@pytest.mark.parametrize(
    ("tty", "display", "url", "opens"),
    [
        (True, ":0", "https://p/console/device", True),
        (True, "", "https://p/console/device", False),
        (False, ":0", "https://p/console/device", False),
        (True, ":0", "file:///etc/passwd", False),
    ],
)
def test_a_login_by_device_opens_the_browser_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, tty: bool, display: str, url: str, opens: bool
) -> None:
    opened: list[str] = []

    def shows(asked: str) -> bool:
        opened.append(asked)
        return True

    monkeypatch.setattr("webbrowser.open", shows)
    monkeypatch.setattr("sys.stderr.isatty", lambda: tty)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.setenv("WAYLAND_DISPLAY", "")
    assert logins._open_browser(url) is opens
    assert opened == ([url] if opens else [])


def test_a_login_by_key_needs_no_session(
    open_platform: Platform, gp: Gp, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logins, "_secret", lambda _: TOKEN)
    assert gp("login", open_platform.url, "--api-key", "--name", "ci").code == 0
    assert store.credentials("ci").api_key == TOKEN
    assert gp("vm", "list", "-o", "name").out == "web\n"


def test_a_login_that_does_not_work_is_not_kept(
    open_platform: Platform, gp: Gp, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logins, "_secret", lambda _: "gp_wrong")
    assert gp("login", open_platform.url, "--api-key").code == 4
    assert store.contexts() == {}


def test_programs_need_no_context(open_platform: Platform, gp: Gp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUNDPLANE_URL", open_platform.url)
    monkeypatch.setenv("GROUNDPLANE_API_KEY", TOKEN)
    monkeypatch.setenv("GROUNDPLANE_PROJECT", "shop")
    assert gp("vm", "list", "-o", "name").out == "web\n"


def test_contexts_are_listed_used_and_deleted(platform: Platform, gp: Gp, store: Store) -> None:
    store.save(Context("other", platform.url, "bo@acme.example"), Credentials(access_token=TOKEN, expires_at=4e9))
    platform.on(f"GET {COMMON}/me/projects", PLACES)
    assert [each["name"] for each in gp("context", "list", "-o", "json").json() if each["current"]] == ["other"]  # type: ignore[attr-defined]
    assert gp("context", "use", "default").code == 0
    assert store.current() == "default"
    assert gp("context", "use", "--org", "zeta").code == 0
    context = store.context()
    assert context.organization is not None
    assert (context.organization.id, context.project) == ("org_2", None)
    assert gp("context", "use", "--project", "acme/shop").code == 0
    assert gp("context", "delete", "other").code == 0
    assert gp("context", "use", "other").code == 2
    assert set(json.loads((store.directory / "credentials.json").read_bytes())) == {"default"}


def test_a_logout_ends_the_session_and_forgets_it(platform: Platform, gp: Gp, store: Store) -> None:
    platform.on(f"POST {COMMON}/auth/logout", {})
    assert gp("logout").code == 0
    assert platform.last("POST").path.endswith("/logout")
    assert store.credentials("default") == Credentials()
    assert gp("vm", "list").code == 4


def test_a_file_that_others_can_read_is_refused(platform: Platform, gp: Gp, store: Store) -> None:
    (store.directory / "credentials.json").chmod(0o644)
    ended = gp("vm", "list")
    assert ended.code == 2
    assert "chmod 600" in ended.err
    assert platform.asked == []


def test_a_file_that_is_broken_is_told(store: Store, gp: Gp) -> None:
    store.directory.mkdir()
    (store.directory / "contexts.json").write_text("{")
    assert "cannot be read" in gp("vm", "list").err


def test_an_expired_token_is_renewed_and_kept(platform: Platform, gp: Gp, store: Store) -> None:
    platform.refresh_tokens = {"refresh-0"}
    platform.on(f"GET {PROJECT}/vms", page())
    store.save(store.context(), Credentials("old", "refresh-0", expires_at=1.0))
    assert gp("vm", "list").code == 0
    assert store.credentials("default").refresh_token == "refresh-1"
    platform.tokens.clear()  # as a revocation does
    platform.refresh_tokens.clear()
    assert gp("vm", "list").code == 4


def test_processes_at_once_use_a_refresh_token_once(platform: Platform, store: Store, tmp_path: Path) -> None:
    platform.refresh_tokens = {"refresh-0"}
    platform.on(f"GET {PROJECT}/vms", page(machine("web")))
    store.save(store.context(), Credentials("old", "refresh-0", expires_at=1.0))
    command = [sys.executable, "-m", "groundplane.cli", "vm", "list", "-o", "name"]
    environment = {"GROUNDPLANE_CONFIG_DIR": str(store.directory), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) for _ in range(6)]
    said = [each.communicate(timeout=60)[0] for each in running]
    assert said == [b"web\n"] * 6
    assert (platform.refreshes, platform.reused) == (1, 0)


def test_half_a_file_is_never_read(store: Store) -> None:
    store.save(Context("a", "http://127.0.0.1:1"), Credentials(api_key="k"))
    before = (store.directory / "contexts.json").read_bytes()
    with pytest.raises(TypeError), store.locked():
        store._write("contexts.json", {"a": object()})
    assert (store.directory / "contexts.json").read_bytes() == before
    assert [each.name for each in store.directory.glob(".*")] == []


def test_secrets_are_in_no_text_about_credentials() -> None:
    assert "secret" not in repr(Credentials("secret", "secret", 1.0, "secret"))


def test_plain_http_to_elsewhere_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    assert logins._checked("cloud.example.org/") == "https://cloud.example.org"
    assert logins._checked("localhost:8700") == "http://localhost:8700"
    assert logins._checked("http://10.0.0.1:8700") == "http://10.0.0.1:8700"
    assert "in the clear" in capsys.readouterr().err


def test_a_served_platform_refuses_what_it_does_not_know() -> None:
    platform = Platform()
    with serving(platform):
        assert platform.url.startswith("http://127.0.0.1:")
