"""The routes of every Kind, made from its declaration: create, read, list, update, delete, actions, history."""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, Field, create_model
from pydantic_core import to_json

from groundplane.controlplane.fleet.cluster import CLUSTER
from groundplane.controlplane.fleet.host import HOST
from groundplane.controlplane.gateway.conditional import IfMatch, PreconditionRequiredError, entity_tag, not_modified, tag
from groundplane.controlplane.gateway.operation import Operation, Reply, Work, attempt, mutate, operation, replay
from groundplane.controlplane.gateway.people import People
from groundplane.controlplane.gateway.selectors import parse_selector
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.views import (
    JOB_PREFIX,
    ResourceView,
    View,
    bulk_model,
    job_reference,
    page_model,
    public,
    resource_view,
    view_model,
)
from groundplane.controlplane.identity import organizations_of
from groundplane.controlplane.jobs import job as jobs
from groundplane.controlplane.resources import pages, store
from groundplane.controlplane.resources.fields import NAME_PATTERN, REFERENCE_PATTERN, Labels, Name, Strict
from groundplane.controlplane.resources.kind import Action, Kind
from groundplane.controlplane.resources.manager import MOST_AT_ONCE, BulkOutcome, Outcome
from groundplane.controlplane.resources.organization import ORGANIZATION
from groundplane.controlplane.resources.pages import Filters, Sort
from groundplane.controlplane.resources.project import PROJECT
from groundplane.controlplane.resources.resource import Resource
from groundplane.kernel.database import Row, Tx
from groundplane.kernel.errors import FieldProblem, InvalidRequestError, NotFoundError
from groundplane.kernel.ids import parse_id

Limit = Annotated[int, Query(ge=1, le=200, description="How many at most.")]
Cursor = Annotated[str | None, Query(max_length=80, description="`next` of the page before.")]
Selector = Annotated[
    str | None,
    Query(
        max_length=1024,
        pattern=r"^[^\x00]*$",
        description="Terms that must all hold: `k=v`, `k!=v`, `k`, `!k`, `k in (a,b)`, `k notin (a,b)`, separated by commas.",
    ),
]
SortBy = Annotated[Sort, Query(description="The oldest first, the newest first, by name, or by name backwards.")]
PrefixFilter = Annotated[str | None, Query(pattern=r"^[a-z0-9-]{1,63}$", description="What the name begins with.")]
NameFilter = Annotated[str | None, Query(max_length=63, pattern=r"^[^\x00]*$")]
StatusFilter = Annotated[str | None, Query(pattern="^(creating|active|updating|deleting|error)$")]
CreatedAfter = Annotated[AwareDatetime | None, Query(description="Made then or later.")]
CreatedBefore = Annotated[AwareDatetime | None, Query(description="Made earlier than that.")]
UsesFilter = Annotated[str | None, Query(max_length=80, description="What uses this resource (its id): a network's ports.")]
ClusterFilter = Annotated[str | None, Query(max_length=80, description="What is of this cluster (its id).")]
HostFilter = Annotated[str | None, Query(max_length=80, description="What is on this host (its id).")]

Count = Annotated[
    int,
    Field(ge=1, le=MOST_AT_ONCE, description="Make so many at once, NAME-1 to NAME-COUNT, all or none; answers a list."),
]


class Selection:
    """The filters and the order that every list of resources takes."""

    def __init__(
        self,
        label: Selector = None,
        name: NameFilter = None,
        name_prefix: PrefixFilter = None,
        status: StatusFilter = None,
        created_after: CreatedAfter = None,
        created_before: CreatedBefore = None,
        uses: UsesFilter = None,
        sort: SortBy = "created_at",
    ) -> None:
        self.filters = Filters(
            labels=parse_selector(label),
            name=name,
            name_prefix=name_prefix,
            status=status,
            created_after=created_after,
            created_before=created_before,
        )
        self.uses = uses
        self.sort = sort


def placed_selection(
    chosen: Annotated[Selection, Depends()], cluster: ClusterFilter = None, host: HostFilter = None
) -> Selection:
    """And those of what operators see the place of."""
    cluster_id, host_id = filter_id([CLUSTER], "cluster", cluster), filter_id([HOST], "host", host)
    chosen.filters = replace(chosen.filters, cluster_id=cluster_id, host_id=host_id)
    return chosen


