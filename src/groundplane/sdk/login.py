"""The ways to log in: password and second factor, device flow (RFC 8628), refresh. Keeps nothing itself."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from groundplane.sdk.calls import Answer, Call
from groundplane.sdk.conversation import LOGIN, REFRESH, TOTP, Conversation
from groundplane.sdk.effects import Ask, Pause, Steps
from groundplane.sdk.errors import ApiError, WaitTimeoutError

if TYPE_CHECKING:
    from groundplane.sdk.records import User
    from groundplane.sdk.session import Session

_DEVICE = "/api/common/v1/auth/device"
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
    user: Mapping[str, Any]

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> "Tokens":
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


def with_password(session: "Session", email: str, password: str) -> Tokens:
    """Log in. Raises ApiError; with code `totp_required` its context has the `challenge` for `with_code`."""
    return Tokens.from_json(session.run(_answer(LOGIN, {"email": email, "password": password})))


def with_code(session: "Session", challenge: str, code: str) -> Tokens:
    """Finish a login by a code of the second factor, or a recovery code. Raises ApiError."""
    return Tokens.from_json(session.run(_answer(TOTP, {"challenge": challenge, "code": code})))


def refreshed(session: "Session", refresh_token: str) -> Tokens:
    """Use a refresh token up. Raises ApiError: 401 when the session is over, or the token came a second time."""
    return Tokens.from_json(session.run(_answer(REFRESH, {"refresh_token": refresh_token})))


def ask_for_device(session: "Session") -> DeviceCodes:
    """Begin the device flow. Raises ApiError."""
    return session.run(_codes())


def wait_for_approval(session: "Session", codes: DeviceCodes) -> Tokens:
    """The tokens, once somebody approved. Raises WaitTimeoutError when the codes expired, ApiError when it was denied."""
    return Tokens.from_json(session.run(_approval(codes)))


def remembered(conversation: Conversation, email: str, password: str, code: str | None) -> "Steps[User]":
    """The user, when the conversation goes on with the tokens of a login."""
    granted = yield from conversation.log_in(email, password, code)
    return _user(granted)


def approved(conversation: Conversation, show: Callable[[DeviceCodes], object]) -> "Steps[User]":
    """The user, when the conversation goes on with the tokens of a device flow."""
    codes = yield from _codes()
    show(codes)
    granted = yield from _approval(codes)
    conversation.keep(granted)
    return _user(granted)


def _codes() -> Steps[DeviceCodes]:
    body = yield from _answer(_DEVICE, {})
    return DeviceCodes(**{name: body[name] for name in DeviceCodes.__dataclass_fields__})


def _approval(codes: DeviceCodes) -> Steps[Any]:
    interval, deadline = codes.interval, time.monotonic() + codes.expires_in
    while time.monotonic() < deadline:
        yield Pause(interval)
        try:
            return (yield from _answer(f"{_DEVICE}/token", {"device_code": codes.device_code}))
        except ApiError as error:
            if error.code == "slow_down":
                interval += _SLOW_DOWN_SECONDS
            elif error.code == "expired_token":
                break
            elif error.code != "authorization_pending":
                raise
    raise WaitTimeoutError(f"Nobody approved the code {codes.user_code} in time.")


def _answer(path: str, body: Mapping[str, Any]) -> Steps[Any]:
    answer: Answer = yield Ask(Call("POST", path, json=body, authenticated=False))
    return json.loads(answer.content)


def _user(granted: Mapping[str, Any]) -> "User":
    import msgspec  # noqa: PLC0415  # who logs in for tokens alone needs no records

    from groundplane.sdk.records import User  # noqa: PLC0415

    return msgspec.convert(granted["user"], User)
