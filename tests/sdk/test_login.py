"""Logging in by code and by device, and tokens that are kept elsewhere."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from fastapi.responses import JSONResponse
from tests.sdk.platform import PASSWORD, Platform, problem

from groundplane.sdk import ApiError, WaitTimeoutError, login
from groundplane.sdk.session import Call, Session

CODES = {
    "device_code": "d", "user_code": "ABCD-EFGH", "verification_uri": "http://p/device",
    "verification_uri_complete": "http://p/device?user_code=ABCD-EFGH", "expires_in": 600, "interval": 5,
}  # fmt: skip
GRANTED = {"access_token": "t", "refresh_token": "r", "expires_in": 900, "user": {"id": "usr_1"}}


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
