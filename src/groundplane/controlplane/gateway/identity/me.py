"""The routes of oneself: who one is, what one may do in a place, and where one may go."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from groundplane.controlplane.gateway.identity.role_bindings import BindingView, binding_view
from groundplane.controlplane.gateway.identity.service_accounts import ServiceAccountView, service_account_view
from groundplane.controlplane.gateway.identity.shapes import PublicId, organization_uuid, project_uuid
from groundplane.controlplane.gateway.identity.users import UserView, user_view
from groundplane.controlplane.gateway.kinds import answer
from groundplane.controlplane.gateway.operation import Operation, operation
from groundplane.controlplane.gateway.permissions import known_permissions
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.views import View
from groundplane.controlplane.identity import (
    Places,
    bindings_of_service_account,
    bindings_of_user,
    get_service_account,
    get_user,
    permissions_in,
    places_of,
)
from groundplane.controlplane.resources.organization import ORGANIZATION
from groundplane.controlplane.resources.project import PROJECT

MOST_PLACES = 1000

InOrganization = Annotated[PublicId | None, Query(description="In this organization, which is in each of its projects too.")]
InProject = Annotated[PublicId | None, Query(description="In this project.")]
NamePrefix = Annotated[str | None, Query(max_length=63, pattern=r"^[^\x00]*$", description="Only names that begin so.")]


class MeView(View):
    """Who is asking, a user or a service account, and the roles that they have now, those of their groups included."""

    user: UserView | None
    service_account: ServiceAccountView | None
    role_bindings: list[BindingView]


class OwnPermissionsView(View):
    """What the caller may do in a place, with the credential that they are using."""

    permissions: list[str] = Field(description="Without wildcards, of those that GET /permissions lists.")


class PlaceView(View):
    """An organization in which the caller may do something, or has a project to do it in."""

    id: str
    name: str


class OwnProjectView(View):
    """A project in which the caller may do something."""

    id: str
    name: str
    organization_id: str
    organization_name: str


class OwnPlacesView(View):
    """Where the caller may go, by name."""

    projects: list[OwnProjectView]
    organizations: list[PlaceView]
    platform: bool = Field(description="The caller has a role on the whole platform.")
    truncated: bool = Field(description=f"There are more than {MOST_PLACES}: ask with name_prefix.")


def add_own_routes(router: APIRouter, services: Services) -> None:
    """Three readings, which need no role."""

    @router.get("/me", response_model=MeView, tags=["session"], operation_id="me_read")
    async def me(request: Request) -> Response:
        """Who you are, and what you are bound to."""
        async with operation(services, request, permission=None) as op:
            return answer(await _me(op))

    @router.get("/me/permissions", response_model=OwnPermissionsView, tags=["session"], operation_id="own_permission_list")
    async def my_permissions(
        request: Request, organization_id: InOrganization = None, project_id: InProject = None
    ) -> Response:
        """What you may do in an organization, in a project or (neither) on the platform."""
        place = {
            "organization_id": organization_uuid(organization_id) if organization_id is not None else None,
            "project_id": project_uuid(project_id),
        }
        async with operation(services, request, permission=None) as op:
            permissions = await permissions_in(op.tx, op.actor, known_permissions(request), **place)
        return answer({"permissions": permissions})

    @router.get("/me/projects", response_model=OwnPlacesView, tags=["session"], operation_id="own_project_list")
    async def my_projects(request: Request, name_prefix: NamePrefix = None) -> Response:
        """The organizations and projects in which you have a role, whichever binding gives it."""
        async with operation(services, request, permission=None) as op:
            places = await places_of(op.tx, op.actor, name_prefix=name_prefix, limit=MOST_PLACES)
        return answer(_places_view(places))


async def _me(op: Operation) -> dict[str, object]:
    if op.actor.kind == "service_account":
        account = service_account_view(await get_service_account(op.tx, op.actor.id))
        bindings = await bindings_of_service_account(op.tx, op.actor.id)
        return {"user": None, "service_account": account, "role_bindings": [binding_view(each) for each in bindings]}
    user = user_view(await get_user(op.tx, op.actor.id))
    bindings = await bindings_of_user(op.tx, op.actor.id)
    return {"user": user, "service_account": None, "role_bindings": [binding_view(each) for each in bindings]}


def _places_view(places: Places) -> dict[str, object]:
    return {
        "projects": [
            {
                "id": PROJECT.public_id(row["id"]),
                "name": row["name"],
                "organization_id": ORGANIZATION.public_id(row["organization_id"]),
                "organization_name": row["organization_name"],
            }
            for row in places.projects
        ],
        "organizations": [{"id": ORGANIZATION.public_id(row["id"]), "name": row["name"]} for row in places.organizations],
        "platform": places.platform,
        "truncated": places.truncated,
    }
