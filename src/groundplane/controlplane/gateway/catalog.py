"""The catalog of kinds: all that a client needs to show, list, make and change resources of a kind that it has never heard of.

It follows from the declarations of the kinds alone. The console and the command line are made from it.
"""

from collections.abc import Collection, Iterable, Mapping
from hashlib import sha256
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from pydantic_core import to_json

from groundplane.controlplane.gateway.conditional import not_modified
from groundplane.controlplane.gateway.kinds import scope_path
from groundplane.controlplane.gateway.operation import operation
from groundplane.controlplane.gateway.permissions import known_permissions
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.views import View
from groundplane.controlplane.resources.kind import Kind, Namespace
from groundplane.controlplane.resources.organization import ORGANIZATION
from groundplane.controlplane.resources.project import PROJECT

Place = Literal["project", "organization", "platform"]
JsonSchema = dict[str, Any]


class ColumnView(View):
    """A field that a table shows beside name, status, labels and age."""

    path: str = Field(description="Where it stands in a resource as answered: `spec.vcpus`.")
    title: str
    unit: str | None = Field(description="What its numbers count, if that is not plain: `MiB`, `bytes`.")


class ActionView(View):
    """A verb beyond create, read, list, update and delete: POST to the item's path and `/VERB`."""

    verb: str
    summary: str


class KindView(View):
    """What a kind is, where its routes lie, what its resources look like. `x-kind` in a schema: a reference to that kind."""

    name: str
    plural: str
    title: str
    title_plural: str
    summary: str
    service: str
    namespace: Namespace
    scope: Place = Field(description="What its resources belong to.")
    collection: str = Field(description="Where they lie below the namespace; one of them at `COLLECTION/{id or name}`.")
    prefix: str = Field(description="What their ids begin with.")
    columns: list[ColumnView]
    actions: list[ActionView]
    permissions: dict[str, str] = Field(description="By verb.")
    create: JsonSchema | None = Field(description="Of `spec` in a create request; null: they are not made in this way.")
    update: JsonSchema | None = Field(description="Of `spec` in a change; null: only name and labels change.")
    spec: JsonSchema = Field(description="Of `spec` in an answer.")
    observed: JsonSchema = Field(description="Of `observed` in an answer.")


class KindCatalog(View):
    """Every kind."""

    kinds: list[KindView]


def describe(kind: Kind, permissions: Collection[str]) -> dict[str, Any]:
    """The kind without its schemas. `permissions` are all that there are: its routes may know more verbs than the kind."""
    return {
        "name": kind.name,
        "plural": kind.plural,
        "title": kind.title,
        "title_plural": kind.title_plural,
        "summary": kind.summary,
        "service": kind.service,
        "namespace": kind.namespace,
        "scope": _place(kind),
        "collection": f"{scope_path(kind)}/{kind.plural}",
        "prefix": kind.prefix,
        "columns": [{"path": each.path, "title": each.title, "unit": each.unit} for each in kind.columns],
        "actions": [{"verb": each.verb, "summary": each.summary} for each in kind.actions],
        "permissions": _by_verb(kind, permissions),
    }


def _by_verb(kind: Kind, permissions: Collection[str]) -> dict[str, str]:
    verbs = [permission.rpartition(".")[2] for permission in sorted(permissions)]
    return {verb: kind.permission(verb) for verb in verbs if kind.permission(verb) in permissions}


def schemas(kind: Kind) -> dict[str, JsonSchema | None]:
    """The kind's JSON schemas, each complete in itself."""
    return {
        "create": _taken(kind.create),
        "update": _taken(kind.update),
        "spec": kind.spec.model_json_schema(mode="serialization"),
        "observed": kind.observed.model_json_schema(mode="serialization"),
    }


def catalog_router(services: Services) -> APIRouter:
    """The route of the catalog."""
    router = APIRouter(tags=["kinds"])
    made: list[tuple[bytes, str]] = []  # it is the same until the process ends, and made when first asked for

    @router.get(
        "/kinds", response_model=KindCatalog, operation_id="kind_list", summary="Read what kinds of resources there are",
        responses={304: {"description": "It is as it was when that ETag was read."}},
        openapi_extra={"parameters": [_IF_NONE_MATCH]},
    )  # fmt: skip
    async def list_kinds(request: Request) -> Response:
        """Their names, routes, permissions and schemas. It changes with the platform's version only: keep it by its ETag."""
        async with operation(services, request, permission=None):
            if not made:
                made.append(_catalog(services.kinds, known_permissions(request)))
        body, etag = made[0]
        return not_modified(request, etag) or Response(body, headers={"ETag": etag}, media_type="application/json")

    return router


_IF_NONE_MATCH = {
    "name": "If-None-Match", "in": "header", "required": False,
    "description": "The ETag that was read: 304 if nothing is different.", "schema": {"type": "string"},
}  # fmt: skip


def _catalog(kinds: Mapping[str, Kind], permissions: Collection[str]) -> tuple[bytes, str]:
    body = to_json({"kinds": [describe(kind, permissions) | schemas(kind) for kind in kinds.values()]})
    return body, f'"{sha256(body).hexdigest()[:32]}"'


def _place(kind: Kind) -> Place:
    if kind is PROJECT:
        return "organization"
    return "platform" if kind is ORGANIZATION or kind.namespace == "ops" else "project"


def _taken(model: type[BaseModel] | None) -> JsonSchema | None:
    return model.model_json_schema() if model else None


def of_namespace(kinds: Iterable[Kind], namespace: str, permissions: Collection[str]) -> list[dict[str, Any]]:
    """What the OpenAPI document of a namespace says of its kinds, as `x-kinds`."""
    return [describe(kind, permissions) for kind in kinds if kind.namespace == namespace]
