"""The routes of invitations: made, listed and revoked in an organization; accepted by whoever has the token.

There is no mail server: the inviter is answered the token, once, and passes it on. It is never audited, and what is stored of
the answer for a repetition of the request has it sealed.
"""

import base64
import json
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import Field, StringConstraints

from groundplane.controlplane.audit import AuditEntry, Outcome, record
from groundplane.controlplane.gateway.identity.shapes import (
    ORGANIZATION_PATH,
    PREFIXES,
    Email,
    EmailFilter,
    IdPath,
    Password,
    PersonName,
    PublicId,
    RoleName,
    named,
    organization_uuid,
    project_uuid,
    uuid_of,
)
from groundplane.controlplane.gateway.identity.users import UserView, user_view
from groundplane.controlplane.gateway.kinds import Cursor, Limit, answer, cursor_uuid, page
from groundplane.controlplane.gateway.operation import Operation, Reply, mutate, operation, origin
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.views import View, public
from groundplane.controlplane.identity import (
    INVITATION_PREFIX,
    USER_PREFIX,
    Invitation,
    InvitationStatus,
    User,
    accept_invitation,
    hash_for_joining,
    invite,
    join,
    list_invitations,
    revoke_invitation,
)
from groundplane.controlplane.resources.fields import Strict
from groundplane.controlplane.resources.organization import ORGANIZATION
from groundplane.controlplane.resources.project import PROJECT
from groundplane.kernel.errors import GroundplaneError
from groundplane.kernel.ids import format_id, parse_id

JOIN_PATH = "/invitations/join"
JOIN = "identity.invitation.join"
_PATH = f"{ORGANIZATION_PATH}/invitations"

InvitationToken = Annotated[str, StringConstraints(max_length=200), Field(description="What the inviter was told.")]


class CreateInvitation(Strict):
    """Who may join, and with which role. Nobody invites to more than they have themselves."""

    email: Email
    role: RoleName
    project_id: PublicId | None = Field(default=None, description="The role is in this project only.")
    expires_in_days: Annotated[int, Field(ge=1, le=90)] = 7


class AcceptInvitation(Strict):
    """The token of an invitation for the e-mail address of who is logged in."""

    token: InvitationToken


class JoinByInvitation(Strict):
    """The token of an invitation, and who they are whom it is for: somebody without an account yet."""

    token: InvitationToken
    name: PersonName
    password: Password


class InvitationView(View):
    """Whoever has this e-mail address may have a role in an organization, or in one of its projects."""

    id: str
    organization_id: str
    project_id: str | None
    email: str
    role: str
    invited_by: str
    status: InvitationStatus
    expires_at: datetime
    accepted_at: datetime | None
    accepted_by: str | None
    revoked_at: datetime | None
    created_at: datetime


class NewInvitationView(InvitationView):
    """An invitation, and the token to accept it with, which is told only now: pass it on."""

    token: str


class InvitationPage(View):
    """A page of invitations, however they stand, oldest first."""

    items: list[InvitationView]
    next: str | None


class JoinedView(View):
    """The invitation that was accepted, and the new user, who can log in now."""

    invitation: InvitationView
    user: UserView


def add_invitation_routes(router: APIRouter, services: Services) -> None:
    """Invite, list, revoke; accept, join."""
    _add_inviting(router, services)
    _add_accepting(router, services)
    _add_joining(router, services)


def _add_inviting(router: APIRouter, services: Services) -> None:
    @router.post(
        _PATH, response_model=NewInvitationView, status_code=201, tags=["invitations"], **named("invitation", "create")
    )
    async def create(request: Request, organization_id: IdPath, body: CreateInvitation) -> Response:
        """Invite an e-mail address to a role. The token in the answer is told only once."""
        scope = organization_uuid(organization_id)

        async def work(op: Operation) -> Reply:
            op.resource_kind, op.detail = "invitation", {"email": body.email, "role": body.role}
            op.project_id = project_uuid(body.project_id)
            invitation, token = await invite(
                op.tx, op.actor, email=body.email, role=body.role, organization_id=scope, project_id=op.project_id,
                lifetime=timedelta(days=body.expires_in_days),
            )  # fmt: skip
            op.resource_id = invitation.id
            return Reply({**invitation_view(invitation), "token": _sealed(services, invitation.id, token)}, 201)

        made = await mutate(services, request, work, permission="identity.invitation.create", organization_id=scope)
        return _opened(services, made)

    @router.get(_PATH, response_model=InvitationPage, tags=["invitations"], **named("invitation", "list"))
    async def list_page(
        request: Request, organization_id: IdPath, limit: Limit = 50, cursor: Cursor = None, email: EmailFilter = None
    ) -> Response:
        """List an organization's invitations, however they stand."""
        scope, after = organization_uuid(organization_id), cursor_uuid(INVITATION_PREFIX, cursor)
        async with operation(services, request, permission="identity.invitation.list", organization_id=scope) as op:
            found = await list_invitations(op.tx, organization_id=scope, email=email, after=after, limit=limit + 1)
        return page(found, limit, invitation_view)

    @router.delete(
        f"{_PATH}/{{invitation_id}}", response_model=InvitationView, tags=["invitations"], **named("invitation", "delete")
    )
    async def revoke(request: Request, organization_id: IdPath, invitation_id: IdPath) -> Response:
        """Revoke an invitation: its token is worth nothing from now on."""
        scope = organization_uuid(organization_id)

        async def work(op: Operation) -> Reply:
            op.resource_kind, op.resource_id = "invitation", uuid_of(INVITATION_PREFIX, invitation_id)
            invitation = await revoke_invitation(op.tx, op.resource_id, organization_id=scope)
            op.detail = {"email": invitation.email, "role": invitation.role}
            return Reply(invitation_view(invitation))

        return await mutate(services, request, work, permission="identity.invitation.delete", organization_id=scope)