def filter_id(kinds: Iterable[Kind], parameter: str, text: str | None) -> UUID | None:
    """The id of one of these kinds that a filter says; None for none. Raises InvalidRequestError."""
    if text is None:
        return None
    found = next((value for kind in kinds if (value := parse_id(kind.prefix, text)) is not None), None)
    if found is None:
        detail = f"{text!r} is not the id of a {parameter if parameter != 'uses' else 'resource'}."
        raise InvalidRequestError(errors=[FieldProblem(pointer=f"/query/{parameter}", detail=detail)])
    return found


class HistoryEntry(View):
    """One change of a resource: who, which job, why, and what is different after it."""

    at: datetime
    revision: int
    changed_by: str | None = Field(description="The id of who asked for it; null for the platform itself.")
    changed_by_name: str | None = Field(description="Their e-mail address, or the service account's name.")
    job_id: str | None
    reason: str
    state: dict[str, Any]


def answer(body: object, status: int = 200, *, location: str | None = None, etag: str | None = None) -> Response:
    """JSON as bytes: what we made ourselves is not validated a second time."""
    headers = {name: value for name, value in (("Location", location), ("ETag", etag)) if value}
    return Response(to_json(body), status, headers=headers, media_type="application/json")


def cursor_uuid(prefix: str, text: str | None) -> UUID | None:
    """Where a page begins. Raises InvalidRequestError."""
    after = parse_id(prefix, text) if text else None
    if text and after is None:
        raise InvalidRequestError(_NO_CURSOR)
    return after


def cursor_name(text: str | None) -> str | None:
    """Where a page begins that is in the order of names. Raises InvalidRequestError."""
    if text and not re.fullmatch(NAME_PATTERN, text):
        raise InvalidRequestError(_NO_CURSOR)
    return text or None


_NO_CURSOR = "The cursor is not one of this list, or of another order. Begin without a cursor."


Found = TypeVar("Found")


def page(found: Sequence[Found], limit: int, view: Callable[[Found], Mapping[str, Any]], *, key: str = "id") -> Response:
    """A page of what was found, which is one more than `limit` if there is a next one; `key` names the cursor."""
    items = [view(each) for each in found[:limit]]
    return answer({"items": items, "next": items[-1][key] if len(found) > limit else None})


_TOLD = ("name", "status", "wanted", "labels", "spec", "observed", "generation", "observed_generation", "provider_reference")


def told_state(row: Row) -> dict[str, Any]:
    """What is different after a change: as much as users may know."""
    return {key: value for key, value in row["state"].items() if key in _TOLD}


def _change_view(row: Row, people: People) -> dict[str, Any]:
    return {
        "at": row["at"],
        "revision": row["revision"],
        "changed_by": people.id(row["changed_by"]),
        "changed_by_name": people.name(row["changed_by"]),
        "job_id": public(JOB_PREFIX, row["job_id"]),
        "reason": row["reason"],
        "state": told_state(row),
    }


def parse_labels(text: str | None) -> dict[str, str]:
    """Labels as a query says them: `env=prod,tier=web`. Raises InvalidRequestError."""
    labels = {}
    for part in text.split(",") if text else []:
        key, equals, value = part.partition("=")
        if not equals or not key:
            raise InvalidRequestError(f"The label {part!r} is not of the form key=value. Separate several by commas.")
        labels[key.strip()] = value.strip()
    return labels


def scope_path(kind: Kind) -> str:
    """Where a kind's collection lies below its namespace."""
    if kind is PROJECT:
        return "/organizations/{organization_id}"
    return "/projects/{project_id}" if kind.namespace == "tenant" else ""


class Scope:
    """Which organization and project a request is about, from its path."""

    def __init__(self, organization_id: UUID | None, project_id: UUID | None) -> None:
        self.organization_id = organization_id
        self.project_id = project_id

    @property
    def place(self) -> dict[str, UUID | None]:
        """As operations take it."""
        return {"organization_id": self.organization_id, "project_id": self.project_id}


def path_scope(request: Request) -> Scope:
    """The scope that the path names; whether it is there is seen with the decision. Raises NotFoundError for what is no id."""
    organization, project = request.path_params.get("organization_id"), request.path_params.get("project_id")
    organization_id = parse_id(ORGANIZATION.prefix, organization) if organization is not None else None
    project_id = parse_id(PROJECT.prefix, project) if project is not None else None
    if (organization is not None and organization_id is None) or (project is not None and project_id is None):
        raise NotFoundError  # the same words as for one that is hidden
    return Scope(organization_id, project_id)


