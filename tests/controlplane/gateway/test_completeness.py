"""Every route of the real application has what a route must have. What is exempt is listed, and the list only shrinks."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Mount
from tests.controlplane.gateway.conftest import Api

from groundplane.kernel.ids import format_id, new_id

OPEN = {
    *(("POST", f"/api/common/v1/auth/{step}") for step in ("login", "totp", "refresh", "device", "device/token")),
    *(
        ("GET", f"/api/common/v1/{page}")
        for page in ("auth/methods", ".well-known/jwks.json", "auth/sso/start", "auth/sso/callback")
    ),
    ("POST", "/api/common/v1/invitations/join"),
    *(("GET", f"/api/{name}/v1/{page}") for name in ("tenant", "ops", "common") for page in ("docs", "openapi.json")),
}
"""Routes for everybody."""

ANYBODYS = {
    *(("GET", f"/api/common/v1/{page}") for page in ("me", "me/permissions", "me/projects")),
    ("GET", "/api/common/v1/organizations"),
    ("GET", "/api/common/v1/kinds"),
    ("GET", "/api/common/v1/permissions"),
    ("GET", "/api/common/v1/roles"),
    ("POST", "/api/common/v1/access/check"),
    ("POST", "/api/common/v1/invitations/accept"),
    *(("POST", f"/api/common/v1/auth/{step}") for step in ("logout", "device/approve", "device/deny")),
    ("GET", "/api/common/v1/auth/device/waiting"),
    ("GET", "/api/common/v1/me/sessions"),
    ("DELETE", "/api/common/v1/me/sessions"),
    ("DELETE", "/api/common/v1/me/sessions/{session_id}"),
    ("GET", "/api/common/v1/me/totp"),
    ("POST", "/api/common/v1/me/totp"),
    *(("POST", f"/api/common/v1/me/totp/{step}") for step in ("confirm", "disable")),
    ("POST", "/api/common/v1/me/password"),
    ("GET", "/api/common/v1/me/api-keys"),
    ("POST", "/api/common/v1/me/api-keys"),
    ("DELETE", "/api/common/v1/me/api-keys/{key_id}"),
}
"""Routes for whoever is logged in: they show what is one's own, or what is no secret, or ask for a secret of their own."""

PREFIXES = {
    "organization_id": "org", "project_id": "prj", "job_id": "job", "user_id": "usr", "binding_id": "rb", "role_id": "role",
    "group_id": "grp", "service_account_id": "sa", "invitation_id": "inv", "session_id": "ses", "key_id": "key",
}  # fmt: skip


@dataclass(frozen=True)
class Route:
    """A method and a path, as mounted."""

    method: str
    path: str

    def filled(self, known: dict[str, str]) -> str:
        """The path with ids: known ones, and of things that are not there."""
        return re.sub(r"{(\w+)}", lambda match: known.get(match[1]) or _nothing(match[1]), self.path)


OF_PATHS = {"version": "1", "of": "projects"}
"""Parts of paths that are no ids."""


def _nothing(name: str) -> str:
    return OF_PATHS.get(name) or format_id(PREFIXES.get(name, "xyz"), new_id())


def public_apps(app: FastAPI) -> Iterator[tuple[str, FastAPI]]:
    """The public applications, by where they are mounted."""
    for route in app.routes:
        if isinstance(route, Mount) and isinstance(route.app, FastAPI) and "agent" not in route.path:
            yield route.path, route.app


def routes(app: FastAPI) -> Iterator[Route]:
    """Every route of the public applications, as their documents say."""
    for prefix, each in public_apps(app):
        for path, item in each.openapi()["paths"].items():
            yield from (Route(method.upper(), prefix + path) for method in item if method != "parameters")


def api_routes(router: Any) -> Iterator[APIRoute]:
    """The routes themselves, also of routers within routers."""
    for route in router.routes:
        if isinstance(route, APIRoute):
            yield route
        elif hasattr(route, "original_router"):
            yield from api_routes(route.original_router)


