"""The routes of identity in the common API, put together."""

from fastapi import APIRouter

from groundplane.controlplane.gateway.identity.check import add_check_route
from groundplane.controlplane.gateway.identity.groups import add_group_routes
from groundplane.controlplane.gateway.identity.invitations import add_invitation_routes
from groundplane.controlplane.gateway.identity.me import add_own_routes
from groundplane.controlplane.gateway.identity.role_bindings import add_binding_routes
from groundplane.controlplane.gateway.identity.roles import add_role_routes
from groundplane.controlplane.gateway.identity.service_accounts import add_service_account_routes
from groundplane.controlplane.gateway.identity.users import add_user_routes
from groundplane.controlplane.gateway.services import Services


def identity_router(services: Services) -> APIRouter:
    """Who one is, users, groups, service accounts, roles, their bindings, invitations, and the access check."""
    router = APIRouter()
    add_own_routes(router, services)
    add_user_routes(router, services)
    add_group_routes(router, services)
    add_service_account_routes(router, services)
    add_role_routes(router, services)
    add_binding_routes(router, services)
    add_invitation_routes(router, services)
    add_check_route(router, services)
    return router
