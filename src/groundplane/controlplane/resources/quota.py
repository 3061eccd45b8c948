"""Quota: what a project uses and what its organization's projects use together, claimed in the request's own transaction.

Each has an account, a row that everybody who creates or deletes there waits for. Accounts are taken last of all in a
transaction: those of projects first, then those of organizations, each in the order of their ids, so that nobody waits in a
circle. What is given back is given back to both when absence is confirmed.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal
from uuid import UUID

from groundplane.controlplane.resources.kind import Kind
from groundplane.controlplane.resources.problems import QuotaExceededError, ResourceNotFoundError
from groundplane.controlplane.resources.resource import Resource
from groundplane.kernel.database import Tx
from groundplane.kernel.errors import GroundplaneError

Limits = Mapping[str, int | None]
"""By dimension how much may be used; None: without limit."""

_GONE = "The project is gone. Choose another one."
DEFAULT_OF_PROJECTS = UUID(int=0)
DEFAULT_OF_ORGANIZATIONS = UUID(int=1)


def dimensions(kinds: Iterable[Kind]) -> tuple[str, ...]:
    """All that quotas are about: what these kinds declare."""
    return tuple(dict.fromkeys(name for kind in kinds for name in kind.dimensions))


@dataclass(frozen=True)
class Scope:
    """What limits are set for: a project, an organization, or (outside of all organizations) a default."""

    id: UUID
    organization_id: UUID | None = None
    project_id: UUID | None = None


@dataclass(frozen=True)
class Account:
    """What a project, or an organization, uses and may use. What `limits` does not name has no limit.

    `own` are the dimensions of which the limit was set for it, and not for all.
    """

    scope_id: UUID
    organization_id: UUID
    name: str
    used: Mapping[str, int]
    limits: Limits
    own: frozenset[str]

    @property
    def of(self) -> Literal["organization", "project"]:
        """Whose account it is."""
        return "organization" if self.scope_id == self.organization_id else "project"

    def left(self, name: str) -> int | None:
        """How much more may be used of a dimension, negative when it is too much already; None: whatever one likes."""
        limit = self.limits.get(name)
        return None if limit is None else limit - self.used.get(name, 0)


def open_account(tx: Tx, scope_id: UUID, organization_id: UUID | None) -> None:
    """A new project, or a new organization (which belongs to itself), begins with nothing used."""
    tx.insert("quota_usage", {"scope_id": scope_id, "organization_id": organization_id})


def claim(tx: Tx, project_id: UUID, organization_id: UUID | None, claims: Mapping[UUID, Mapping[str, int]]) -> None:
    """Take what each new resource needs, of its project and of its organization: written behind, the accounts themselves last.

    Raises, when they are taken, QuotaExceededError, naming what is over, and ResourceNotFoundError: the project is gone.
    """
    held = {resource_id: amounts for resource_id, amounts in claims.items() if amounts}
    if not held:
        return
    total: Counter[str] = Counter()
    for resource_id, amounts in held.items():
        row = {"resource_id": resource_id, "scope_id": project_id, "organization_id": organization_id, "amounts": amounts}
        tx.insert("quota_claim", row)
        total.update(amounts)
    _take(tx, project_id, organization_id, +total)


async def claim_more(tx: Tx, resource: Resource, amounts: Mapping[str, int]) -> None:
    """Take more for a resource that holds some already; otherwise as `claim`. Nothing more asks nothing of any limit."""
    if resource.project_id is None or not any(amounts.values()):
        return
    await tx.execute(
        f"UPDATE quota_claim AS held SET amounts = {_sum('held.amounts', '$2')} WHERE resource_id = $1",  # noqa: S608
        resource.id,
        amounts,
    )
    _take(tx, resource.project_id, resource.organization_id, amounts)


def release(tx: Tx, resource_ids: Collection[UUID]) -> None:
    """Give back all that the resources hold, to their projects and organizations: last of all in the transaction.

    Whatever a transaction gives back, of one resource or of many, is given back by one statement, in the order of all accounts.
    """
    tx.last.append(_Release(tx, resource_ids))


@dataclass(frozen=True)
class _Release:
    """What is given back at the end; the first that is carried out takes all others along."""

    tx: Tx
    resource_ids: Collection[UUID]

    async def __call__(self) -> None:
        last = self.tx.last
        together = [self, *(each for each in last if isinstance(each, _Release))]
        last[:] = [each for each in last if not isinstance(each, _Release)]
        await self.tx.execute(_RELEASE, [resource_id for each in together for resource_id in each.resource_ids])


async def close_account(tx: Tx, project_id: UUID) -> None:
    """Nothing more is claimed there until it is opened again. Waits for creates that are on their way."""
    await tx.execute("UPDATE quota_usage SET open = false WHERE scope_id = $1", project_id)


async def reopen_account(tx: Tx, project_id: UUID) -> None:
    """What was closed goes on as it was."""
    await tx.execute("UPDATE quota_usage SET open = true WHERE scope_id = $1", project_id)


async def end_account(tx: Tx, scope_id: UUID) -> None:
    """Nothing is left of it, of its own limits neither. Waits for creates that are on their way."""
    await tx.execute("DELETE FROM quota_usage WHERE scope_id = $1", scope_id)
    await tx.execute("DELETE FROM quota_limit WHERE scope_id = $1", scope_id)


async def account(tx: Tx, scope_id: UUID) -> Account:
    """A project's or an organization's account. Raises ResourceNotFoundError."""
    accounts = await _accounts(tx, [scope_id])
    if scope_id not in accounts:
        raise ResourceNotFoundError(_GONE)
    return accounts[scope_id]


async def accounts_of_project(tx: Tx, project_id: UUID) -> Sequence[Account]:
    """A project's account and its organization's, of those that there are."""
    organization_id = await tx.value("SELECT organization_id FROM quota_usage WHERE scope_id = $1 AND open", project_id)
    found = await _accounts(tx, [project_id, organization_id]) if organization_id else {}
    return [found[each] for each in (project_id, organization_id) if each in found]


async def limits_of(tx: Tx, scope_id: UUID) -> Limits:
    """What was set for a project, an organization, or a default."""
    limits: Limits | None = await tx.value("SELECT limits FROM quota_limit WHERE scope_id = $1", scope_id)
    return limits or {}


async def set_limits(tx: Tx, scope: Scope, limits: Limits, *, replace: bool, actor_id: UUID | None) -> None:
    """Set the limits of a project, an organization, or a default. What is used already stays, even if it is more.

    `replace`: what is not named is as the default says from now on; otherwise it stays as it was.
    """
    await tx.execute(
        """INSERT INTO quota_limit AS old (scope_id, organization_id, limits) VALUES ($1, $2, $3)
           ON CONFLICT (scope_id) DO UPDATE
           SET limits = CASE WHEN $4 THEN excluded.limits ELSE old.limits || excluded.limits END""",
        scope.id,
        scope.organization_id,
        dict(limits),
        replace,
    )
    tx.insert(
        "revision",
        {"entity": "quota", "entity_id": scope.id, "kind": "quota", "organization_id": scope.organization_id,
         "project_id": scope.project_id, "revision": 0, "changed_by": actor_id, "reason": "set limits",
         "state": {"limits": await limits_of(tx, scope.id)}},
    )  # fmt: skip


def _sum(amounts: str, more: str) -> str:
    """SQL of amounts with others, of which there are some, added."""
    return (
        f"{amounts} || (SELECT jsonb_object_agg(key, coalesce(({amounts} ->> key)::bigint, 0) + value::bigint) "  # noqa: S608
        f"FROM jsonb_each_text({more}::jsonb))"
    )


def _claim_of(default: UUID) -> str:
    """SQL: what is taken of accounts, to which this default applies.

    Limits are read as they were when the statement began: one that is lowered meanwhile only stops who comes later.
    """
    return f"""
        UPDATE quota_usage AS usage SET used = {_sum("usage.used", "claim.amounts")}
        FROM unnest({{keys}}::uuid[], {{amounts}}::jsonb[]) AS claim (scope_id, amounts)
             JOIN quota_limit AS base ON base.scope_id = '{default}'
             LEFT JOIN quota_limit AS own ON own.scope_id = claim.scope_id
        WHERE usage.scope_id = claim.scope_id AND usage.open AND NOT EXISTS (
            SELECT FROM jsonb_each_text(claim.amounts) AS asked
            WHERE coalesce((usage.used ->> key)::bigint, 0) + value::bigint
                  > ((base.limits || coalesce(own.limits, '{{{{}}}}')) ->> key)::bigint)
    """  # noqa: S608  # our own SQL


_CLAIM_OF_PROJECTS = _claim_of(DEFAULT_OF_PROJECTS)
_CLAIM_OF_ORGANIZATIONS = _claim_of(DEFAULT_OF_ORGANIZATIONS)

_RELEASE = """
    WITH given AS (
        DELETE FROM quota_claim WHERE resource_id = ANY($1::uuid[]) RETURNING scope_id, organization_id, amounts
    ), sums AS (
        SELECT scope_id, jsonb_object_agg(key, total) AS amounts FROM (
            SELECT account.id AS scope_id, key, sum(value::bigint) AS total
            FROM given CROSS JOIN LATERAL (VALUES (scope_id), (organization_id)) AS account (id)
                       CROSS JOIN LATERAL jsonb_each_text(amounts)
            GROUP BY account.id, key) AS parts GROUP BY scope_id
    ), locked AS (
        SELECT scope_id FROM quota_usage WHERE scope_id IN (SELECT scope_id FROM sums)
        ORDER BY scope_id = organization_id, scope_id FOR NO KEY UPDATE
    )
    UPDATE quota_usage AS usage SET used = coalesce((
        SELECT jsonb_object_agg(key, left_over) FILTER (WHERE left_over <> 0)
        FROM (SELECT key, value::bigint - coalesce((sums.amounts ->> key)::bigint, 0) AS left_over
              FROM jsonb_each_text(usage.used)) AS each), '{}')
    FROM locked JOIN sums USING (scope_id) WHERE usage.scope_id = locked.scope_id
