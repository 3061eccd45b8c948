"""The routes of sessions: a user lists and ends their own, an administrator anybody's."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from groundplane.controlplane.gateway.auth import current_session
from groundplane.controlplane.gateway.grants import SESSION_PREFIX
from groundplane.controlplane.gateway.identity.shapes import IdPath, user_uuid
from groundplane.controlplane.gateway.kinds import CreatedAfter, CreatedBefore, Cursor, Limit, cursor_uuid, page
from groundplane.controlplane.gateway.login_api import OWN, forget_soon
from groundplane.controlplane.gateway.operation import Operation, Reply, mutate, operation
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.views import View
from groundplane.controlplane.identity import (
    Method,
    Session,
    SessionNotFoundError,
    end_session,
    end_sessions,
    get_user,
    list_sessions,
)
from groundplane.kernel.database import Tx
from groundplane.kernel.ids import format_id, parse_id

MethodFilter = Annotated[Method | None, Query(description="Only those that began so.")]


class SessionView(View):
    """A login that goes on."""

    id: str
    method: str = Field(description="How it began: password, totp, device or sso.")
    address: str | None = Field(description="From where it was used last.")
    user_agent: str
    created_at: datetime
    last_used_at: datetime = Field(description="When an access token was asked for last.")
    expires_at: datetime
    current: bool = Field(description="Whether it is the one that asks.")


class SessionPage(View):
    """A page of sessions, oldest first."""

    items: list[SessionView]
    next: str | None


class EndedView(View):
    """How many sessions were ended."""

    ended: int


class _Selection:
    """The filters of a list of sessions."""

    def __init__(
        self, method: MethodFilter = None, created_after: CreatedAfter = None, created_before: CreatedBefore = None
    ) -> None:
        self._filters: dict[str, Any] = {"method": method, "since": created_after, "until": created_before}

    async def list(self, tx: Tx, user_id: UUID, after: UUID | None, limit: int) -> Sequence[Session]:
        """The chosen ones of a user."""
        return await list_sessions(tx, user_id, **self._filters, after=after, limit=limit)


def session_router(services: Services) -> APIRouter:
    """One's own sessions, and anybody's."""
    router = APIRouter(tags=["session"])
    _add_own(router, services)
    _add_anybodys(router, services)
    return router


def _add_own(router: APIRouter, services: Services) -> None:

    @router.get("/me/sessions", response_model=SessionPage, operation_id="my_session_list", openapi_extra=OWN)
    async def list_own(
        request: Request, chosen: Annotated[_Selection, Depends()], limit: Limit = 50, cursor: Cursor = None
    ) -> Response:
        """List your sessions, oldest first."""
        current, after = current_session(request), cursor_uuid(SESSION_PREFIX, cursor)
        async with operation(services, request, permission=None) as op:
            found = await chosen.list(op.tx, op.actor.id, after, limit + 1)
        return page(found, limit, lambda each: _view(each, current))

    @router.delete("/me/sessions/{session_id}", response_model=SessionView, operation_id="my_session_delete", openapi_extra=OWN)
    async def end_own(request: Request, session_id: IdPath) -> Response:
        """End one of your sessions."""
        current = current_session(request)

        async def work(op: Operation) -> Reply:
            op.resource_kind, op.resource_id = "session", parse_id(SESSION_PREFIX, session_id)
            if op.resource_id is None:
                raise SessionNotFoundError
            ended = await end_session(op.tx, op.resource_id, user_id=op.actor.id, reason="ended_by_user")
            forget_soon(op, ended.id)
            return Reply(_view(ended, current))

        return await mutate(services, request, work, permission=None)

    @router.delete("/me/sessions", response_model=EndedView, operation_id="my_session_delete_others", openapi_extra=OWN)
    async def end_others(request: Request) -> Response:
        """End all of your sessions but this one."""
        current = current_session(request)

        async def work(op: Operation) -> Reply:
            op.resource_kind, op.resource_id = "user", op.actor.id
            return Reply(await _end_all(op, op.actor.id, "ended_by_user", current))

        return await mutate(services, request, work, permission=None)


def _add_anybodys(router: APIRouter, services: Services) -> None:
    path = "/users/{user_id}/sessions"
    listing, deleting = "identity.session.list", "identity.session.delete"

    @router.get(path, response_model=SessionPage, operation_id="session_list", openapi_extra={"x-permission": listing})
    async def list_page(
        request: Request,
        user_id: IdPath,
        chosen: Annotated[_Selection, Depends()],
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Response:
        """List a user's sessions, oldest first."""
        after = cursor_uuid(SESSION_PREFIX, cursor)
        async with operation(services, request, permission=listing) as op:
            user = await get_user(op.tx, user_uuid(user_id))
            found = await chosen.list(op.tx, user.id, after, limit + 1)
        return page(found, limit, lambda each: _view(each, None))

    @router.delete(path, response_model=EndedView, operation_id="session_delete_all", openapi_extra={"x-permission": deleting})
    async def end_all(request: Request, user_id: IdPath) -> Response:
        """End all sessions of a user."""

        async def work(op: Operation) -> Reply:
            op.resource_kind, op.resource_id = "user", user_uuid(user_id)
            await get_user(op.tx, op.resource_id)
            return Reply(await _end_all(op, op.resource_id, "ended_by_administrator", None))

        return await mutate(services, request, work, permission=deleting)


async def _end_all(op: Operation, user_id: UUID, reason: str, except_for: UUID | None) -> dict[str, object]:
    ended = await end_sessions(op.tx, user_id, reason=reason, except_for=except_for)
    forget_soon(op, *ended)
    op.detail = {"ended": len(ended)}
    return {"ended": len(ended)}


def _view(session: Session, current: UUID | None) -> dict[str, object]:
    return {
        "id": format_id(SESSION_PREFIX, session.id),
        "method": session.method,
        "address": session.address,
        "user_agent": session.user_agent,
        "created_at": session.created_at,
        "last_used_at": session.last_used_at,
        "expires_at": session.expires_at,
        "current": session.id == current,
    }
