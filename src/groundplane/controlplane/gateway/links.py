"""How resources hang together: what one uses and what uses it, and a project as a picture. Reads only.

Each sees what they may read of the kinds; where things are placed, operators alone.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import Field

from groundplane.controlplane.gateway.kinds import KindRoutes, ReferencePath, answer, path_scope, scope_parameters
from groundplane.controlplane.gateway.operation import Operation, operation
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.views import View
from groundplane.controlplane.identity import permissions_in
from groundplane.controlplane.resources import links
from groundplane.controlplane.resources.kind import Kind
from groundplane.kernel.database import Row
from groundplane.kernel.errors import NotFoundError

TOPOLOGY_READ = "resources.topology.read"
PROJECT_PATH = "/projects/{project_id}"

MOST_USERS = 200
MOST_NODES = 2000


class ResourceBrief(View):
    """A resource in short."""

    id: str
    kind: str
    name: str
    status: str


class LinkView(View):
    """A resource at the other end of a link."""

    role: str = Field(description="What it is used as: network, subnet, security_group, root, disk, nic0, source, …")
    resource: ResourceBrief


class Links(View):
    """What a resource uses, and what uses it."""

    uses: list[LinkView]
    used_by: list[LinkView]
    truncated: bool = Field(description=f"More than {MOST_USERS} use it: list them with `uses`.")


class TopologyLink(View):
    """One resource uses another."""

    source: str = Field(alias="from")
    target: str = Field(alias="to")
    role: str


class Topology(View):
    """A project's resources and what they use of one another."""

    nodes: list[ResourceBrief]
    links: list[TopologyLink]
    truncated: bool = Field(description=f"There are more than {MOST_NODES}: these are some of each kind.")


class LinkRoute(KindRoutes):
    """The links of one kind's resources."""

    def add_to(self, router: APIRouter) -> None:
        """Declare the route."""
        path, noun = f"{self.item}/links", self.kind.name.replace("_", " ")
        router.add_api_route(
            path, self._links(), methods=["GET"], summary=f"What this {noun} uses, and what uses it",
            operation_id=f"{self.kind.name}_links", tags=[self.kind.plural], response_model=Links,
            openapi_extra={"x-permission": self.kind.permission("read"), **scope_parameters(path)},
        )  # fmt: skip

    def _links(self) -> Callable[..., Awaitable[Response]]:
        async def read_links(request: Request, reference: ReferencePath) -> Response:
            scope = await self._scope_of_item(request, reference)
            async with self._open(request, "read", scope) as op:
                resource = await self._get(op.tx, scope, reference)
                uses = await links.uses(op.tx, resource.id)
                used_by = await links.users(op.tx, resource.id, limit=MOST_USERS + 1)
                shown = await readable(op, self.services.kinds.values(), operator=self.operator)
            return answer(
                {
                    "uses": _link_views(uses, shown),
                    "used_by": _link_views(used_by[:MOST_USERS], shown),
                    "truncated": len(used_by) > MOST_USERS,
                }
            )

        return read_links


async def readable(op: Operation, kinds: Collection[Kind], *, operator: bool) -> Mapping[str, Kind]:
    """Those of the kinds, by name, whose resources the actor may read at the operation's place."""
    asked = {kind.permission("read"): kind for kind in kinds if operator or kind.namespace != "ops"}
    place: dict[str, UUID | None] = {"organization_id": op.organization_id, "project_id": op.project_id}
    async with op.tx.unconfined():  # roles on the platform count, too
        permitted = set(await permissions_in(op.tx, op.actor, asked, **place))
    return {kind.name: kind for permission, kind in asked.items() if permission in permitted}


def link_router(services: Services, kinds: Sequence[Kind]) -> APIRouter:
    """The links of these kinds' resources."""
    router = APIRouter()
    for kind in kinds:
        LinkRoute(services, kind).add_to(router)
    return router


def topology_router(services: Services) -> APIRouter:
    """A project as a picture."""
    router = APIRouter(prefix=PROJECT_PATH, tags=["overview"])
    tenants = [kind for kind in services.kinds.values() if kind.namespace == "tenant"]

    @router.get(
        "/topology", summary="Read how a project's resources hang together", operation_id="topology_read",
        response_model=Topology, openapi_extra={"x-permission": TOPOLOGY_READ, **scope_parameters(PROJECT_PATH)},
    )  # fmt: skip
    async def read_topology(request: Request) -> Response:
        """Its resources as nodes, and their links."""
        scope = path_scope(request)
        if scope.project_id is None:
            raise NotFoundError
        async with operation(services, request, permission=TOPOLOGY_READ, **scope.place) as op:
            shown = await readable(op, tenants, operator=False)
            found = await links.topology(op.tx, scope.project_id, sorted(shown), limit=MOST_NODES)
        ids = {row["id"]: shown[row["kind"]].public_id(row["id"]) for row in found.nodes}
        return answer(
            {
                "nodes": [brief(row, shown) for row in found.nodes],
                "links": [
                    {"from": ids[row["source_id"]], "to": ids[row["target_id"]], "role": row["role"]} for row in found.links
                ],
                "truncated": found.truncated,
            }
        )

    return router


def brief(row: Row, kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """A resource in short."""
    kind = kinds[row["kind"]]
    return {"id": kind.public_id(row["id"]), "kind": kind.name, "name": row["name"], "status": row["status"]}


def _link_views(rows: Sequence[Row], kinds: Mapping[str, Kind]) -> list[dict[str, Any]]:
    return [{"role": row["role"], "resource": brief(row, kinds)} for row in rows if row["kind"] in kinds]
