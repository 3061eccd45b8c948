"""Invitations: told once, good once, for one address, until they expire or are revoked."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from tests.conftest import NewProject
from tests.controlplane.identity.people import new_actor

from groundplane.controlplane.identity import (
    Actor,
    EmailTakenError,
    EscalationError,
    InvalidInvitationError,
    InvitationClosedError,
    InvitationNotFoundError,
    InvitedSomebodyElseError,
    accept_invitation,
    authorize,
    bind,
    bindings_of_user,
    get_invitation,
    hash_for_joining,
    invite,
    join,
    list_invitations,
    revoke_invitation,
)
from groundplane.kernel.database import Database, Tx
from groundplane.kernel.errors import InvalidRequestError, NotFoundError
from groundplane.kernel.ids import new_id

OWNER = Actor(new_id(), "system", "somebody who may give anything")


def _email() -> str:
    return f"{new_id().hex}@example.org"


async def _status(tx: Tx, invitation_id: UUID, organization: UUID) -> str:
    return (await get_invitation(tx, invitation_id, organization_id=organization)).status


async def test_who_is_invited_gets_the_role_by_accepting(database: Database, new_project: NewProject) -> None:
    organization, project = await new_project()
    async with database.transaction() as tx:
        actor = await new_actor(tx, "Ann@Example.org")
        invitation, token = await invite(
            tx, OWNER, email="ann@example.ORG", role="viewer", organization_id=organization, project_id=project
        )
        assert invitation.expires_at - invitation.created_at == timedelta(days=7)
        accepted = await accept_invitation(tx, actor, token)
        assert (accepted.status, accepted.accepted_by) == ("accepted", actor.id)
        await authorize(tx, actor, "compute.vm.read", organization_id=organization, project_id=project)
        with pytest.raises(InvalidInvitationError):
            await accept_invitation(tx, actor, token)
        with pytest.raises(InvitationClosedError):
            await revoke_invitation(tx, invitation.id, organization_id=organization)


async def test_somebody_new_joins_with_name_and_password(database: Database, new_project: NewProject) -> None:
    organization, _ = await new_project()
    email = _email()
    async with database.transaction() as tx:
        _, token = await invite(tx, OWNER, email=email, role="project_operator", organization_id=organization)
    password_hash = await hash_for_joining(database, token, "correct horse battery")
    async with database.transaction() as tx:
        _, user = await join(tx, token, name="Ann", password_hash=password_hash)
        assert (user.email, user.name) == (email, "Ann")
        (binding,) = await bindings_of_user(tx, user.id)
        assert (binding.role, binding.organization_id) == ("project_operator", organization)
    with pytest.raises(InvalidInvitationError):
        await hash_for_joining(database, token, "correct horse battery")


async def test_who_has_an_account_does_not_join_twice_but_accepts(database: Database, new_project: NewProject) -> None:
    organization, _ = await new_project()
    async with database.transaction() as tx:
        actor = await new_actor(tx)
        invitation, token = await invite(tx, OWNER, email=actor.name, role="viewer", organization_id=organization)
        with pytest.raises(EmailTakenError):
            await join(tx, token, name="Ann", password_hash="none")
        assert await _status(tx, invitation.id, organization) == "open"
        await bind(tx, user_id=actor.id, role="viewer", organization_id=organization)  # meanwhile
        assert (await accept_invitation(tx, actor, token)).status == "accepted"


async def test_nobody_takes_what_is_for_somebody_else(database: Database, new_project: NewProject) -> None:
    organization, _ = await new_project()
    async with database.transaction() as tx:
        invitation, token = await invite(tx, OWNER, email=_email(), role="viewer", organization_id=organization)
        stranger = await new_actor(tx)
        for actor in (stranger, Actor(new_id(), "service_account", invitation.email)):
            with pytest.raises(InvitedSomebodyElseError):
                await accept_invitation(tx, actor, token)
        assert await _status(tx, invitation.id, organization) == "open"


async def test_what_is_wrong_revoked_or_expired_is_answered_alike(database: Database, new_project: NewProject) -> None:
    organization, _ = await new_project()
    other, _ = await new_project()
    async with database.transaction() as tx:
        actor = await new_actor(tx)
        invited = [await invite(tx, OWNER, email=actor.name, role="viewer", organization_id=organization) for _ in range(3)]
        (revoked, revoked_token), (expired, expired_token), (_, good_token) = invited
        with pytest.raises(InvitationNotFoundError):
            await revoke_invitation(tx, revoked.id, organization_id=other)
        assert (await revoke_invitation(tx, revoked.id, organization_id=organization)).status == "revoked"
        await tx.execute("UPDATE invitation SET expires_at = now() WHERE id = $1", expired.id)
        assert await _status(tx, expired.id, organization) == "expired"
        mixed = f"{good_token.partition('.')[0]}.{expired_token.partition('.')[2]}"
        for token in (revoked_token, expired_token, mixed, f"{good_token}x", "", "inv_x", f"inv_{'0' * 26}.x", "é\x00"):
            with pytest.raises(InvalidInvitationError):
                await accept_invitation(tx, actor, token)
        assert [each.status for each in await list_invitations(tx, organization_id=organization)] == [
            "revoked", "expired", "open",
        ]  # fmt: skip


async def test_of_many_who_use_it_at_once_one_gets_in(database: Database, new_project: NewProject) -> None:
    organization, _ = await new_project()
    async with database.transaction() as tx:
        _, token = await invite(tx, OWNER, email=_email(), role="viewer", organization_id=organization)

    async def use() -> UUID:
        async with database.transaction() as tx:
            return (await join(tx, token, name="Ann", password_hash="none"))[1].id

    results = await asyncio.gather(*(use() for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(result, UUID) for result in results) == 1
    assert all(isinstance(result, UUID | InvalidInvitationError) for result in results)


async def test_only_a_hash_of_the_token_is_kept(database: Database, new_project: NewProject) -> None:
    organization, _ = await new_project()
    async with database.transaction() as tx:
        invitation, token = await invite(tx, OWNER, email=_email(), role="viewer", organization_id=organization)
        row = await tx.one("SELECT invitation::text AS whole FROM invitation WHERE id = $1", invitation.id)
    secret = token.partition(".")[2]
    assert len(secret) == 43
    assert secret not in row["whole"]
    assert secret.encode().hex() not in row["whole"]


async def test_nobody_invites_to_more_than_they_have(database: Database, new_project: NewProject) -> None:
    organization, _ = await new_project()
    _, elsewhere = await new_project()
    async with database.transaction() as tx:
        admin = await new_actor(tx)
        await bind(tx, user_id=admin.id, role="organization_admin", organization_id=organization)
        place = {"organization_id": organization, "email": "ann@example.org"}
        with pytest.raises(EscalationError):
            await invite(tx, admin, role="owner", **place)  # type: ignore[arg-type]
        with pytest.raises(NotFoundError):
            await invite(tx, admin, role="viewer", project_id=elsewhere, **place)  # type: ignore[arg-type]
        for role in ("admin", "king"):
            with pytest.raises(InvalidRequestError):
                await invite(tx, admin, role=role, **place)  # type: ignore[arg-type]
