"""What secrets have beyond the generic routes: the only road on which a value is read, and their versions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field

from groundplane.controlplane.audit import AuditEntry, record
from groundplane.controlplane.gateway.kinds import ReferencePath, answer, path_scope, scope_parameters
from groundplane.controlplane.gateway.operation import Operation, Reply, mutate, operation, origin
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.views import View
from groundplane.controlplane.resources import store
from groundplane.controlplane.resources.resource import Resource
from groundplane.controlplane.secrets import SecretStore, Version
from groundplane.controlplane.secrets.secret import SECRET

PREFIX = "/projects/{project_id}"
REVEAL = SECRET.permission("reveal")
DESTROY = SECRET.permission("destroy")

VersionQuery = Annotated[int | None, Query(ge=1, le=(1 << 31) - 1, description="Which version; the current one if not said.")]
VersionPath = Annotated[int, Path(ge=1, le=(1 << 31) - 1, description="The version's number.")]


class SecretValue(View):
    """A value, as it was written."""

    version: int
    value: str


class SecretVersion(View):
    """A version that is kept."""

    version: int
    created_at: datetime
    current: bool = Field(description="It is what a reading answers, and cannot be destroyed.")


def secret_router(services: Services) -> APIRouter:
    """The routes of secrets' own."""
    router = APIRouter(prefix=PREFIX, tags=["secrets"])
    kept = SecretStore(services.secret_box)

    @router.get(
        "/secrets/{reference}/value", summary="Read a secret's value", operation_id="secret_reveal",
        response_model=SecretValue, openapi_extra={"x-permission": REVEAL, **scope_parameters(PREFIX)},
    )  # fmt: skip
    async def reveal(request: Request, reference: ReferencePath, version: VersionQuery = None) -> Response:
        """Each reading leaves a row in the audit log."""
        scope = path_scope(request)
        async with operation(services, request, permission=REVEAL, **scope.place) as op:
            secret = await store.get(op.tx, SECRET, scope.project_id, reference)
            found = await kept.of_resource(op.tx, secret.id, version)
            value = (await kept.open(found)).decode()
            _record_reading(op, secret, found.version)
        return answer({"version": found.version, "value": value})

    @router.get(
        "/secrets/{reference}/versions", summary="List a secret's versions", operation_id="secret_versions",
        response_model=list[SecretVersion],
        openapi_extra={"x-permission": SECRET.permission("read"), **scope_parameters(PREFIX)},
    )  # fmt: skip
    async def versions(request: Request, reference: ReferencePath) -> Response:
        """Oldest first. Values are not told."""
        scope = path_scope(request)
        async with operation(services, request, permission=SECRET.permission("read"), **scope.place) as op:
            secret = await store.get(op.tx, SECRET, scope.project_id, reference)
            found = await kept.versions(op.tx, secret.id)
        return answer(_views(found))

    @router.delete(
        "/secrets/{reference}/versions/{version}", summary="Destroy an old version of a secret", operation_id="secret_destroy",
        response_model=list[SecretVersion], openapi_extra={"x-permission": DESTROY, **scope_parameters(PREFIX)},
    )  # fmt: skip
    async def destroy(request: Request, reference: ReferencePath, version: VersionPath) -> Response:
        """It cannot be had back. The current version stays: give the secret a new value first. Answers what is left."""
        scope = path_scope(request)

        async def work(op: Operation) -> Reply:
            secret = await store.get(op.tx, SECRET, scope.project_id, reference)
            op.resource_kind, op.resource_id, op.detail = SECRET.name, secret.id, {"version": version}
            held = await services.manager.lock(op.tx, secret.id)
            await kept.destroy(op.tx, held.id, version)
            return Reply(_views(await kept.versions(op.tx, held.id)))

        return await mutate(services, request, work, permission=DESTROY, **scope.place)

    return router


def _views(kept: Sequence[Version]) -> list[dict[str, Any]]:
    return [{**vars(each), "current": each is kept[-1]} for each in kept]


def _record_reading(op: Operation, secret: Resource, version: int) -> None:
    entry = AuditEntry(
        action=REVEAL, outcome="allowed", actor_id=op.actor.id, actor_kind=op.actor.kind,
        organization_id=secret.organization_id, project_id=secret.project_id, resource_kind=SECRET.name,
        resource_id=secret.id, detail={"version": version}, **origin(op.request),
    )  # fmt: skip
    record(op.tx, entry)
