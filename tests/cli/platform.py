"""A small platform on loopback: answers what it was given by method and path, and remembers what it was asked."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

AT = "2026-11-23T12:00:00Z"
PROJECT = "/api/tenant/v1/projects/prj_1"
COMMON = "/api/common/v1"


@dataclass
class Request:
    """What was asked."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    headers: Mapping[str, str]


@dataclass
class Platform:
    """`answers` by "METHOD path": status and body. `refresh_tokens` are good once each, and the next one is answered."""

    tokens: set[str] = field(default_factory=set)
    refresh_tokens: set[str] = field(default_factory=set)
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)
    reused: int = 0
    refreshes: int = 0
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def on(self, what: str, body: Any, status: int = 200) -> None:
        """Answer so from now on."""
        self.answers[what] = (status, body)

    def last(self, method: str) -> Request:
        """The last request of a method."""
        return next(each for each in reversed(self.asked) if each.method == method)


def problem(status: int, code: str, detail: str, **more: Any) -> tuple[int, Any]:
    """A problem as the gateway answers it."""
    body = {"type": f"https://groundplane.dev/problems/{code}", "title": code, "status": status, "code": code}
    return status, {**body, "detail": detail, "request_id": "r-1", **more}


def machine(called: str, **more: Any) -> dict[str, Any]:
    """A VM as answered."""
    return {
        "id": f"vm_{called}", "kind": "vm", "organization_id": "org_1", "project_id": "prj_1", "name": called,
        "status": "active", "wanted": "present", "labels": {"env": "prod"}, "provider_reference": None, "generation": 1,
        "observed_generation": 1, "revision": 1, "created_at": AT, "updated_at": AT, "job": None,
        "spec": {"vcpus": 2, "memory_mib": 512}, "observed": {"power": "running"}, **more,
    }  # fmt: skip


def page(*items: Any) -> dict[str, Any]:
    """The only page of a list."""
    return {"items": list(items), "next": None}


def job(state: str = "SUCCEEDED", **more: Any) -> dict[str, Any]:
    """A job as answered."""
    steps = [
        {"at": AT, "step": "create", "attempt": 1, "what": "asked", "detail": {"operations": ["ensure vm"]}},
        {"at": AT, "step": "done", "attempt": 1, "what": "succeeded", "detail": {}},
    ]
    return {
        "id": "job_1", "workflow": "vm.create", "verb": "create", "state": state, "organization_id": "org_1",
        "project_id": "prj_1", "resource_id": "vm_web", "resource_kind": "vm", "step": "done", "attempt": 1, "error": None,
        "reason": "create vm", "requested_by": "usr_1", "trace_id": "t", "next_at": None, "deadline": AT, "created_at": AT,
        "started_at": AT, "ended_at": AT, "cancel_requested_at": None, "held": None, "undoing": False, "parent_id": None,
        "links": {"self": f"{PROJECT}/jobs/job_1"}, "steps": steps, "errors": [], **more,
    }  # fmt: skip


def _handler(platform: Platform) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer leaves as a whole

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

        def answer(self) -> None:
            """Answer, and remember what was asked."""
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            body = json.loads(raw) if raw and "json" in (self.headers.get("Content-Type") or "") else raw
            query, headers = dict(parse_qsl(parts.query)), {key.lower(): value for key, value in self.headers.items()}
            request = Request(self.command, parts.path, query, body, headers)
            with platform.lock:
                platform.asked.append(request)
                status, answer = _decide(platform, request)
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json" if not isinstance(answer, bytes) else "text/plain")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    for method in ("GET", "POST", "PATCH", "PUT", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.answer)
    return Handler


def _decide(platform: Platform, request: Request) -> tuple[int, Any]:
    if request.path == f"{COMMON}/auth/refresh":
        return _refresh(platform, request.body["refresh_token"])
    open_to_all = request.path.startswith(f"{COMMON}/auth/") and not request.path.endswith("/logout")
    if not open_to_all and request.headers.get("authorization", "").removeprefix("Bearer ") not in platform.tokens:
        return problem(401, "token_expired", "The token is over. Log in again.")
    known = platform.answers.get(f"{request.method} {request.path}")
    return known or problem(404, "not_found", f"There is nothing at {request.path}. List what there is.")


def _refresh(platform: Platform, token: str) -> tuple[int, Any]:
    if token not in platform.refresh_tokens:
        platform.reused += 1
        return problem(401, "refresh_token_reused", "The session is over. Log in again.")
    platform.refreshes += 1
    time.sleep(0.05)  # long enough for another process to come between
    platform.refresh_tokens = {f"refresh-{platform.refreshes}"}
    platform.tokens = {f"token-{platform.refreshes}"}
    return 200, granted(f"token-{platform.refreshes}", f"refresh-{platform.refreshes}")


def granted(token: str, refresh: str) -> dict[str, Any]:
    """A login as answered."""
    user = {"id": "usr_1", "email": "ann@acme.example", "name": "Ann", "disabled_at": None, "created_at": AT}
    return {"access_token": token, "token_type": "Bearer", "expires_in": 900, "refresh_token": refresh, "user": user}


@contextmanager
def serving(platform: Platform) -> Iterator[None]:
    """Serve on loopback while the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(platform))
    platform.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
