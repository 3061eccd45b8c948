"""The frame around every request, as plain ASGI: request id, trace, the client's address, limits of size, headers, access log.

Decides nothing about who may do what.
"""

import re
import time
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

import structlog
from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from groundplane.controlplane.gateway.measuring import measure_request
from groundplane.controlplane.gateway.problems import BodyLimitExceeded, HeadersTooLargeError, UriTooLongError, problem_response
from groundplane.kernel.errors import GroundplaneError
from groundplane.kernel.ids import new_id
from groundplane.kernel.telemetry import trace_scope

log = structlog.get_logger()

MAX_BODY_BYTES = 1 << 20
"""The largest body of a route that does not say otherwise by `allow_body`."""

MAX_HEADER_BYTES = 32 << 10
MAX_HEADERS = 100
MAX_URI_BYTES = 8 << 10
"""The longest path with its query."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_Headers = Sequence[tuple[str, str]]
_HEADERS: _Headers = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Cache-Control", "no-store"),
)
"""Set where the answer has not set its own."""
_HSTS = ("Strict-Transport-Security", "max-age=31536000")

Network = IPv4Network | IPv6Network
_QUIET = frozenset({"/healthz", "/readyz"})


def allow_body(request: Request, limit: int) -> None:
    """Let this request's body have up to `limit` bytes. For routes that stream it, before they read."""
    request.state.body_limit = limit


class Frame:
    """Wraps the application. Keeps request_id, actor, problem, body_limit and rate_limit of a request in its state.

    `ending` becomes true when the server is to end. `trusted_proxies` say in X-Forwarded-For whom they speak for. HEAD is
    answered as GET is, without the body (`bodiless`).
    """

    def __init__(self, app: ASGIApp, *, trusted_proxies: Sequence[Network] = (), tls: bool = False) -> None:
        self.app = app
        self.trusted_proxies = trusted_proxies
        self.headers = (*_HEADERS, _HSTS) if tls else _HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; other things (lifespan) pass through."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else new_id().hex
        scope.setdefault("state", {}).update(request_id=request_id, body_limit=MAX_BODY_BYTES, ending=False)
        scope["state"]["bodiless"] = scope["method"] == "HEAD"
        inner = scope if scope["method"] != "HEAD" else {**scope, "method": "GET"}
        if self.trusted_proxies and scope.get("client"):
            inner["client"] = (client_address(scope["client"][0], headers, self.trusted_proxies), 0)
        with (
            trace_scope(headers.get("traceparent", ""), scope["method"]) as traceparent,
            structlog.contextvars.bound_contextvars(request_id=request_id),
        ):
            exchange = _Exchange(scope, receive, send, frame=self.headers, traceparent=traceparent)
            await self._serve(inner, exchange)

    async def _serve(self, scope: Scope, exchange: "_Exchange") -> None:
        started = time.perf_counter()
        error = oversize(scope)
        app = self.app if error is None else problem_response(error, scope)
        try:
            await app(scope, exchange.receive, exchange.send)
        except Exception:
            log.exception("request.failed", method=scope["method"], path=scope["path"])
            if not exchange.status:
                await problem_response(GroundplaneError(), scope)(scope, exchange.receive, exchange.send)
        finally:
            _log_access(scope, exchange.status, time.perf_counter() - started)


def oversize(scope: Scope) -> GroundplaneError | None:
    """What is too large of a request's first lines, if something is."""
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_URI_BYTES:
        return UriTooLongError()
    headers = scope["headers"]
    if len(headers) > MAX_HEADERS or sum(len(name) + len(value) for name, value in headers) > MAX_HEADER_BYTES:
        return HeadersTooLargeError()
    return None


def client_address(peer: str, headers: Headers, trusted: Sequence[Network]) -> str:
    """Whom a request is from: the last hop that is no trusted proxy. What is before it in X-Forwarded-For anybody can write."""
    hops = [hop.strip() for line in headers.getlist("x-forwarded-for") for hop in line.split(",")]
    address = peer
    while hops and _is_in(address, trusted):
        before = hops.pop()
        if not _is_address(before):
            break
        address = before
    return address


def _is_in(text: str, networks: Sequence[Network]) -> bool:
    return _is_address(text) and any(ip_address(text) in network for network in networks)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


class _Exchange:
    """The two ends of one request: counts what comes in, completes the headers of what goes out."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, frame: _Headers, traceparent: str) -> None:
        declared = Headers(scope=scope).get("content-length", "")
        self._frame = frame
        self._state = scope["state"]
        self._receive = receive
        self._send = send
        self._declared = int(declared) if declared.isdecimal() else 0
        self._received = 0
        self._traceparent = traceparent
        self.status = 0

    async def receive(self) -> Message:
        """The next message; raises BodyLimitExceeded, before anything is read if the client declared too much."""
        limit: int = self._state["body_limit"]
        if self._declared > limit:
            raise BodyLimitExceeded(limit)
        message = await self._receive()
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            if self._received > limit:
                raise BodyLimitExceeded(limit)
        return message

    async def send(self, message: Message) -> None:
        """Pass on; the first message gets the headers."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self._state["request_id"]
            headers["Traceparent"] = self._traceparent
            for name, value in self._state.get("rate_limit", ()):
                headers[name] = value
            for name, value in self._frame:
                headers.setdefault(name, value)
        elif self._state["bodiless"]:
            message = {**message, "body": b""}
        await self._send(message)


def _log_access(scope: Scope, status: int, seconds: float) -> None:
    write = log.debug if scope["path"] in _QUIET else log.info
    actor = scope["state"].get("actor")
    measure_request(scope, status, seconds)
    write(
        "http.request",
        method=scope["method"],
        route=_template(scope),
        status=status,
        ms=round(seconds * 1000, 2),
        problem=scope["state"].get("problem"),
        actor=str(actor.id) if actor else None,
    )


def _template(scope: Scope) -> str | None:
    """The route's path with its parameters' names: a path of its own for each id would tell nothing."""
    path: str | None = getattr(scope.get("route"), "path", None)
    return path