def _add_accepting(router: APIRouter, services: Services) -> None:
    @router.post(
        "/invitations/accept", response_model=InvitationView, tags=["invitations"], operation_id="invitation_accept",
        openapi_extra={"x-mutation": True},
    )  # fmt: skip
    async def accept(request: Request, body: AcceptInvitation) -> Response:
        """Accept an invitation for your own e-mail address."""

        async def work(op: Operation) -> Reply:
            op.resource_kind, op.resource_id = "invitation", _id_in(body.token)
            invitation = await accept_invitation(op.tx, op.actor, body.token)
            op.organization_id, op.project_id = invitation.organization_id, invitation.project_id
            op.detail = {"role": invitation.role}
            return Reply(invitation_view(invitation))

        return await mutate(services, request, work, permission=None)


def _add_joining(router: APIRouter, services: Services) -> None:
    @router.post(
        JOIN_PATH, response_model=JoinedView, status_code=201, tags=["invitations"], operation_id="invitation_join",
        openapi_extra={"security": []},
    )  # fmt: skip
    async def join_by_invitation(request: Request, body: JoinByInvitation) -> Response:
        """Make yourself an account with an invitation, for its e-mail address. Its token is all that is asked for."""
        try:
            password_hash = await hash_for_joining(services.database, body.token, body.password)
            async with services.database.transaction() as tx:
                invitation, user = await join(tx, body.token, name=body.name, password_hash=password_hash)
                record(tx, _joining(request, body.token, "allowed", None, invitation, user))
        except GroundplaneError as error:
            async with services.database.transaction() as tx:
                record(tx, _joining(request, body.token, "denied" if error.status == 404 else "failed", error.code))
            raise
        return answer({"invitation": invitation_view(invitation), "user": user_view(user)}, 201)


def _joining(
    request: Request,
    token: str,
    outcome: Outcome,
    code: str | None,
    invitation: Invitation | None = None,
    user: User | None = None,
) -> AuditEntry:
    return AuditEntry(
        action=JOIN,
        outcome=outcome,
        actor_id=user.id if user else None,
        actor_kind="user" if user else "anonymous",
        organization_id=invitation.organization_id if invitation else None,
        project_id=invitation.project_id if invitation else None,
        resource_kind="invitation",
        resource_id=_id_in(token),
        code=code,
        detail={"email": user.email, "role": invitation.role} if user and invitation else {},
        **origin(request),
    )


def _id_in(token: str) -> UUID | None:
    """Which invitation a token says that it is for: no secret."""
    return parse_id(INVITATION_PREFIX, token.partition(".")[0])


def _sealed(services: Services, invitation_id: UUID, token: str) -> str:
    return base64.b64encode(services.secret_box.seal(token.encode(), invitation_id.bytes)).decode()


def _opened(services: Services, made: Response) -> Response:
    """The answer with the token, which is sealed in what was stored. A dry run has none."""
    if made.status_code != 201:
        return made
    body = json.loads(bytes(made.body))
    envelope = base64.b64decode(body["token"])
    bound_to = uuid_of(INVITATION_PREFIX, body["id"]).bytes
    opened = answer({**body, "token": services.secret_box.open(envelope, bound_to).decode()}, 201)
    opened.headers.update(
        {name: value for name, value in made.headers.items() if name not in {"content-length", "content-type"}}
    )
    return opened


def invitation_view(invitation: Invitation) -> dict[str, object]:
    """The invitation as answered."""
    return {
        "id": format_id(INVITATION_PREFIX, invitation.id),
        "organization_id": public(ORGANIZATION.prefix, invitation.organization_id),
        "project_id": public(PROJECT.prefix, invitation.project_id),
        "email": invitation.email,
        "role": invitation.role,
        "invited_by": format_id(PREFIXES.get(invitation.invited_by_kind, USER_PREFIX), invitation.invited_by),
        "status": invitation.status,
        "expires_at": invitation.expires_at,
        "accepted_at": invitation.accepted_at,
        "accepted_by": public(USER_PREFIX, invitation.accepted_by),
        "revoked_at": invitation.revoked_at,
        "created_at": invitation.created_at,
    }
