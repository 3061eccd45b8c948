"""The frame around every request, as plain ASGI: request id, trace, body limit, security headers, access log.

Decides nothing about who may do what.
"""

import re
import time
from collections.abc import Sequence

import structlog
from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from groundplane.controlplane.gateway.measuring import measure_request
from groundplane.controlplane.gateway.problems import BodyLimitExceeded, problem_response
from groundplane.kernel.errors import GroundplaneError
from groundplane.kernel.ids import new_id
from groundplane.kernel.telemetry import trace_scope

log = structlog.get_logger()

MAX_BODY_BYTES = 1 << 20
"""The largest body of a route that does not say otherwise by `allow_body`."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_HEADERS: Sequence[tuple[str, str]] = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Cache-Control", "no-store"),
)
"""Set where the answer has not set its own."""
_QUIET = frozenset({"/healthz", "/readyz"})


def allow_body(request: Request, limit: int) -> None:
    """Let this request's body have up to `limit` bytes. For routes that stream it, before they read."""
    request.state.body_limit = limit


class Frame:
    """Wraps the application. Keeps request_id, actor, problem and body_limit of a request in its state."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; other things (lifespan) pass through."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else new_id().hex
        scope.setdefault("state", {}).update(request_id=request_id, body_limit=MAX_BODY_BYTES)
        with (
            trace_scope(headers.get("traceparent", ""), scope["method"]) as traceparent,
            structlog.contextvars.bound_contextvars(request_id=request_id),
        ):
            exchange = _Exchange(scope, receive, send, declared=headers.get("content-length", ""), traceparent=traceparent)
            await self._serve(scope, exchange)

    async def _serve(self, scope: Scope, exchange: "_Exchange") -> None:
        started = time.perf_counter()
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except Exception:
            log.exception("request.failed", method=scope["method"], path=scope["path"])
            if not exchange.status:
                await problem_response(GroundplaneError(), scope)(scope, exchange.receive, exchange.send)
        finally:
            _log_access(scope, exchange.status, time.perf_counter() - started)


class _Exchange:
    """The two ends of one request: counts what comes in, completes the headers of what goes out."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, declared: str, traceparent: str) -> None:
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
            for name, value in _HEADERS:
                headers.setdefault(name, value)
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
