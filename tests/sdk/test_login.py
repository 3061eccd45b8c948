"""Logging in by code and by device, and tokens that are kept elsewhere."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from fastapi.responses import JSONResponse
from tests.sdk.platform import AT, PASSWORD, Platform, problem

from groundplane.sdk import ApiError, Client, WaitTimeoutError, login
from groundplane.sdk.session import Call, Session

CODES = {
    "device_code": "d", "user_code": "ABCD-EFGH", "verification_uri": "http://p/device",
    "verification_uri_complete": "http://p/device?user_code=ABCD-EFGH", "expires_in": 600, "interval": 5,
}  # fmt: skip
GRANTED = {"access_token": "t", "refresh_token": "r", "expires_in": 900, "user": {"id": "usr_1"}}
USER = {"id": "usr_1", "email": "a@example.org", "name": "A", "disabled_at": None, "created_at": AT}
LOGGED_IN = {**GRANTED, "user": USER}


@pytest.fixture
def session(platform: Platform) -> Iterator[Session]:
    """A conversation without a token."""
    session = Session(platform.url)
    yield session
    session.close()


def test_a_second_factor_is_asked_for_by_a_challenge(platform: Platform, session: Session) -> None:
    platform.script = [problem(401, "totp_required", "Send a code.", context={"challenge": "c"}), JSONResponse(GRANTED)]
    with pytest.raises(ApiError) as refused:
        login.with_password(session, "a@example.org", PASSWORD)
    tokens = login.with_code(session, refused.value.context["challenge"], "123456")
    assert (tokens.access_token, tokens.refresh_token) == ("t", "r")
    assert "'t'" not in repr(tokens)


def test_a_device_polls_until_it_is_approved_and_slows_down_when_told(
    platform: Platform, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.script = [
        JSONResponse(CODES), problem(400, "authorization_pending", "Not yet."), problem(400, "slow_down", "Slower."),
        JSONResponse(GRANTED),
    ]  # fmt: skip
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    codes = login.ask_for_device(session)
    assert login.wait_for_approval(session, codes).access_token == "t"
    assert slept == [5, 5, 10]


@pytest.mark.parametrize(("code", "error"), [("access_denied", ApiError), ("expired_token", WaitTimeoutError)])
def test_a_device_that_is_not_let_in_is_told(platform: Platform, session: Session, code: str, error: type[Exception]) -> None:
    codes_at_once = {**CODES, "interval": 0}
    platform.script = [JSONResponse(codes_at_once), problem(400, code, "No.")]
    codes = login.ask_for_device(session)
    with pytest.raises(error):
        login.wait_for_approval(session, codes)


def test_tokens_that_are_kept_elsewhere_are_asked_for_when_one_is_refused(platform: Platform) -> None:
    platform.tokens = {"good"}
    asked: list[str | None] = []

    def renewal(_: Session, refused: str | None) -> str | None:
        asked.append(refused)
        return "good" if refused else "stale"

    with closing(Session(platform.url, renewal=renewal)) as session:
        session.json(Call("GET", "/api/tenant/v1/projects/prj_1/jobs/job_1"))
    assert asked == [None, "stale"]


def test_without_another_token_the_refusal_is_told(platform: Platform) -> None:
    session = Session(platform.url, "stale", renewal=lambda _session, _refused: None)
    with closing(session), pytest.raises(ApiError, match="token_expired"):
        session.json(Call("GET", "/api/tenant/v1/projects/prj_1/jobs/job_1"))


def test_a_refresh_token_is_enough_to_begin_with(platform: Platform) -> None:
    platform.refresh_tokens = {"kept"}
    with Client(platform.url, refresh_token="kept") as client:
        assert client.tenant("prj_1").vms.get("vm_a").name == "a"
    assert (platform.logins, platform.refreshes) == (0, 1)


def test_a_login_with_a_second_factor_keeps_no_password(platform: Platform) -> None:
    platform.script = [problem(401, "totp_required", "Send a code.", context={"challenge": "c"}), JSONResponse(LOGGED_IN)]
    with Client(platform.url) as client:
        assert client.login("a@example.org", PASSWORD, "123456").id == "usr_1"
        assert [path for _, path, _ in platform.requests] == [f"/api/common/v1/auth/{each}" for each in ("login", "totp")]
        platform.script = [
            problem(401, "token_expired", "Log in again."),
            problem(401, "invalid_refresh_token", "Log in again."),
        ]
        with pytest.raises(ApiError, match="token_expired"):
            client.tenant("prj_1").vms.get("a")


def test_a_client_goes_on_as_whoever_approved_its_device(platform: Platform) -> None:
    platform.tokens = {"t"}
    platform.script = [
        JSONResponse({**CODES, "interval": 0}),
        problem(400, "authorization_pending", "Not yet."),
        JSONResponse(LOGGED_IN),
    ]
    shown: list[str] = []
    with Client(platform.url) as client:
        user = client.login_by_device(lambda codes: shown.append(codes.user_code))
        assert (user.id, shown) == ("usr_1", ["ABCD-EFGH"])
        assert client.tenant("prj_1").vms.get("vm_a").name == "a"