class KindRoutes:
    """Builds the routes of one kind. Each opens one operation: authorization, transaction, audit."""

    def __init__(self, services: Services, kind: Kind) -> None:
        self.services = services
        self.kind = kind
        self.view = view_model(kind)
        self.operator = kind.namespace == "ops"
        self.collection = f"{scope_path(kind)}/{kind.plural}"
        self.item = f"{self.collection}/{{reference}}"

    def add_to(self, router: APIRouter) -> None:
        """Declare every route that the kind has."""
        noun = self.kind.name.replace("_", " ")
        one = f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"
        if self.kind.create is not None:
            made = self.view if self.kind.namespace != "tenant" else self.view | bulk_model(self.kind, self.view)
            self._add(router, "POST", self.collection, self._create(), f"Create {one}", "create", {201: made, 202: made})
        page = page_model(self.kind, self.view)
        self._add(router, "GET", self.collection, self._list(), f"List {noun}s", "list", {200: page})
        self._add(router, "GET", self.item, self._read(), f"Read {one}", "read", {200: self.view})
        self._add(router, "PATCH", self.item, self._update(), f"Change {one}", "update", {200: self.view, 202: self.view})
        self._add(router, "DELETE", self.item, self._delete(), f"Delete {one}", "delete", {200: self.view, 202: self.view})
        for action in self.kind.actions:
            path = f"{self.item}/{action.verb}"
            self._add(router, "POST", path, self._act(action), action.summary, action.verb, {200: self.view, 202: self.view})
        path = f"{self.item}/history"
        self._add(router, "GET", path, self._history(), f"How {one} came to be what it is", "read", {200: list[HistoryEntry]})

    def _add(
        self,
        router: APIRouter,
        method: str,
        path: str,
        endpoint: Callable[..., Awaitable[Response]],
        summary: str,
        verb: str,
        answers: dict[int, Any],
    ) -> None:
        first, *others = answers
        documented: dict[int | str, dict[str, Any]] = {status: {"model": answers[status]} for status in others}
        conditions = _conditions(method, path)
        if method == "GET" and conditions:
            documented[304] = {"description": "It is as it was when that ETag was read."}
        suffix = path.rsplit("/", 1)[1]
        name = "history" if suffix == "history" else verb
        router.add_api_route(
            path,
            endpoint,
            methods=[method],
            summary=summary,
            operation_id=f"{self.kind.name}_{name}",
            tags=[self.kind.plural],
            status_code=first,
            response_model=answers[first],
            responses=documented,
            openapi_extra={"x-permission": self.kind.permission(verb), **scope_parameters(path, *conditions)},
        )

    def _open(self, request: Request, verb: str, scope: Scope) -> Any:
        return operation(self.services, request, permission=self.kind.permission(verb), **scope.place)

    async def _mutate(self, request: Request, verb: str, scope: Scope, work: Work) -> Response:
        return await mutate(self.services, request, work, permission=self.kind.permission(verb), **scope.place)

    def _create(self) -> Callable[..., Awaitable[Response]]:
        body = self._create_body()

        async def create(request: Request, body: body) -> Response:  # type: ignore[valid-type]  # made at run time
            wish: Any = body

            async def work(op: Operation) -> Reply:
                op.resource_kind, op.detail = self.kind.name, {"name": wish.name}
                asked: dict[str, Any] = {
                    "name": wish.name, "labels": wish.labels, "actor_id": op.actor.id,
                    "organization_id": op.organization_id, "project_id": op.project_id,
                }  # fmt: skip
                if (count := getattr(wish, "count", None)) is not None:
                    many = await self.services.manager.create_many(op.tx, self.kind, wish.spec, count=count, **asked)
                    op.detail |= {"count": count, "job": public(JOB_PREFIX, many.parent.id if many.parent else None)}
                    return self._bulk_reply(many)
                outcome = await self.services.manager.create(op.tx, self.kind, wish.spec, **asked)
                op.resource_id = outcome.resource.id
                return self._reply(op, outcome, done=201)

            many = getattr(wish, "count", None) is not None
            # What many do is done for many already.
            shared = self.kind.refers(wish.spec) if self.kind.on_create is not None and not many else None
            permission, place = self.kind.permission("create"), path_scope(request).place
            async with attempt(self.services, request, permission=permission, **place) as op:
                made = await op.commit(work, await request.body(), shared=shared)
            return made if many else tag(made)

        return create

    def _list(self) -> Callable[..., Awaitable[Response]]:
        selection = placed_selection if self.operator else Selection

        async def list_page(
            request: Request, chosen: Annotated[Selection, Depends(selection)], limit: Limit = 50, cursor: Cursor = None
        ) -> Response:
            scope = path_scope(request)
            key = "name" if chosen.sort.endswith("name") else "id"
            after = cursor_name(cursor) if key == "name" else cursor_uuid(self.kind.prefix, cursor)
            used = filter_id(self.services.kinds.values(), "uses", chosen.uses)
            async with self._open_list(request, scope) as op:
                found = await pages.page(
                    op.tx,
                    self.kind,
                    project_id=scope.project_id,
                    organization_id=op.organization_id,
                    organization_ids=await self._visible(op, scope),
                    filters=replace(chosen.filters, uses=used),
                    sort=chosen.sort,
                    after=after,
                    limit=limit + 1,
                )
            return page(found, limit, lambda resource: resource_view(self.kind, resource, operator=self.operator), key=key)

        return list_page

    def _open_list(self, request: Request, scope: Scope) -> Any:
        """Everybody may list organizations: those in which they have a role are shown."""
        if self.kind is ORGANIZATION:
            return operation(self.services, request, permission=None)
        return self._open(request, "list", scope)

    async def _visible(self, op: Operation, scope: Scope) -> Sequence[UUID] | None:
        if self.kind is ORGANIZATION:
            return await organizations_of(op.tx, op.actor)
        return [scope.organization_id] if self.kind is PROJECT and scope.organization_id else None

    def _read(self) -> Callable[..., Awaitable[Response]]:
        async def read(request: Request, reference: ReferencePath) -> Response:
            scope = await self._scope_of_item(request, reference)
            async with self._open(request, "read", scope) as op:
                resource = await self._get(op.tx, scope, reference)
                job = await jobs.holder(op.tx, resource.id)
            view = resource_view(self.kind, resource, job=job, operator=self.operator)
            etag = entity_tag(view)
            return not_modified(request, etag) or answer(view, etag=etag)

        return read

    def _update(self) -> Callable[..., Awaitable[Response]]:
        body = self._update_body()

        async def update(request: Request, reference: ReferencePath, body: body) -> Response:  # type: ignore[valid-type]
            wish: Any = body
            if self.services.settings.require_if_match and "if-match" not in request.headers:
                raise PreconditionRequiredError

            async def change(op: Operation, resource: Resource) -> Outcome:
                return await self.services.manager.update(
                    op.tx,
                    self.kind,
                    resource,
                    name=wish.name,
                    labels=wish.labels,
                    request=getattr(wish, "spec", None),
                    actor_id=op.actor.id,
                )

            return await self._change(request, reference, "update", change)

        return update

    def _delete(self) -> Callable[..., Awaitable[Response]]:
        async def delete(request: Request, reference: ReferencePath) -> Response:
            async def change(op: Operation, resource: Resource) -> Outcome:
                return await self.services.manager.delete(op.tx, self.kind, resource, actor_id=op.actor.id)

            return await self._change(request, reference, "delete", change)

        return delete

    def _act(self, action: Action) -> Callable[..., Awaitable[Response]]:
        async def act(request: Request, reference: ReferencePath) -> Response:
            async def change(op: Operation, resource: Resource) -> Outcome:
                return await self.services.manager.act(op.tx, self.kind, resource, action, actor_id=op.actor.id)

            return await self._change(request, reference, action.verb, change)

        return act

    async def _change(
        self, request: Request, reference: str, verb: str, change: Callable[[Operation, Resource], Awaitable[Outcome]]
    ) -> Response:
        """Do something to a resource that is there, and as `If-Match` demands it."""
        demanded = IfMatch.of(request)
        try:
            scope = await self._scope_of_item(request, reference)
        except NotFoundError:
            if (before := await replay(self.services, request)) is not None:  # it was deleted by this very request
                return tag(before)
            raise

        async def work(op: Operation) -> Reply:
            resource = await self._get(op.tx, scope, reference)
            op.resource_kind, op.resource_id = self.kind.name, resource.id
            if demanded is None:
                return self._reply(op, await change(op, resource))
            public_id = self.kind.public_id(resource.id)
            return self._reply(op, await demanded.guard(op.tx, public_id, resource, lambda: change(op, resource)))

        return tag(await self._mutate(request, verb, scope, work))

    def _history(self) -> Callable[..., Awaitable[Response]]:
        async def history(request: Request, reference: ReferencePath) -> Response:
            scope = await self._scope_of_item(request, reference)
            async with self._open(request, "read", scope) as op:
                resource = await self._get(op.tx, scope, reference)
                rows = await store.journal(op.tx, resource.id)
                people = await People.of(op.tx, (row["changed_by"] for row in rows))
            return answer([_change_view(row, people) for row in rows])

        return history

    async def _scope_of_item(self, request: Request, reference: str) -> Scope:
        """An organization or a project is its own scope: who has a role in it may see it."""
        scope = path_scope(request)
        if self.kind not in {ORGANIZATION, PROJECT}:
            return scope
        async with self.services.database.transaction() as tx:
            found = await store.find(tx, self.kind, None, reference, organization_id=scope.organization_id)
        if found is None:
            raise NotFoundError  # the same words as for one that is hidden
        return Scope(found.organization_id, found.project_id)

    async def _get(self, tx: Tx, scope: Scope, reference: str) -> Resource:
        project_id = scope.project_id if self.kind.namespace == "tenant" else None
        return await store.get(tx, self.kind, project_id, reference, organization_id=scope.organization_id)

    def _reply(self, op: Operation, outcome: Outcome, *, done: int = 200) -> Reply:
        body = resource_view(self.kind, outcome.resource, job=outcome.job, operator=self.operator)
        reference = job_reference(outcome.job)
        if reference is not None:
            return Reply(body, 202, str(reference["href"]))
        return Reply(body, done, f"{op.request.url.path}/{body['id']}" if done == 201 else None)

    def _bulk_reply(self, outcome: BulkOutcome) -> Reply:
        items = [resource_view(self.kind, resource, operator=self.operator) for resource in outcome.resources]
        reference = job_reference(outcome.parent)
        href = str(reference["href"]) if reference else None
        return Reply({"items": items, "job": reference}, 202 if reference else 201, href)

    def _create_body(self) -> type[BaseModel]:
        fields: dict[str, Any] = {
            "name": (Name, ...),
            "labels": (Labels, {}),
            "spec": (self.kind.create, _default_if_empty(self.kind.create)),
        }
        if self.kind.namespace == "tenant":
            fields["count"] = (Count | None, None)
        return create_model(f"Create{self.view.__name__}", __base__=Strict, **fields)

    def _update_body(self) -> type[BaseModel]:
        fields: dict[str, Any] = {"name": (Name | None, None), "labels": (Labels | None, None)}
        if self.kind.update is not None:
            fields["spec"] = (self.kind.update | None, None)
        return create_model(f"Update{self.view.__name__}", __base__=Strict, **fields)


