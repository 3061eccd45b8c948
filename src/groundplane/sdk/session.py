"""One caller's conversation with the platform: sends requests until they are answered, keeps the access token fresh."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Any
from uuid import uuid4

import httpx

from groundplane.sdk.errors import ApiError, ConnectionFailedError
from groundplane.sdk.retries import Retries

LOGIN = "/api/common/v1/auth/login"
REFRESH = "/api/common/v1/auth/refresh"
IDEMPOTENCY_KEY = "Idempotency-Key"
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0

_KEEP_ALIVE_SECONDS = 3.0  # less than servers do, so that a request does not meet a connection that is being closed
_RENEW_BEFORE_SECONDS = 30.0
_READS = frozenset({"GET", "HEAD", "OPTIONS"})

Body = Callable[[], Iterator[bytes]]
"""Makes a request's body, anew for each try."""

Renewal = Callable[["Session", str | None], str | None]
"""Answers the token to go on with, when the one that it is given was refused or there was none; None when there is no other.

For tokens that are kept outside of a process, such as those that processes share. Called by one thread at a time.
"""


@dataclass(frozen=True)
class Call:
    """A request as its caller says it.

    body  streamed, instead of `json`
    wait  how many seconds longer than usual the platform may take
    """

    method: str
    path: str
    query: Mapping[str, str | int | float] = field(default_factory=dict)
    json: Any = None
    body: Body | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: float = 0.0
    authenticated: bool = True

    def keyed(self, key: str | None) -> "Call":
        """As it is sent, however often: by its key the platform knows a mutation again. None: a new key."""
        if self.method in _READS or not self.authenticated:
            return self
        return replace(self, headers={**self.headers, IDEMPOTENCY_KEY: str(uuid4()) if key is None else key})


@dataclass(frozen=True)
class _Credentials:
    email: str
    password: str = field(repr=False)


class Session:
    """Thread-safe. After `log_in` it refreshes its token before that expires; if it may not, it logs in again.

    Credentials and tokens are kept in memory alone; whoever keeps tokens elsewhere gives a `renewal`.
    """

    def __init__(
        self, base_url: str, token: str | None = None, retries: Retries | None = None, *, renewal: Renewal | None = None
    ) -> None:
        url = httpx.URL(base_url)
        self._http = httpx.Client(
            base_url=url,
            limits=httpx.Limits(keepalive_expiry=_KEEP_ALIVE_SECONDS),
            # A proxy of the environment leads out of this machine, never back into it.
            trust_env=not _is_loopback(url.host),
        )
        self._retries = retries or Retries()
        self._token = token
        self._renewal = renewal
        self._renew_at: float | None = None
        self._refresh_token: str | None = None
        self._credentials: _Credentials | None = None
        self._logging_in = threading.Lock()

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def log_in(self, email: str, password: str) -> Mapping[str, Any]:
        """Get a token and remember the credentials; answers the user as the platform knows them. Raises ApiError."""
        credentials = _Credentials(email, password)
        with self._logging_in:
            user = self._get_token(credentials)
            self._credentials = credentials
        return user

    def json(self, call: Call, *, idempotency_key: str | None = None, retries: Retries | None = None) -> Any:
        """Send and read a JSON answer; None if it is empty. Raises ApiError, ConnectionFailedError."""
        response = self.send(call, idempotency_key=idempotency_key, retries=retries)
        return response.json() if response.content else None

    def send(self, call: Call, *, idempotency_key: str | None = None, retries: Retries | None = None) -> httpx.Response:
        """Send and read the whole answer. A mutation has the key, or a new one. Raises ApiError, ConnectionFailedError."""
        response = self._authorized(call.keyed(idempotency_key), retries or self._retries)
        if not response.is_success:
            raise ApiError.from_response(response)
        return response

    def _authorized(self, call: Call, retries: Retries) -> httpx.Response:
        """Whoever has no good token is refused before anything is done, so that any request may follow the new token."""
        if not call.authenticated:
            return self._retried(call, None, retries)
        self._renew_if_due()
        if self._token is None:
            self._renew(None)
        token = self._token
        response = self._retried(call, token, retries)
        if response.status_code == httpx.codes.UNAUTHORIZED and self._renew(token):
            return self._retried(call, self._token, retries)
        return response

    def _retried(self, call: Call, token: str | None, retries: Retries) -> httpx.Response:
        started, attempt = time.monotonic(), 0
        while True:
            attempt += 1
            try:
                response = self._once(call, token)
            except httpx.TransportError as error:
                elapsed = time.monotonic() - started
                pause = retries.pause_after_error(attempt=attempt, elapsed=elapsed)
                if pause is None:
                    reason = str(error) or type(error).__name__
                    raise ConnectionFailedError(f"{call.method} {self._http.base_url.join(call.path)}: {reason}") from error
            else:
                elapsed = time.monotonic() - started
                pause = retries.pause_after_response(response, attempt=attempt, elapsed=elapsed)
                if pause is None:
                    return response
            time.sleep(pause)

    def _once(self, call: Call, token: str | None) -> httpx.Response:
        return self._http.request(
            call.method,
            call.path,
            params=call.query or None,
            json=call.json,
            content=call.body() if call.body else None,
            headers={**call.headers, **({"Authorization": f"Bearer {token}"} if token else {})},
            timeout=httpx.Timeout(ANSWER_SECONDS + call.wait, connect=CONNECT_SECONDS),
        )

    def _renew_if_due(self) -> None:
        if self._renew_at is not None and time.monotonic() >= self._renew_at:
            self._renew(self._token)

    def _renew(self, refused: str | None) -> bool:
        """Get a new token unless another thread just did; False when nothing is known to get one with."""
        with self._logging_in:
            if self._renewal is not None:
                if self._token == refused:
                    self._token = self._renewal(self, refused)
                return self._token is not None
            if self._credentials is None:
                return False
            if self._token == refused and not self._refresh():
                self._get_token(self._credentials)
            return True

    def _refresh(self) -> bool:
        """Use the refresh token up; False when there is none, or the platform does not take it any more."""
        token, self._refresh_token = self._refresh_token, None
        if token is None:
            return False
        try:
            self._keep(self.json(Call("POST", REFRESH, json={"refresh_token": token}, authenticated=False)))
        except ApiError as error:
            if error.status != httpx.codes.UNAUTHORIZED:
                self._refresh_token = token
                raise
            return False
        return True

    def _get_token(self, credentials: _Credentials) -> Mapping[str, Any]:
        body = {"email": credentials.email, "password": credentials.password}
        answer = self.json(Call("POST", LOGIN, json=body, authenticated=False))
        self._keep(answer)
        user: Mapping[str, Any] = answer["user"]
        return user

    def _keep(self, answer: Mapping[str, Any]) -> None:
        self._token = str(answer["access_token"])
        self._refresh_token = answer.get("refresh_token")
        lifetime = float(answer["expires_in"])
        self._renew_at = time.monotonic() + max(lifetime - _RENEW_BEFORE_SECONDS, lifetime / 2)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
