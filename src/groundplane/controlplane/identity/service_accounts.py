"""Service accounts: what programs act as. They have roles as users do, and no password. The table service_account."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from groundplane.controlplane.identity.actor import Actor
from groundplane.controlplane.identity.delegation import refuse_acting_as
from groundplane.controlplane.identity.problems import ServiceAccountExistsError, ServiceAccountNotFoundError
from groundplane.controlplane.resources.scopes import organization_of_project
from groundplane.kernel.database import Tx
from groundplane.kernel.errors import NotFoundError
from groundplane.kernel.ids import new_id
from groundplane.kernel.where import Where


@dataclass(frozen=True)
class ServiceAccount:
    """A program's account in an organization; `project_id`: it may have roles in that project alone."""

    id: UUID
    organization_id: UUID
    project_id: UUID | None
    name: str
    description: str
    disabled_at: datetime | None
    created_at: datetime

    @property
    def actor(self) -> Actor:
        """The service account as the one behind a request."""
        return Actor(self.id, "service_account", self.name)


_COLUMNS = ", ".join(item.name for item in fields(ServiceAccount))


async def create_service_account(
    tx: Tx, *, organization_id: UUID, name: str, description: str, project_id: UUID | None = None
) -> ServiceAccount:
    """Make a service account without roles. Raises ServiceAccountExistsError, NotFoundError (project)."""
    if project_id is not None and await organization_of_project(tx, project_id) != organization_id:
        raise NotFoundError("There is no such project in this organization. List its projects.")
    row = await tx.row(
        f"""INSERT INTO service_account (id, organization_id, project_id, name, description) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT ON CONSTRAINT service_account_name DO NOTHING RETURNING {_COLUMNS}""",  # noqa: S608  # our own
        new_id(),
        organization_id,
        project_id,
        name,
        description,
    )
    if row is None:
        raise ServiceAccountExistsError
    return ServiceAccount(**row)


async def get_service_account(tx: Tx, account_id: UUID, *, organization_id: UUID | None = None) -> ServiceAccount:
    """A service account, of this organization if one is named. Raises ServiceAccountNotFoundError."""
    row = await tx.row(
        f"""SELECT {_COLUMNS} FROM service_account
            WHERE id = $1 AND ($2::uuid IS NULL OR organization_id = $2)""",  # noqa: S608  # our own columns
        account_id,
        organization_id,
    )
    if row is None:
        raise ServiceAccountNotFoundError
    return ServiceAccount(**row)


async def list_service_accounts(
    tx: Tx, *, organization_id: UUID, name: str | None = None, after: UUID | None = None, limit: int = 50
) -> Sequence[ServiceAccount]:
    """The organization's service accounts, of this name if one is given, oldest first.

    `after` is the last id of the page before.
    """
    where = Where()
    where.equal(organization_id=organization_id, name=name)
    where.after(after)
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM service_account {where.sql} ORDER BY id LIMIT {where.place(limit)}",  # noqa: S608  # our own
        *where.values,
    )
    return [ServiceAccount(**row) for row in rows]


async def disable_service_account(tx: Tx, account_id: UUID, *, organization_id: UUID) -> ServiceAccount:
    """Bar it from now on, whatever credentials are still good. Doing it twice changes nothing.

    Raises ServiceAccountNotFoundError.
    """
    return await _set(tx, "disabled_at = coalesce(disabled_at, now())", account_id, organization_id)


async def enable_service_account(tx: Tx, actor: Actor, account_id: UUID, *, organization_id: UUID) -> ServiceAccount:
    """Let it act again, on behalf of an actor who has all that it may. Raises ServiceAccountNotFoundError, EscalationError."""
    account = await _set(tx, "disabled_at = NULL", account_id, organization_id)
    await refuse_acting_as(tx, actor, account_id)
    return account


async def delete_service_account(tx: Tx, account_id: UUID, *, organization_id: UUID) -> ServiceAccount:
    """Delete it with its bindings and credentials. Raises ServiceAccountNotFoundError."""
    account = await get_service_account(tx, account_id, organization_id=organization_id)
    await tx.execute("DELETE FROM service_account WHERE id = $1", account_id)
    return account


async def _set(tx: Tx, change: str, account_id: UUID, organization_id: UUID) -> ServiceAccount:
    row = await tx.row(
        f"UPDATE service_account SET {change} WHERE id = $1 AND organization_id = $2 RETURNING {_COLUMNS}",  # noqa: S608
        account_id,
        organization_id,
    )
    if row is None:
        raise ServiceAccountNotFoundError
    return ServiceAccount(**row)
