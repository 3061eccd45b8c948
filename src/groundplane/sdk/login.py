"""The ways to log in: password and second factor, device flow (RFC 8628), refresh. Keeps nothing."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from groundplane.sdk.errors import ApiError, WaitTimeoutError
from groundplane.sdk.records import Json
from groundplane.sdk.session import LOGIN, REFRESH, Call, Session

_AUTH = "/api/common/v1/auth"
_SLOW_DOWN_SECONDS = 5.0
"""How much longer to wait between polls after each `slow_down` (RFC 8628, 3.5)."""


@dataclass(frozen=True)
class Tokens:
    """An access token, good until `expires_at` (seconds since 1970, by this machine's clock), and what gets the next one.

    The refresh token is good once: keep the one that came with the last answer. `user` is who logged in.
    """

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_at: float
    user: Json

    @classmethod
    def from_json(cls, body: Json) -> "Tokens":
        """Tokens as answered."""
        expires_at = time.time() + float(body["expires_in"])
        return cls(body["access_token"], body.get("refresh_token"), expires_at, body["user"])


@dataclass(frozen=True)
class DeviceCodes:
    """What a person is shown, who approves elsewhere: a code, and where to type it. Good for `expires_in` seconds."""

    device_code: str = field(repr=False)
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_in: float
    interval: float


def with_password(session: Session, email: str, password: str) -> Tokens:
    """Log in. Raises ApiError; with code `totp_required` its context has the `challenge` for `with_code`."""
    return _tokens(session, LOGIN, {"email": email, "password": password})


def with_code(session: Session, challenge: str, code: str) -> Tokens:
    """Finish a login by a code of the second factor, or a recovery code. Raises ApiError."""
    return _tokens(session, f"{_AUTH}/totp", {"challenge": challenge, "code": code})


def refreshed(session: Session, refresh_token: str) -> Tokens:
    """Use a refresh token up. Raises ApiError: 401 when the session is over, or the token came a second time."""
    return _tokens(session, REFRESH, {"refresh_token": refresh_token})


def ask_for_device(session: Session) -> DeviceCodes:
    """Begin the device flow. Raises ApiError."""
    body = session.json(Call("POST", f"{_AUTH}/device", json={}, authenticated=False))
    return DeviceCodes(**{name: body[name] for name in DeviceCodes.__dataclass_fields__})


def wait_for_approval(session: Session, codes: DeviceCodes, sleep: Callable[[float], None] = time.sleep) -> Tokens:
    """The tokens, once somebody approved. Raises WaitTimeoutError when the codes expired, ApiError when it was denied."""
    interval, deadline = codes.interval, time.monotonic() + codes.expires_in
    while time.monotonic() < deadline:
        sleep(interval)
        try:
            return _tokens(session, f"{_AUTH}/device/token", {"device_code": codes.device_code})
        except ApiError as error:
            if error.code == "slow_down":
                interval += _SLOW_DOWN_SECONDS
            elif error.code == "expired_token":
                break
            elif error.code != "authorization_pending":
                raise
    raise WaitTimeoutError(f"Nobody approved the code {codes.user_code} in time.")


def _tokens(session: Session, path: str, body: Json) -> Tokens:
    return Tokens.from_json(session.json(Call("POST", path, json=body, authenticated=False)))
