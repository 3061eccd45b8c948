"""All permissions that there are, gathered from the kinds and from what the routes say that they need."""

from collections.abc import Iterable, Iterator
from typing import Any

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute

from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.resources.kind import Kind


def permissions_of(services: Services, routers: Iterable[APIRouter]) -> frozenset[str]:
    """Every permission by which somebody may be let in, or refused, at these routes or at the kinds'."""
    of_kinds = {permission for kind in services.kinds.values() for permission in _of_kind(kind)}
    of_routes = {(route.openapi_extra or {}).get("x-permission") for router in routers for route in _routes(router)}
    return frozenset(of_kinds | {permission for permission in of_routes if permission is not None})


def known_permissions(request: Request) -> frozenset[str]:
    """All permissions of the application that the request came to."""
    known: frozenset[str] = request.app.state.permissions
    return known


def _of_kind(kind: Kind) -> Iterator[str]:
    verbs = ["read", "list", "update", "delete", *(["create"] if kind.create else []), *(each.verb for each in kind.actions)]
    return map(kind.permission, verbs)


def _routes(router: Any) -> Iterator[APIRoute]:
    """The routes of a router, also of routers within it."""
    for route in router.routes:
        if isinstance(route, APIRoute):
            yield route
        elif hasattr(route, "original_router"):
            yield from _routes(route.original_router)