def known_ids(api: Api) -> dict[str, str]:
    """The tenant's own ids."""
    return {"organization_id": api.organization.rpartition("/")[2], "project_id": api.project.rpartition("/")[2]}


def guarded(api: Api) -> list[Route]:
    """Routes that somebody may be refused."""
    return [route for route in routes(api.app) if (route.method, route.path) not in OPEN | ANYBODYS]


def test_no_route_is_kept_out_of_the_documents(api: Api) -> None:
    found = [route for _, app in public_apps(api.app) for route in api_routes(app)]
    assert len(found) > 80
    assert {route.path for route in found if not route.include_in_schema} <= {"/docs"}


def test_the_walk_finds_the_routes(api: Api) -> None:
    found = {(route.method, route.path) for route in routes(api.app)}
    assert ("POST", "/api/tenant/v1/projects/{project_id}/vms") in found
    assert ("GET", "/api/ops/v1/hosts") in found
    assert found >= ANYBODYS | {("POST", "/api/common/v1/auth/login")}
    assert len(found) > 80


async def test_nobody_gets_in_without_a_token(api: Api) -> None:
    api.headers = {}
    for route in [*guarded(api), *(Route(*each) for each in ANYBODYS)]:
        answer = await api.call(route.method, route.filled(known_ids(api)))
        assert answer.status_code == 401, f"{route}: {answer.status_code}"
        assert answer.json()["code"] == "unauthenticated"


async def test_a_stranger_is_told_nothing_and_is_audited(api: Api) -> None:
    stranger = await api.as_(None)
    for route in guarded(api):
        before = await api.cloud.value("SELECT count(*) FROM audit_event WHERE outcome = 'denied'")
        answer = await stranger.call(
            route.method, route.filled(known_ids(api)), json=None if route.method == "GET" else BODIES.get(route.path, {})
        )
        hidden = "/api/ops" not in route.path and "{" in route.path
        expected = 404 if hidden and "/users/" not in route.path and "/role-bindings/" not in route.path else 403
        if answer.status_code == 422:
            continue  # a body that is not said here is looked at first; it tells nothing of what there is
        assert answer.status_code in {expected, 404}, f"{route}: {answer.status_code} {answer.text}"
        after = await api.cloud.value("SELECT count(*) FROM audit_event WHERE outcome = 'denied'")
        assert after == before + 1 or (hidden and answer.status_code == 404), f"{route} left no audit row"


NAMED = {"name": "it"}
BODIES = {
    "/api/tenant/v1/projects/{project_id}/networks": NAMED,
    "/api/tenant/v1/projects/{project_id}/security-groups": NAMED,
    "/api/common/v1/organizations": NAMED,
    "/api/common/v1/organizations/{organization_id}/projects": NAMED,
    "/api/ops/v1/clusters": NAMED,
}


@pytest.mark.parametrize("role", ["viewer"])
async def test_who_may_only_look_changes_nothing(api: Api, role: str) -> None:
    await api.made("networks", "lan")
    viewer = await api.as_(role, api.cloud.organization_id, api.cloud.project_id)
    assert (await viewer.get("/networks"))["items"]
    for route in guarded(api):
        if route.method == "GET" or "/projects/{project_id}/" not in route.path or "tenant" not in route.path:
            continue
        path = route.filled(known_ids(api) | {"reference": "lan"})
        answer = await viewer.call(route.method, path, json=BODIES.get(route.path, {}))
        assert answer.status_code in {403, 422}, f"{route}: {answer.status_code} {answer.text}"
    assert (await api.get("/networks/lan"))["status"] == "active"


def test_every_operation_has_a_name_of_its_own_and_a_summary(api: Api) -> None:
    for _, app in public_apps(api.app):
        items = app.openapi()["paths"].values()
        operations = [operation for item in items for method, operation in item.items() if method != "parameters"]
        names = [operation["operationId"] for operation in operations]
        assert len(names) == len(set(names))
        assert all(operation.get("summary") for operation in operations)