"""


def _take(tx: Tx, project_id: UUID, organization_id: UUID | None, amounts: Mapping[str, int]) -> None:
    """Both accounts in one statement with all that is written behind; PostgreSQL takes them in the order given here."""

    async def take() -> None:
        for scope_id, sql in ((project_id, _CLAIM_OF_PROJECTS), (organization_id, _CLAIM_OF_ORGANIZATIONS)):
            if scope_id is not None:
                tx.claim(sql, scope_id, amounts, otherwise=partial(_refusal, tx, scope_id, amounts))

    if amounts:
        tx.last.append(take)


async def _refusal(tx: Tx, scope_id: UUID | None, amounts: Mapping[str, int]) -> GroundplaneError:
    """Why nothing was taken of an account. The other one may hold what this transaction took of it before."""
    refused = (await _accounts(tx, [scope_id])).get(scope_id) if scope_id else None
    if refused is None:
        return ResourceNotFoundError(_GONE)
    over = [name for name, amount in amounts.items() if (left := refused.left(name)) is not None and amount > left]
    return _over(refused, over[0], amounts[over[0]]) if over else QuotaExceededError()


def _over(account: Account, name: str, asked: int) -> QuotaExceededError:
    limit, used = account.limits[name], account.used.get(name, 0)
    where = "in it" if account.of == "project" else "in any of its projects"
    return QuotaExceededError(
        f"The {account.of} {account.name}'s quota of {name} is {limit}; {used} are used and {asked} more were asked for. "
        f"Delete something {where}, or ask the operators for a higher limit.",
        context={"quota": name, "of": account.of, "name": account.name, "limit": limit, "used": used, "asked": asked},
    )


async def _accounts(tx: Tx, scope_ids: Collection[UUID]) -> Mapping[UUID, Account]:
    rows = await tx.fetch(
        """SELECT usage.scope_id, usage.organization_id, name, used, base.limits AS base, coalesce(own.limits, '{}') AS own
           FROM quota_usage AS usage JOIN resource ON resource.id = usage.scope_id
                JOIN quota_limit AS base
                     ON base.scope_id = CASE WHEN usage.scope_id = usage.organization_id THEN $2::uuid ELSE $3::uuid END
                LEFT JOIN quota_limit AS own ON own.scope_id = usage.scope_id
           WHERE usage.scope_id = ANY($1::uuid[]) AND open""",
        list(scope_ids),
        DEFAULT_OF_ORGANIZATIONS,
        DEFAULT_OF_PROJECTS,
    )
    return {
        row["scope_id"]: Account(
            row["scope_id"], row["organization_id"], row["name"], row["used"], row["base"] | row["own"], frozenset(row["own"])
        )
        for row in rows
    }
