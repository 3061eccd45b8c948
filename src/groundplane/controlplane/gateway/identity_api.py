"""The routes of identity in the common API, put together; and who one is."""

from fastapi import APIRouter, Request, Response

from groundplane.controlplane.gateway.identity.check import add_check_route
from groundplane.controlplane.gateway.identity.groups import add_group_routes
from groundplane.controlplane.gateway.identity.invitations import add_invitation_routes
from groundplane.controlplane.gateway.identity.role_bindings import BindingView, add_binding_routes, binding_view
from groundplane.controlplane.gateway.identity.roles import add_role_routes
from groundplane.controlplane.gateway.identity.service_accounts import (
    ServiceAccountView,
    add_service_account_routes,
    service_account_view,
)
from groundplane.controlplane.gateway.identity.users import UserView, add_user_routes, user_view
from groundplane.controlplane.gateway.kinds import answer
from groundplane.controlplane.gateway.operation import Operation, operation
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.views import View
from groundplane.controlplane.identity import (
    bindings_of_service_account,
    bindings_of_user,
    get_service_account,
    get_user,
)


class MeView(View):
    """Who is asking, a user or a service account, and the roles that they have now, those of their groups included."""

    user: UserView | None
    service_account: ServiceAccountView | None
    role_bindings: list[BindingView]


def identity_router(services: Services) -> APIRouter:
    """Users, groups, service accounts, roles, their bindings, invitations, and the access check."""
    router = APIRouter()
    _add_session_routes(router, services)
    add_user_routes(router, services)
    add_group_routes(router, services)
    add_service_account_routes(router, services)
    add_role_routes(router, services)
    add_binding_routes(router, services)
    add_invitation_routes(router, services)
    add_check_route(router, services)
    return router


def _add_session_routes(router: APIRouter, services: Services) -> None:
    @router.get("/me", response_model=MeView, tags=["session"], operation_id="session_read")
    async def me(request: Request) -> Response:
        """Who you are, and what you are bound to."""
        async with operation(services, request, permission=None) as op:
            return answer(await _me(op))


async def _me(op: Operation) -> dict[str, object]:
    if op.actor.kind == "service_account":
        account = service_account_view(await get_service_account(op.tx, op.actor.id))
        bindings = await bindings_of_service_account(op.tx, op.actor.id)
        return {"user": None, "service_account": account, "role_bindings": [binding_view(each) for each in bindings]}
    user = user_view(await get_user(op.tx, op.actor.id))
    bindings = await bindings_of_user(op.tx, op.actor.id)
    return {"user": user, "service_account": None, "role_bindings": [binding_view(each) for each in bindings]}
