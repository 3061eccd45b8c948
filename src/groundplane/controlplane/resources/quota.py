"""Quota: a row of usage per project, claimed in the request's own transaction, given back when absence is confirmed."""

from collections import Counter
from collections.abc import Mapping
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


async def open_account(tx: Tx, scope_id: UUID) -> None:
    """A new project begins with nothing used."""
    await tx.execute("INSERT INTO quota_usage (scope_id) VALUES ($1)", scope_id)


async def claim(tx: Tx, scope_id: UUID, claims: Mapping[UUID, Mapping[str, int]]) -> None:
    """Take of the scope's quota what each resource needs. Raises QuotaExceededError, naming what is over.

    The usage row is the hottest row of a project: claim it last, and once.
    """
    amounts: Counter[str] = Counter()
    for amount in claims.values():
        amounts.update(amount)
    if not amounts:
        return
    claimed = await tx.execute(
        f"UPDATE quota_usage AS usage SET {_SET} FROM quota_limit "  # noqa: S608  # our own dimensions
        f"WHERE usage.scope_id = $1 AND {_LIMIT} AND {_WITHIN}",
        scope_id,
        amounts,
        DEFAULT_SCOPE,
    )
    if not claimed:
        await _refuse(tx, scope_id, amounts)
    await tx.many(
        """INSERT INTO quota_claim AS held (resource_id, scope_id, amounts) VALUES ($1, $2, $3)
           ON CONFLICT (resource_id) DO UPDATE SET amounts = (
               SELECT jsonb_object_agg(key, coalesce((held.amounts ->> key)::bigint, 0)
                                            + coalesce((excluded.amounts ->> key)::bigint, 0))
               FROM jsonb_object_keys(held.amounts || excluded.amounts) AS key)""",
        [(resource_id, scope_id, amount) for resource_id, amount in claims.items() if amount],
    )


async def release(tx: Tx, resource_id: UUID) -> None:
    """Give back all that the resource holds; nothing if it holds nothing."""
    held = await tx.row("DELETE FROM quota_claim WHERE resource_id = $1 RETURNING scope_id, amounts", resource_id)
    if held is not None:
        amounts = {name: -value for name, value in held["amounts"].items()}
        await tx.execute(
            f"UPDATE quota_usage AS usage SET {_SET} WHERE usage.scope_id = $1",  # noqa: S608  # our own dimensions
            held["scope_id"],
            amounts,
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


async def _refuse(tx: Tx, scope_id: UUID, amounts: Mapping[str, int]) -> None:
    account = await usage(tx, scope_id)
    for name, amount in amounts.items():
        used, limit = account[name]["used"], account[name]["limit"]
        if used + amount > limit:
            raise QuotaExceededError(
                f"The project's quota of {name} is {limit}; {used} are used and {amount} more were asked for. "
                "Delete something, or ask the operators for a higher limit.",
                context={"quota": name, "limit": limit, "used": used, "asked": amount},
            )
    raise QuotaExceededError
