"""Who somebody is: what stands behind the ids that histories, jobs and the audit trail keep."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from groundplane.kernel.database import Tx

USER_PREFIX = "usr"
SERVICE_ACCOUNT_PREFIX = "sa"


@dataclass(frozen=True)
class Person:
    """Whoever asked for something. `name` is a user's e-mail address, or what a service account is called."""

    kind: Literal["user", "service_account"]
    name: str


async def people_of(tx: Tx, ids: Collection[UUID]) -> Mapping[UUID, Person]:
    """Those of the ids that are known here: users, and the service accounts of the transaction's organization. One query."""
    if not ids:
        return {}
    rows = await tx.fetch(
        """SELECT id, 'user' AS kind, email AS name FROM user_account WHERE id = ANY ($1)
           UNION ALL SELECT id, 'service_account', name FROM service_account WHERE id = ANY ($1)""",
        list(ids),
    )
    return {row["id"]: Person(row["kind"], row["name"]) for row in rows}
