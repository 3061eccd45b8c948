"""Giving others power: nobody gives, or takes away, more than they have themselves, and not for longer.

Whoever hands out roles, members, custom roles or invitations goes through here; so does who would act as somebody else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from groundplane.controlplane.identity.access import standing_of
from groundplane.controlplane.identity.actor import Actor
from groundplane.controlplane.identity.bindings import (
    RoleBinding,
    bind,
    bindings_of_group,
    bindings_of_service_account,
    get_binding,
    unbind,
)
from groundplane.controlplane.identity.patterns import beyond
from groundplane.controlplane.identity.problems import EscalationError
from groundplane.controlplane.identity.roles import ROLES, CustomRole, find_role, insert_role, rewrite_role
from groundplane.kernel.database import Tx


@dataclass(frozen=True)
class Subject:
    """Who is to get a role: exactly one of the three."""

    user_id: UUID | None = None
    group_id: UUID | None = None
    service_account_id: UUID | None = None


async def refuse_escalation(
    tx: Tx,
    actor: Actor,
    patterns: Sequence[str],
    *,
    organization_id: UUID | None,
    project_id: UUID | None,
    until: datetime | None = None,
) -> None:
    """Return if the actor's roles there, and the credential, have all that these patterns give, at least until then.

    Raises EscalationError, which names what is missing.
    """
    if actor.kind == "system":
        return
    standing = await standing_of(tx, actor, organization_id=organization_id, project_id=project_id)
    own = [pattern for grant in standing.grants if grant.lasts(until) for pattern in grant.permissions]
    missing = {*beyond(own, patterns), *(beyond(actor.scopes, patterns) if actor.scopes is not None else ())}
    if missing:
        raise EscalationError(context={"missing": sorted(missing)})


async def bind_as(
    tx: Tx,
    actor: Actor,
    subject: Subject,
    role: str,
    *,
    organization_id: UUID | None,
    project_id: UUID | None,
    expires_at: datetime | None = None,
) -> RoleBinding:
    """As `bind`, on behalf of an actor. Raises what `bind` does, and EscalationError."""
    found = await find_role(tx, role, organization_id=organization_id, project_id=project_id)
    place = {"organization_id": organization_id, "project_id": project_id}
    await refuse_escalation(tx, actor, found.permissions, **place, until=expires_at)
    return await bind(tx, role=role, **vars(subject), **place, expires_at=expires_at)


async def unbind_as(
    tx: Tx, actor: Actor, binding_id: UUID, *, organization_id: UUID | None, project_id: UUID | None
) -> RoleBinding:
    """As `unbind`, on behalf of an actor, who takes away only what they could give. `project_id`: a binding of that project.

    Raises what `unbind` does, and EscalationError.
    """
    binding = await get_binding(tx, binding_id, organization_id=organization_id, project_id=project_id)
    await _refuse_each(tx, actor, [binding], until=tx.now)
    return await unbind(tx, binding_id, organization_id=organization_id)


async def create_role(
    tx: Tx, actor: Actor, *, organization_id: UUID, name: str, description: str, permissions: Sequence[str]
) -> CustomRole:
    """Make a custom role of permissions that the actor has. Raises EscalationError, RoleExistsError."""
    await refuse_escalation(tx, actor, permissions, organization_id=organization_id, project_id=None)
    return await insert_role(tx, organization_id=organization_id, name=name, description=description, permissions=permissions)


async def update_role(
    tx: Tx,
    actor: Actor,
    role_id: UUID,
    *,
    organization_id: UUID,
    description: str | None = None,
    permissions: Sequence[str] | None = None,
) -> CustomRole:
    """Change a custom role, for all who have it, to what the actor has. Raises EscalationError, RoleNotFoundError."""
    await refuse_escalation(tx, actor, permissions or (), organization_id=organization_id, project_id=None)
    return await rewrite_role(tx, role_id, organization_id=organization_id, description=description, permissions=permissions)


async def refuse_joining(tx: Tx, actor: Actor, group_id: UUID) -> None:
    """Return if the actor has all that the group gives: who adds a member gives that. Raises EscalationError."""
    await _refuse_each(tx, actor, await bindings_of_group(tx, group_id), until=None)


async def refuse_parting(tx: Tx, actor: Actor, group_id: UUID) -> None:
    """Return if the actor has all that the group gives: who takes a member out takes that away. Raises EscalationError."""
    await _refuse_each(tx, actor, await bindings_of_group(tx, group_id), until=tx.now)


async def refuse_acting_as(tx: Tx, actor: Actor, service_account_id: UUID) -> None:
    """Return if the actor has all that the service account may: who makes it a key, or wakes it, gets that.

    Raises EscalationError.
    """
    await _refuse_each(tx, actor, await bindings_of_service_account(tx, service_account_id), until=None)


async def _refuse_each(tx: Tx, actor: Actor, bindings: Sequence[RoleBinding], *, until: datetime | None) -> None:
    for binding in bindings:
        place = {"organization_id": binding.organization_id, "project_id": binding.project_id}
        patterns = await _permissions_of(tx, binding)
        await refuse_escalation(tx, actor, patterns, **place, until=until or binding.expires_at)


async def _permissions_of(tx: Tx, binding: RoleBinding) -> Sequence[str]:
    if binding.custom_role_id is None:
        return ROLES[binding.role].permissions if binding.role in ROLES else ()
    patterns: Sequence[str] = await tx.value("SELECT permissions FROM custom_role WHERE id = $1", binding.custom_role_id)
    return patterns
