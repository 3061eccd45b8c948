"""Writes and reads the table audit_event. Never changes or deletes a row: the database refuses that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from groundplane.kernel.database import Tx
from groundplane.kernel.where import Where

Outcome = Literal["allowed", "denied", "failed"]
ActorKind = Literal["user", "service_account", "agent", "system", "anonymous"]


@dataclass(frozen=True, kw_only=True)
class AuditEntry:
    """Who did, or tried, what to which resource, and how it ended.

    action      the permission that was asked for: `compute.vm.create`
    outcome     allowed; denied (401, 403 or hidden as 404 for want of a role); failed (refused for any other reason)
    code        the stable code of the problem that answered, if one did
    address     the client's network address
    detail      more about the request; never a secret
    """

    action: str
    outcome: Outcome
    actor_id: UUID | None
    actor_kind: ActorKind
    organization_id: UUID | None = None
    project_id: UUID | None = None
    resource_kind: str | None = None
    resource_id: UUID | None = None
    code: str | None = None
    request_id: str | None = None
    trace: str = ""
    address: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class AuditEvent(AuditEntry):
    """An entry as it lies in the log."""

    id: UUID
    at: datetime


_WRITTEN = [item.name for item in fields(AuditEntry)]
COLUMNS = ", ".join(item.name for item in fields(AuditEvent))


def record(tx: Tx, entry: AuditEntry) -> None:
    """Write one row behind in the caller's transaction: it is there exactly if what it tells of is."""
    tx.insert("audit_event", {name: getattr(entry, name) for name in _WRITTEN})


async def page(
    tx: Tx,
    *,
    organization_id: UUID | None = None,
    project_id: UUID | None = None,
    resource_id: UUID | None = None,
    actor_id: UUID | None = None,
    action: str | None = None,
    outcome: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before: UUID | None = None,
    limit: int = 50,
) -> Sequence[AuditEvent]:
    """Events, newest first; `before` is the last id of the page before. None for a filter means any."""
    where = Where()
    where.equal(organization_id=organization_id, project_id=project_id, resource_id=resource_id)
    where.equal(actor_id=actor_id, action=action, outcome=outcome)
    where.made(since, until, at="at")
    where.before(before)
    rows = await tx.fetch(
        f"SELECT {COLUMNS} FROM audit_event {where.sql} ORDER BY id DESC LIMIT {where.place(limit)}",  # noqa: S608  # our own
        *where.values,
    )
    return [AuditEvent(**row) for row in rows]
