"""The access check: may somebody do that there, and through which binding; or what is missing. It decides nothing itself."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import Field, StringConstraints

from groundplane.controlplane.gateway.identity.shapes import (
    BINDING_PREFIX,
    GROUP_PREFIX,
    PublicId,
    find_user,
    organization_uuid,
    project_uuid,
)
from groundplane.controlplane.gateway.kinds import answer
from groundplane.controlplane.gateway.operation import Operation, operation
from groundplane.controlplane.gateway.permissions import known_permissions
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.views import View, public
from groundplane.controlplane.identity import (
    SERVICE_ACCOUNT_PREFIX,
    Actor,
    Decision,
    Grant,
    decide,
    get_group,
    get_service_account,
    get_user,
    roles_that_give,
)
from groundplane.controlplane.resources.fields import Strict
from groundplane.controlplane.resources.organization import ORGANIZATION
from groundplane.controlplane.resources.project import PROJECT
from groundplane.kernel.database import Tx
from groundplane.kernel.errors import FieldProblem, InvalidRequestError
from groundplane.kernel.ids import format_id, parse_id

CHECK_PATH = "/access/check"
READ_BINDINGS = "identity.role_binding.list"


class CheckAccess(Strict):
    """What is to be done, and where: in a project, in an organization, or (neither) on the platform."""

    permission: Annotated[str, StringConstraints(max_length=120), Field(description="Such as compute.vm.create.")]
    organization_id: PublicId | None = None
    project_id: PublicId | None = None
    subject: Annotated[str, StringConstraints(max_length=254)] | None = Field(
        default=None,
        description="A user (id or e-mail address) or a service account (id), for those who may list role bindings there; "
        "else it is about yourself, with the credential that you are using.",
    )


class GrantView(View):
    """The binding through which it is allowed, of the several the one that lasts longest."""

    binding_id: str
    role: str
    organization_id: str | None
    project_id: str | None
    group_id: str | None = Field(description="The group that has the role, if it is a group's.")
    group_name: str | None
    expires_at: datetime | None


class MissingView(View):
    """What is needed: the permission, by one of these roles bound there; or a credential of a wider scope."""

    permission: str
    roles: list[str]
    scope: bool = Field(description="A role gives it, but the credential is not good for it.")


class AccessView(View):
    """Whether a request would be let in; `code` and `detail` are those of the problem that would answer it."""

    allowed: bool
    code: Literal["forbidden", "not_found", "unauthenticated"] | None
    detail: str | None
    through: GrantView | None
    missing: MissingView | None


def add_check_route(router: APIRouter, services: Services) -> None:
    """One route, which changes nothing."""

    @router.post(CHECK_PATH, response_model=AccessView, tags=["access"], operation_id="access_check")
    async def check_access(request: Request, body: CheckAccess) -> Response:
        """Tell whether somebody may do something, and through which binding, or what is missing."""
        if body.permission not in known_permissions(request):
            detail = "there is no such permission; list them with GET /api/common/v1/permissions"
            raise InvalidRequestError(errors=[FieldProblem(pointer="/permission", detail=detail)])
        organization_id = organization_uuid(body.organization_id) if body.organization_id is not None else None
        project_id = project_uuid(body.project_id)
        needed = READ_BINDINGS if body.subject is not None else None
        async with operation(
            services, request, permission=needed, organization_id=organization_id, project_id=project_id
        ) as op:
            subject = await _subject(op, body.subject)
            decision = await decide(op.tx, subject, body.permission, organization_id=organization_id, project_id=project_id)
            view = await _view(op.tx, decision, project_id)
        return answer(view)


async def _subject(op: Operation, reference: str | None) -> Actor:
    if reference is None:
        return op.actor
    account_id = parse_id(SERVICE_ACCOUNT_PREFIX, reference)
    if account_id is not None:
        return (await get_service_account(op.tx, account_id, organization_id=op.organization_id)).actor
    return (await get_user(op.tx, await find_user(op.tx, reference))).actor


async def _view(tx: Tx, decision: Decision, project_id: UUID | None) -> dict[str, object]:
    problem = decision.problem
    return {
        "allowed": problem is None,
        "code": _CODES[problem.status] if problem else None,
        "detail": problem.detail if problem else None,
        "through": await _grant_view(tx, decision.grant) if decision.grant else None,
        "missing": await _missing_view(tx, decision, project_id) if problem else None,
    }


_CODES = {401: "unauthenticated", 403: "forbidden", 404: "not_found"}


async def _grant_view(tx: Tx, grant: Grant) -> dict[str, object]:
    async with tx.unconfined():  # a group with a role on the platform is asked about in organizations that are not its own
        group = await get_group(tx, grant.group_id) if grant.group_id else None
    return {
        "binding_id": format_id(BINDING_PREFIX, grant.binding_id),
        "role": grant.role,
        "organization_id": public(ORGANIZATION.prefix, grant.organization_id),
        "project_id": public(PROJECT.prefix, grant.project_id),
        "group_id": public(GROUP_PREFIX, grant.group_id),
        "group_name": group.name if group else None,
        "expires_at": grant.expires_at,
    }


async def _missing_view(tx: Tx, decision: Decision, project_id: UUID | None) -> dict[str, object]:
    """Custom roles are told only to who sees the place."""
    standing, permission = decision.standing, decision.permission
    told = standing.organization_id if standing.visible else None
    place = {"organization_id": standing.organization_id, "project_id": project_id}
    roles = await roles_that_give(tx, permission, **place, custom_of=told) if decision.grant is None else []
    return {"permission": permission, "roles": roles, "scope": decision.grant is not None and not decision.in_scope}
