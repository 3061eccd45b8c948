"""Quota: a row of usage per project, claimed in the request's own transaction, given back when absence is confirmed."""

from collections import Counter
from collections.abc import Collection, Mapping
from uuid import UUID

from groundplane.controlplane.resources.problems import QuotaExceededError, ResourceNotFoundError
from groundplane.kernel.database import Tx

DIMENSIONS = (
    "vms",
    "vcpus",
    "memory_mib",
    "volumes",
    "volume_gib",
    "networks",
    "ports",
    "security_groups",
    "images",
    "ssh_keys",
)
DEFAULT_SCOPE = UUID(int=0)

_SET = ", ".join(f"{name} = usage.{name} + coalesce(($2::jsonb ->> '{name}')::bigint, 0)" for name in DIMENSIONS)
_WITHIN = " AND ".join(
    f"(usage.{name} + coalesce(($2::jsonb ->> '{name}')::bigint, 0) <= quota_limit.{name} OR $2::jsonb ->> '{name}' IS NULL)"
    for name in DIMENSIONS
)
_LIMIT = "quota_limit.scope_id = coalesce((SELECT scope_id FROM quota_limit WHERE scope_id = $1), $3)"


def open_account(tx: Tx, scope_id: UUID) -> None:
    """A new project begins with nothing used."""
    tx.insert("quota_usage", {"scope_id": scope_id})


def claim(tx: Tx, scope_id: UUID, claims: Mapping[UUID, Mapping[str, int]]) -> None:
    """Take of the scope's quota what each new resource needs: written behind, the usage itself last of all in the transaction.

    That row is the hottest of a project. Raises, when it is taken, QuotaExceededError, naming what is over.
    """
    held = {resource_id: amounts for resource_id, amounts in claims.items() if amounts}
    if not held:
        return
    for resource_id, amounts in held.items():
        tx.insert("quota_claim", {"resource_id": resource_id, "scope_id": scope_id, "amounts": amounts})
    total: Counter[str] = Counter()
    for amounts in held.values():
        total.update(amounts)
    _take(tx, scope_id, total)


async def claim_more(tx: Tx, scope_id: UUID, resource_id: UUID, amounts: Mapping[str, int]) -> None:
    """Take more for a resource that holds some already; otherwise as `claim`. Nothing more asks nothing of any limit."""
    amounts = {name: amount for name, amount in amounts.items() if amount}
    if not amounts:
        return
    await tx.execute(
        """UPDATE quota_claim AS held SET amounts = (
               SELECT jsonb_object_agg(key, coalesce((held.amounts ->> key)::bigint, 0)
                                            + coalesce(($2::jsonb ->> key)::bigint, 0))
               FROM jsonb_object_keys(held.amounts || $2::jsonb) AS key)
           WHERE resource_id = $1""",
        resource_id,
        amounts,
    )
    _take(tx, scope_id, amounts)


_CLAIM = (
    (
        f"UPDATE quota_usage AS usage SET {_SET} FROM quota_limit "  # noqa: S608  # our own dimensions
        f"WHERE usage.scope_id = $1 AND {_LIMIT} AND {_WITHIN}"
    )
    .replace("{", "{{")
    .replace("}", "}}")
    .replace("$1", "{0}")
    .replace("$2", "{1}")
    .replace("$3", "{2}")
)


def _take(tx: Tx, scope_id: UUID, amounts: Mapping[str, int]) -> None:
    async def take() -> None:
        tx.behind(_CLAIM, scope_id, amounts, DEFAULT_SCOPE, otherwise=lambda: _over(tx, scope_id, amounts))

    tx.last.append(take)


async def release(tx: Tx, resource_ids: Collection[UUID]) -> None:
    """Give back all that the resources hold, scope by scope in the order of their ids; nothing if they hold nothing."""
    rows = await tx.fetch(
        "DELETE FROM quota_claim WHERE resource_id = ANY($1::uuid[]) RETURNING scope_id, amounts", list(resource_ids)
    )
    given: dict[UUID, Counter[str]] = {}
    for row in rows:
        given.setdefault(row["scope_id"], Counter()).subtract(row["amounts"])
    for scope_id in sorted(given):
        await tx.execute(
            f"UPDATE quota_usage AS usage SET {_SET} WHERE usage.scope_id = $1",  # noqa: S608  # our own dimensions
            scope_id,
            given[scope_id],
        )


async def usage(tx: Tx, scope_id: UUID) -> dict[str, dict[str, int]]:
    """What the scope uses and may use: dimension → {used, limit}."""
    used = await tx.row("SELECT * FROM quota_usage WHERE scope_id = $1", scope_id)
    if used is None:
        raise ResourceNotFoundError("The project is gone. Choose another one.")
    limit = await tx.one(f"SELECT * FROM quota_limit WHERE {_LIMIT.replace('$3', '$2')}", scope_id, DEFAULT_SCOPE)  # noqa: S608
    return {name: {"used": used[name], "limit": limit[name]} for name in DIMENSIONS}


async def set_limits(tx: Tx, project_id: UUID, limits: Mapping[str, int]) -> None:
    """Give a project limits of its own; dimensions that are not named get the platform's default of now.

    What is used already stays, even if it is more.
    """
    columns = ", ".join(DIMENSIONS)
    values = ", ".join(f"coalesce(($2::jsonb ->> '{name}')::bigint, {name})" for name in DIMENSIONS)
    changes = ", ".join(f"{name} = excluded.{name}" for name in DIMENSIONS)
    await tx.execute(
        f"""INSERT INTO quota_limit (scope_id, {columns})
            SELECT $1, {values} FROM quota_limit WHERE scope_id = $3
            ON CONFLICT (scope_id) DO UPDATE SET {changes}""",  # noqa: S608  # our own dimensions
        project_id,
        dict(limits),
        DEFAULT_SCOPE,
    )


async def _over(tx: Tx, scope_id: UUID, amounts: Mapping[str, int]) -> QuotaExceededError:
    account = await usage(tx, scope_id)
    for name, amount in amounts.items():
        used, limit = account[name]["used"], account[name]["limit"]
        if used + amount > limit:
            return QuotaExceededError(
                f"The project's quota of {name} is {limit}; {used} are used and {amount} more were asked for. "
                "Delete something, or ask the operators for a higher limit.",
                context={"quota": name, "limit": limit, "used": used, "asked": amount},
            )
    return QuotaExceededError()
