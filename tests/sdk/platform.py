"""A small platform on loopback that keeps the contracts of the public API as far as a client can tell.

Misbehaves as it is told to: `script` holds answers that come before the true ones.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from groundplane.sdk.bodies import VmRequest

PASSWORD = "correct horse battery"
AT = "2026-11-23T12:00:00Z"
SPEC: VmRequest = {"vcpus": 1, "memory_mib": 64, "root_volume": {"image": "tiny", "size_gib": 1}}
PROJECT = "/api/tenant/v1/projects/prj_1"


def problem(status: int, code: str, detail: str, **more: Any) -> JSONResponse:
    """A problem as the gateway answers it."""
    body = {"type": f"https://groundplane.dev/problems/{code}", "title": code, "status": status, "code": code, **more}
    return JSONResponse({**body, "detail": detail, "request_id": "r-1"}, status, media_type="application/problem+json")


def unavailable(retry_after: str | None = "0") -> Response:
    """503, with or without Retry-After."""
    response = problem(503, "unavailable", "Try again in a few seconds.")
    if retry_after is not None:
        response.headers["Retry-After"] = retry_after
    return response


@dataclass
class Platform:
    """What the server holds and what it was asked: each request has its idempotency key at the same place in `keys`, and who
    asked in `agents`.

    The job's history grows by one line each time it is read.
    """

    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    agents: list[str | None] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    script: list[Response] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    refresh_tokens: set[str] = field(default_factory=set)
    logins: int = 0
    refreshes: int = 0
    lifetime: int = 900
    names: list[str] = field(default_factory=list)
    job_lines: list[str] = field(default_factory=list)
    job_error: dict[str, str] | None = None
    shown: int = 0
    uploaded: bytes = b""
    console: list[bytes] = field(default_factory=list)
    url: str = ""

    def count(self, method: str, path: str) -> int:
        """How often something was asked for."""
        return sum(1 for each in self.requests if each[:2] == (method, path))

    def resource(self, name: str, *, job: bool = False, status: str = "active") -> dict[str, Any]:
        """A resource as answered, with a field that this client does not know."""
        href = f"{PROJECT}/jobs/job_1"
        spec = {"vcpus": 1, "memory_mib": 64, "hostname": name, "disks": []}
        return {
            "id": f"vm_{name}", "kind": "vm", "organization_id": "org_1", "project_id": "prj_1", "name": name,
            "status": status, "wanted": "present", "labels": {}, "provider_reference": None, "generation": 1,
            "observed_generation": 1, "revision": 1, "created_at": AT, "updated_at": AT, "spec": spec,
            "observed": {}, "job": {"id": "job_1", "state": "PENDING", "href": href} if job else None, "from_the_future": 1,
        }  # fmt: skip

    def job(self) -> dict[str, Any]:
        """The job as it is now; each look shows one more line."""
        self.shown = min(self.shown + 1, len(self.job_lines))
        over = self.shown == len(self.job_lines)
        state = ("FAILED" if self.job_error else "SUCCEEDED") if over else "RUNNING"
        lines = [{"at": AT, "step": "s", "attempt": 1, "what": what, "detail": {}} for what in self.job_lines[: self.shown]]
        return {
            "id": "job_1", "workflow": "vm.create", "verb": "create", "state": state, "organization_id": "org_1",
            "project_id": "prj_1", "resource_id": "vm_a", "resource_kind": "vm", "step": "s", "attempt": 1,
            "error": self.job_error if over else None, "reason": "create", "requested_by": "usr_1", "trace_id": "t",
            "next_at": None, "deadline": AT, "created_at": AT, "started_at": AT, "ended_at": AT if over else None,
            "cancel_requested_at": None, "undoing": False, "parent_id": None, "links": {"self": f"{PROJECT}/jobs/job_1"},
            "steps": lines,
        }  # fmt: skip


def _app(platform: Platform) -> FastAPI:
    app = FastAPI()
    _add_gate(app, platform)
    _add_reading(app, platform)
    _add_changing(app, platform)
    _add_jobs(app, platform)
    _add_others(app, platform)
    return app


def _add_gate(app: FastAPI, platform: Platform) -> None:
    @app.middleware("http")
    async def watch(request: Request, call_next: Any) -> Response:
        path: str = request.scope["path"]
        platform.requests.append((request.method, path, dict(request.query_params)))
        platform.keys.append(request.headers.get("idempotency-key"))
        platform.agents.append(request.headers.get("user-agent"))
        login = path.endswith(("/auth/login", "/auth/refresh"))
        if platform.script:
            return platform.script.pop(0)
        if not login and request.headers.get("authorization", "").removeprefix("Bearer ") not in platform.tokens:
            return problem(401, "token_expired", "Log in again.")
        answer: Response = await call_next(request)
        return answer

    @app.post("/api/common/v1/auth/login")
    async def login(request: Request) -> Response:
        body = await request.json()
        if body["password"] != PASSWORD:
            return problem(401, "invalid_credentials", "Check both and try again.")
        platform.logins += 1
        return _granted(platform, body["email"])

    @app.post("/api/common/v1/auth/refresh")
    async def refresh(request: Request) -> Response:
        body = await request.json()
        if body["refresh_token"] not in platform.refresh_tokens:
            return problem(401, "invalid_refresh_token", "Log in again.")
        platform.refreshes += 1
        return _granted(platform, "a@example.org")


def _granted(platform: Platform, email: str) -> Response:
    token = f"token-{platform.logins}-{platform.refreshes}"
    platform.tokens, platform.refresh_tokens = {token}, {f"refresh-{token}"}
    user = {"id": "usr_1", "email": email, "name": "A", "disabled_at": None, "created_at": AT}
    login = {"access_token": token, "token_type": "Bearer", "expires_in": platform.lifetime, "user": user}
    return JSONResponse(login | {"refresh_token": f"refresh-{token}", "refresh_expires_in": 3600, "session_id": "ses_1"})


def _add_reading(app: FastAPI, platform: Platform) -> None:
    @app.get(PROJECT + "/vms")
    async def page(limit: int, cursor: str | None = None) -> Response:
        start = platform.names.index(cursor) + 1 if cursor else 0
        found = platform.names[start : start + min(limit, 3)]
        last = start + len(found) >= len(platform.names)
        items = [platform.resource(name) for name in found]
        return JSONResponse({"items": items, "next": None if last else found[-1]})

    @app.get(PROJECT + "/vms/{reference:path}/console-log")
    async def console(offset: int = 0, limit: int = 1 << 20) -> Response:
        if not platform.console:
            return problem(404, "console_not_found", "Start the machine.")
        log = b"".join(platform.console)
        if offset >= len(log):
            return Response(b"", media_type="text/plain")
        return Response(log[offset : offset + limit], media_type="text/plain")

    @app.get(PROJECT + "/vms/{reference:path}")
    async def read(reference: str) -> Response:
        return JSONResponse(platform.resource(reference.removeprefix("vm_")))


def _add_changing(app: FastAPI, platform: Platform) -> None:
    @app.post(PROJECT + "/vms")
    async def create(request: Request) -> Response:
        body = await request.json()
        platform.bodies.append(body)
        made = platform.resource(body["name"], job=bool(platform.job_lines))
        if "count" not in body:
            return JSONResponse(made, 202)
        names = [f"{body['name']}-{number}" for number in range(1, body["count"] + 1)]
        platform.names += reversed(names)  # ids of one moment are in no order
        items = [platform.resource(name, status="creating") for name in names]
        return JSONResponse({"items": items, "job": made["job"]}, 202)

    @app.patch(PROJECT + "/vms/{reference}")
    async def update(request: Request, reference: str) -> Response:
        platform.bodies.append(await request.json())
        return JSONResponse(platform.resource(reference))

    @app.delete(PROJECT + "/vms/{reference}")
    async def delete(reference: str) -> Response:
        return JSONResponse(platform.resource(reference, job=True, status="deleting"), 202)

    @app.post(PROJECT + "/vms/{reference}/reboot")
    async def reboot(reference: str) -> Response:
        return JSONResponse(platform.resource(reference))


def _add_jobs(app: FastAPI, platform: Platform) -> None:
    @app.get(PROJECT + "/jobs/job_1")
    async def job() -> Response:
        return JSONResponse(platform.job())

    @app.get(PROJECT + "/jobs")
    async def jobs() -> Response:
        return JSONResponse({"items": [platform.job()], "next": None})

    @app.post(PROJECT + "/jobs/job_1/{verb}")
    async def change(verb: str) -> Response:
        return JSONResponse({**platform.job(), "undoing": verb == "cancel"}, 202)


def _add_others(app: FastAPI, platform: Platform) -> None:
    @app.put("/api/ops/v1/projects/prj_1/quota")
    @app.patch("/api/ops/v1/projects/prj_1/quota")
    @app.put("/api/ops/v1/organizations/org_1/quota")
    @app.patch("/api/ops/v1/organizations/org_1/quota")
    async def quota() -> Response:
        return JSONResponse({"project_id": None, "organization_id": "org_1", "dimensions": {}})

    @app.post("/api/common/v1/users")
    @app.post("/api/common/v1/users/usr_1/disable")
    async def user() -> Response:
        return JSONResponse({"id": "usr_1", "email": "a@example.org", "name": "A", "disabled_at": None, "created_at": AT})

    @app.post("/api/common/v1/role-bindings")
    @app.delete("/api/common/v1/role-bindings/rlb_1")
    async def binding() -> Response:
        return JSONResponse(
            {"id": "rlb_1", "user_id": "usr_1", "subject_name": "a@example.org", "role": "viewer", "created_at": AT}
        )

    @app.post(PROJECT + "/images")
    async def upload(request: Request, name: str) -> Response:
        platform.uploaded = await request.body()
        platform.bodies.append(dict(request.headers))
        spec = {"format": "raw", "size_bytes": 1, "virtual_size_bytes": 1, "sha256": "0" * 64}
        return JSONResponse({**platform.resource(name), "kind": "image", "spec": spec}, 201)


@contextmanager
def serving(platform: Platform, port: int = 0) -> Iterator[uvicorn.Server]:
    """Serve on loopback while the block runs; 0 is any free port."""
    listener = socket.create_server(("127.0.0.1", port))
    platform.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(_app(platform), log_level="warning", lifespan="off", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.005)
        yield server
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
