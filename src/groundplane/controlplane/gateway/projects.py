"""The routes of projects: those of every kind, and the way back for one that was deleted."""

import inspect
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field, create_model

from groundplane.controlplane.gateway.kinds import KindRoutes, cursor_uuid, page, path_scope
from groundplane.controlplane.gateway.operation import Operation, Reply
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.views import resource_view, view_model
from groundplane.controlplane.resources import project
from groundplane.controlplane.resources.problems import ResourceNotFoundError
from groundplane.controlplane.resources.project import PROJECT
from groundplane.controlplane.resources.resource import Resource
from groundplane.kernel.ids import parse_id

Deleted = Annotated[bool, Query(description="Only those that were deleted and can be restored; no filter goes with it.")]
ProjectId = Annotated[str, Path(max_length=80, pattern=r"^[a-z0-9_]+$", description="The project's id; names are taken again.")]


def project_router(services: Services) -> APIRouter:
    """The routes of projects."""
    router = APIRouter()
    routes = ProjectRoutes(services, PROJECT)
    routes.add_to(router)
    routes.add_restore(router)
    return router


class ProjectRoutes(KindRoutes):
    """A project that was deleted is listed when asked for, and restored until its undo window is over."""

    def __init__(self, services: Services, kind: Any) -> None:
        super().__init__(services, kind)
        self.window = timedelta(days=services.settings.project_undo_days)
        self.view = create_model(
            "Project",
            __base__=view_model(PROJECT),
            __doc__=PROJECT.summary,
            deleted_at=(datetime | None, Field(default=None, description="Only of those that were deleted.")),
            restorable_until=(datetime | None, Field(default=None, description="When it is too late to restore it.")),
        )

    def add_restore(self, router: APIRouter) -> None:
        """Declare the way back."""
        path = f"{self.collection}/{{reference}}/restore"
        self._add(router, "POST", path, self._restore(), "Restore a deleted project", "restore", {200: self.view})

    def _list(self) -> Callable[..., Awaitable[Response]]:
        living = super()._list()
        signature = inspect.signature(living)

        async def list_page(request: Request, *, deleted: bool, **asked: Any) -> Response:
            if not deleted:
                return await living(request, **asked)
            return await self._list_deleted(request, limit=asked["limit"], cursor=asked["cursor"])

        # The parameters of the list of the living, and one more.
        more = inspect.Parameter("deleted", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Deleted)
        list_page.__signature__ = signature.replace(parameters=[*signature.parameters.values(), more])  # type: ignore[attr-defined]
        return list_page

    async def _list_deleted(self, request: Request, *, limit: int, cursor: str | None) -> Response:
        scope, after = path_scope(request), cursor_uuid(PROJECT.prefix, cursor)
        assert scope.organization_id is not None  # noqa: S101  # the path has it
        async with self._open(request, "list", scope) as op:
            found = await project.deleted_page(op.tx, scope.organization_id, window=self.window, after=after, limit=limit + 1)
        return page(found, limit, self._deleted)

    def _deleted(self, resource: Resource) -> dict[str, Any]:
        assert resource.deleted_at is not None  # noqa: S101  # they were asked for
        times = {"deleted_at": resource.deleted_at, "restorable_until": resource.deleted_at + self.window}
        return {**resource_view(PROJECT, resource), **times}

    def _restore(self) -> Callable[..., Awaitable[Response]]:
        async def restore(request: Request, reference: ProjectId) -> Response:
            # Decided by who one is in the organization: in the project nobody is anybody while it is deleted.
            scope = path_scope(request)

            async def work(op: Operation) -> Reply:
                number: UUID | None = parse_id(PROJECT.prefix, reference)
                if number is None or scope.organization_id is None:
                    raise ResourceNotFoundError
                op.resource_kind, op.resource_id, op.project_id = PROJECT.name, number, number
                restored = await project.restore(op.tx, scope.organization_id, number, window=self.window, actor_id=op.actor.id)
                return Reply(resource_view(PROJECT, restored))

            return await self._mutate(request, "restore", scope, work)

        return restore
