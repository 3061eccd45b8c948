"""One caller's conversation with the platform: sends requests until they are answered, keeps the access token fresh."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from groundplane.sdk.calls import Answer, Call
from groundplane.sdk.effects import Alone, Pause, Renew, Send, Steps
from groundplane.sdk.errors import ApiError, ConnectionFailedError
from groundplane.sdk.retries import Retries

LOGIN = "/api/common/v1/auth/login"
TOTP = "/api/common/v1/auth/totp"
REFRESH = "/api/common/v1/auth/refresh"

_RENEW_BEFORE_SECONDS = 30.0


@dataclass(frozen=True)
class Credentials:
    """What a login is made of again when a session is over."""

    email: str
    password: str = field(repr=False)


class Conversation:
    """Knows the tokens, and what to send next; sends nothing. Credentials and tokens are kept in memory alone.

    `kept_elsewhere`: whoever keeps the tokens is asked for another when one is refused.
    """

    def __init__(
        self, token: str | None, refresh_token: str | None, retries: Retries | None, *, kept_elsewhere: bool = False
    ) -> None:
        self.retries = retries or Retries()
        self.token = token
        self._kept_elsewhere = kept_elsewhere
        self._renew_at: float | None = None
        self._refresh_token = refresh_token
        self._credentials: Credentials | None = None

    def __repr__(self) -> str:
        """No secret is in it."""
        return f"<{type(self).__name__} {'with' if self.token else 'without'} a token>"

    def exchange(self, call: Call, key: str | None = None, retries: Retries | None = None) -> Steps[Answer]:
        """The answer of a success. A mutation has the key, or a new one. Raises ApiError, ConnectionFailedError."""
        answer = yield from self._authorized(call.keyed(key), retries or self.retries)
        if not answer.is_success:
            raise ApiError.from_answer(answer)
        return answer

    def log_in(self, email: str, password: str, code: str | None = None) -> Steps[Any]:
        """Get a token, by the code of a second factor too if one is given, and answer the login. Raises ApiError.

        Without a second factor the credentials are remembered, so that a session that is over is begun anew.
        """
        credentials = Credentials(email, password)
        answer = yield Alone(self._get_token(credentials) if code is None else self._get_token_by_code(credentials, code))
        self._credentials = credentials if code is None else None
        return answer

    def keep(self, answer: Mapping[str, Any]) -> None:
        """Go on with the tokens of a login."""
        self.token = str(answer["access_token"])
        self._refresh_token = answer.get("refresh_token")
        lifetime = float(answer["expires_in"])
        self._renew_at = time.monotonic() + max(lifetime - _RENEW_BEFORE_SECONDS, lifetime / 2)

    def _authorized(self, call: Call, retries: Retries) -> Steps[Answer]:
        """Whoever has no good token is refused before anything is done, so that any request may follow the new token."""
        if not call.authenticated:
            return (yield from self._retried(call, None, retries))
        if self._renew_at is not None and time.monotonic() >= self._renew_at:
            yield Alone(self._renewed(self.token))
        if self.token is None:
            yield Alone(self._renewed(None))
        token = self.token
        answer = yield from self._retried(call, token, retries)
        if answer.status == HTTPStatus.UNAUTHORIZED and (yield Alone(self._renewed(token))):
            return (yield from self._retried(call, self.token, retries))
        return answer

    def _retried(self, call: Call, token: str | None, retries: Retries) -> Steps[Answer]:
        started, attempt = time.monotonic(), 0
        while True:
            attempt += 1
            try:
                answer: Answer = yield Send(call, token)
            except ConnectionFailedError:
                pause = retries.pause_after_error(attempt=attempt, elapsed=time.monotonic() - started)
                if pause is None:
                    raise
            else:
                pause = retries.pause_after_answer(answer, attempt=attempt, elapsed=time.monotonic() - started)
                if pause is None:
                    return answer
            yield Pause(pause)

    def _renewed(self, refused: str | None) -> Steps[bool]:
        """Get a new token unless somebody else just did; False when nothing is known to get one with."""
        if self._kept_elsewhere:
            if self.token == refused:
                self.token = yield Renew(refused)
            return self.token is not None
        if self.token != refused:
            return True
        if (yield from self._refresh()):
            return True
        if self._credentials is None:
            return False
        yield from self._get_token(self._credentials)
        return True

    def _refresh(self) -> Steps[bool]:
        """Use the refresh token up; False when there is none, or the platform does not take it any more."""
        token, self._refresh_token = self._refresh_token, None
        if token is None:
            return False
        try:
            yield from self._granted(REFRESH, {"refresh_token": token})
        except ApiError as error:
            if error.status != HTTPStatus.UNAUTHORIZED:
                self._refresh_token = token
                raise
            return False
        except ConnectionFailedError:
            self._refresh_token = token
            raise
        return True

    def _get_token(self, credentials: Credentials) -> Steps[Any]:
        return (yield from self._granted(LOGIN, {"email": credentials.email, "password": credentials.password}))

    def _get_token_by_code(self, credentials: Credentials, code: str) -> Steps[Any]:
        try:
            return (yield from self._get_token(credentials))
        except ApiError as error:
            if error.code != "totp_required":
                raise
            challenge = error.context["challenge"]
        return (yield from self._granted(TOTP, {"challenge": challenge, "code": code}))

    def _granted(self, path: str, body: Mapping[str, str]) -> Steps[Any]:
        answer = yield from self.exchange(Call("POST", path, json=body, authenticated=False))
        granted = json.loads(answer.content)
        self.keep(granted)
        return granted