ReferencePath = Annotated[str, Path(max_length=80, pattern=REFERENCE_PATTERN, description="The resource's id or name.")]


def _default_if_empty(model: type[BaseModel] | None) -> Any:
    """A spec without required fields need not be said."""
    required = model is not None and any(field.is_required() for field in model.model_fields.values())
    return ... if required or model is None else Field(default_factory=model)


def scope_parameters(path: str, *more: dict[str, Any]) -> dict[str, Any]:
    """The path's own parameters, which are read from the request; and `more`, which are too."""
    names = [name for name in ("organization_id", "project_id") if f"{{{name}}}" in path]
    return {
        "parameters": [
            *({"name": name, "in": "path", "required": True, "schema": {"type": "string", "title": name}} for name in names),
            *more,
        ]
    }


def _conditions(method: str, path: str) -> list[dict[str, Any]]:
    """The header that makes a request about one resource conditional."""
    if "{reference}" not in path or path.endswith("/history"):
        return []
    name, text = "If-Match", "The ETag that was read: the resource is changed only if it is still as it was then."
    if method == "GET":
        name, text = "If-None-Match", "The ETag that was read: 304 if the resource is still as it was then."
    return [{"name": name, "in": "header", "required": False, "description": text, "schema": {"type": "string"}}]


def kind_router(services: Services, kinds: Sequence[Kind]) -> APIRouter:
    """The routes of these kinds."""
    router = APIRouter()
    for kind in kinds:
        KindRoutes(services, kind).add_to(router)
    return router


__all__ = ["KindRoutes", "ResourceView", "Scope", "answer", "kind_router", "path_scope"]
