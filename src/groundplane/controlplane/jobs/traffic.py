"""Traffic rules: which jobs operators hold up, and how many of them may begin. Decides; starts and ends no job.

A rule that counts is exact because whoever lets a job through holds the rule's row until the commit. Rules are known to a
process for a second at most, so a new rule may be heeded that much later; what a known one lets through is read under its lock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from time import monotonic
from typing import Any, Literal
from uuid import UUID

from groundplane.controlplane.jobs.job import COLUMNS as JOB_COLUMNS
from groundplane.controlplane.jobs.job import Job
from groundplane.kernel.database import Row, Tx
from groundplane.kernel.errors import ConflictError, NotFoundError
from groundplane.kernel.ids import format_id, new_id
from groundplane.kernel.where import Where

Action = Literal["pause", "reject", "rate", "concurrency"]

RULE_PREFIX = "trf"
KNOWN_SECONDS = 1.0
"""How long a process goes by the rules that it read."""
RELEASED_AT_ONCE = 50
"""How many jobs of one rule begin in one round, so that others' jobs need not wait for all of them."""
KEPT_AFTER_EXPIRY = "1 day"
_ROUND = 7_301_983  # of the database: one worker at a time releases, or the oldest would not be first


class RejectedByRuleError(ConflictError):
    """An operator's rule does not let this in now. Try again when the rule is over, or ask the operators."""

    code = "rejected_by_rule"
    title = "Rejected by a traffic rule"


class RuleNotFoundError(NotFoundError):
    """There is no such traffic rule. List the rules."""


@dataclass(frozen=True)
class Match:
    """Which jobs a rule is about. None is any."""

    organization_id: UUID | None
    project_id: UUID | None
    kind: str | None
    cluster_id: UUID | None
    verbs: Sequence[str]


@dataclass(frozen=True)
class Rule:
    """An operator's rule. `limit`: of a rate, jobs a minute; of a concurrency, jobs at work at once; else None."""

    id: UUID
    action: Action
    limit: int | None
    organization_id: UUID | None
    project_id: UUID | None
    kind: str | None
    cluster_id: UUID | None
    verbs: Sequence[str]
    owner_id: UUID
    reason: str
    expires_at: datetime
    created_at: datetime
    updated_at: datetime

    def matches(self, job: Job) -> bool:
        """Is the job one of those that the rule is about? As _MATCHES says it in SQL."""
        pairs = (
            (self.organization_id, job.organization_id), (self.project_id, job.project_id),
            (self.kind, job.resource_kind), (self.cluster_id, job.cluster_id),
        )  # fmt: skip
        return job.verb in self.verbs and all(wanted is None or wanted == found for wanted, found in pairs)


_COLUMNS = ", ".join(f'rule."{item.name}"' for item in fields(Rule))
_MATCHES = """job.verb = ANY (rule.verbs)
    AND (rule.organization_id IS NULL OR rule.organization_id = job.organization_id)
    AND (rule.project_id IS NULL OR rule.project_id = job.project_id)
    AND (rule.kind IS NULL OR rule.kind = job.resource_kind)
    AND (rule.cluster_id IS NULL OR rule.cluster_id = job.cluster_id)"""

# A bucket holds what a second brings, and at least one: a rate is even, and after a quiet hour nothing floods in.
_ROOM = f"""
    SELECT rule.id, clock_timestamp() AS at,
           (SELECT job.id FROM job WHERE held IS NOT NULL AND held ->> 'rule' = rule.id::text ORDER BY job.id LIMIT 1) AS first,
           CASE rule.action
                WHEN 'rate' THEN least(greatest(1, rule."limit" / 60.0),
                    rule.tokens + extract(epoch FROM clock_timestamp() - rule.tokens_at) * rule."limit" / 60.0)
                WHEN 'concurrency' THEN rule."limit" - (
                    SELECT count(*) FROM job WHERE ended_at IS NULL AND held IS NULL AND NOT undoing AND {_MATCHES})
                ELSE 0 END::float8 AS room
    FROM traffic_rule AS rule WHERE rule.id = ANY ($1::uuid[]) AND rule.expires_at > clock_timestamp()"""  # noqa: S608
"""How many more jobs each living rule of these lets begin: id, at, first (the job that it has held longest), room."""


@dataclass
class Room:
    """What a rule whose row this transaction holds still lets through, as of `at`."""

    left: float
    first: UUID | None
    at: datetime

    def lets(self, job: Job, holder: str) -> bool:
        """May the job begin? Not before one that has waited longer; who is held by this very rule comes in order."""
        in_turn = self.first is None or job.id <= self.first or (job.held is not None and job.held["rule"] == holder)
        return self.left >= 1 and in_turn

    def take(self, tx: Tx, rule: Rule) -> None:
        """One more has begun. What is at work is counted anew each time; a bucket is written down."""
        self.left -= 1
        if rule.action == "rate":
            tx.update("traffic_rule", rule.id, {"tokens": self.left, "tokens_at": self.at})


@dataclass
class Traffic:
    """The living rules as this process read them last."""

    _rules: Sequence[Rule] = ()
    _until: float = 0.0

    async def forget(self) -> None:
        """Read the rules anew before the next decision."""
        self._until = 0.0

    async def admit(self, tx: Tx, job: Job) -> Rule | None:
        """The rule that holds a new job; None: it may begin, and is counted. Raises RejectedByRuleError."""
        for rule in await self._known(tx):
            if rule.action == "reject" and rule.matches(job):
                raise _rejected(rule)
        return await self.holder(tx, job)

    async def holder(self, tx: Tx, job: Job) -> Rule | None:
        """The rule that does not let a job begin now; None: all do, and it is counted by those that count.

        Must be the last thing that could keep the job from beginning: what is counted is given back only by a rollback.
        """
        matching = [rule for rule in await self._known(tx) if rule.action != "reject" and rule.matches(job)]
        if not matching:
            return None
        paused = next((rule for rule in matching if rule.action == "pause"), None)
        if paused is not None:
            return paused
        tx.alone()  # what others begin here is not counted yet
        rooms = await _rooms(tx, [rule.id for rule in matching])
        counting = [(rule, room) for rule in matching if (room := rooms[rule.id]) is not None]
        full = next((rule for rule, room in counting if not room.lets(job, str(rule.id))), None)
        if full is None:
            for rule, room in counting:
                room.take(tx, rule)
        return full

    async def _known(self, tx: Tx) -> Sequence[Rule]:
        """The living rules: read at most a second ago, and since the last one of them expired."""
        asked = monotonic()
        if asked >= self._until:
            rows = await tx.aside(
                f"""SELECT {_COLUMNS}, extract(epoch FROM expires_at - clock_timestamp())::float8 AS seconds
                    FROM traffic_rule AS rule WHERE expires_at > clock_timestamp() ORDER BY id"""  # noqa: S608  # our own
            )
            self._rules = [_rule(row) for row in rows]
            self._until = asked + min([KNOWN_SECONDS, *(row["seconds"] for row in rows)])
        return self._rules


async def _rooms(tx: Tx, rule_ids: Sequence[UUID]) -> Mapping[UUID, Room | None]:
    """The room of rules, whose rows are held in id order until the transaction ends; None for one that is over.

    Each is locked and read once in a transaction, however many jobs it starts. The reading is a statement of its own: only
    so does it see what was committed while the lock was waited for.
    """
    rooms: dict[UUID, Room | None] = tx.read.setdefault("traffic", {})
    if missing := [each for each in rule_ids if each not in rooms]:
        async with tx.unconfined():
            await tx.execute("SELECT FROM traffic_rule WHERE id = ANY ($1::uuid[]) ORDER BY id FOR NO KEY UPDATE", missing)
            rows = await tx.fetch(_ROOM, missing)
        rooms |= dict.fromkeys(missing)
        rooms |= {row["id"]: Room(row["room"], row["first"], row["at"]) for row in rows}
    return rooms


def _rejected(rule: Rule) -> RejectedByRuleError:
    until = f"{rule.expires_at:%Y-%m-%d %H:%M:%S} UTC"
    return RejectedByRuleError(
        f"The operators do not let this in now: {rule.reason} This holds until {until} at the latest. Try again then.",
        context={"rule": format_id(RULE_PREFIX, rule.id), "reason": rule.reason, "expires_at": rule.expires_at.isoformat()},
    )


# The round of a worker: which held jobs may begin.


async def next_in_turn(tx: Tx) -> Sequence[Job]:
    """The held jobs that there is room for, oldest first, locked; at most RELEASED_AT_ONCE of each rule.

    However many are held, this looks once at each rule that holds any. One that is over has room for all.
    """
    rows = await tx.fetch("SELECT DISTINCT held ->> 'rule' AS rule FROM job WHERE held IS NOT NULL")
    if not rows or not await tx.value("SELECT pg_try_advisory_xact_lock($1)", _ROUND):
        return []
    await _tell_changes(tx)
    holders = [UUID(row["rule"]) for row in rows]
    room = {row["id"]: max(0, int(row["room"])) for row in await tx.fetch(_ROOM, holders)}
    counts = [min(RELEASED_AT_ONCE, room.get(holder, RELEASED_AT_ONCE)) for holder in holders]
    if not any(counts):
        return []
    found = await tx.fetch(
        f"""SELECT {JOB_COLUMNS} FROM job WHERE held IS NOT NULL AND id IN (
                SELECT oldest.id FROM unnest($1::text[], $2::int[]) AS holder (rule, places) CROSS JOIN LATERAL (
                    SELECT id FROM job WHERE held IS NOT NULL AND held ->> 'rule' = holder.rule ORDER BY id LIMIT holder.places
                ) AS oldest)
            ORDER BY id FOR UPDATE SKIP LOCKED""",  # noqa: S608  # our own columns
        [str(holder) for holder in holders],
        counts,
    )
    return [Job.from_row(row) for row in found]


async def _tell_changes(tx: Tx) -> None:
    """Let held jobs say what their rule says now, where it was changed; their deadlines move with its expiry."""
    await tx.execute(
        """WITH stale AS (
               SELECT job.id, rule.reason, rule.expires_at
               FROM traffic_rule AS rule JOIN job ON held IS NOT NULL AND held ->> 'rule' = rule.id::text
               WHERE rule.updated_at > rule.created_at
                 AND (job.next_at <> rule.expires_at OR held ->> 'reason' <> rule.reason)
               ORDER BY job.id FOR NO KEY UPDATE OF job SKIP LOCKED)
           UPDATE job SET held = held || jsonb_build_object('reason', stale.reason), next_at = stale.expires_at,
                          deadline = deadline + (stale.expires_at - next_at)
           FROM stale WHERE job.id = stale.id"""
    )


async def forget_expired(tx: Tx) -> int:
    """Delete the rules that have been over for a day; how many."""
    return await tx.execute(f"DELETE FROM traffic_rule WHERE expires_at < now() - interval '{KEPT_AFTER_EXPIRY}'")  # noqa: S608


# What operators do with rules.


async def make(
    tx: Tx, action: Action, match: Match, *, limit: int | None, owner_id: UUID, reason: str, expires_at: datetime
) -> Rule:
    """A new rule. Heeded at once by who makes it, and by other processes within a second."""
    row = await tx.one(
        f"""INSERT INTO traffic_rule AS rule
                (id, action, "limit", organization_id, project_id, kind, cluster_id, verbs, owner_id, reason, expires_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING {_COLUMNS}""",  # noqa: S608  # our own columns
        new_id(), action, limit, match.organization_id, match.project_id, match.kind, match.cluster_id, list(match.verbs),
        owner_id, reason, expires_at,
    )  # fmt: skip
    return _rule(row)


async def get(tx: Tx, rule_id: UUID) -> Rule:
    """A rule, also one that is over. Raises RuleNotFoundError."""
    return _found(await tx.row(f"SELECT {_COLUMNS} FROM traffic_rule AS rule WHERE id = $1", rule_id))  # noqa: S608


async def page(
    tx: Tx,
    *,
    action: str | None = None,
    organization_id: UUID | None = None,
    project_id: UUID | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    after: UUID | None,
    limit: int,
) -> Sequence[Rule]:
    """Rules, oldest first, those too that are over; `after` being the last id of the page before. None means any."""
    where = Where()
    where.equal(action=action, organization_id=organization_id, project_id=project_id)
    where.made(since, until)
    where.after(after)
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM traffic_rule AS rule {where.sql} ORDER BY id LIMIT {where.place(limit)}",  # noqa: S608
        *where.values,
    )
    return [_rule(row) for row in rows]


async def change(
    tx: Tx, rule_id: UUID, *, limit: int | None = None, reason: str | None = None, expires_at: datetime | None = None
) -> Rule:
    """Change what is not None. Raises RuleNotFoundError."""
    row = await tx.row(
        f"""UPDATE traffic_rule AS rule SET "limit" = coalesce($2, "limit"), reason = coalesce($3, reason),
                   expires_at = coalesce($4, expires_at), updated_at = clock_timestamp()
            WHERE id = $1 RETURNING {_COLUMNS}""",  # noqa: S608  # our own columns
        rule_id, limit, reason, expires_at,
    )  # fmt: skip
    return _found(row)


async def remove(tx: Tx, rule_id: UUID) -> Rule:
    """End a rule; what it held begins within a second. Raises RuleNotFoundError."""
    return _found(await tx.row(f"DELETE FROM traffic_rule AS rule WHERE id = $1 RETURNING {_COLUMNS}", rule_id))  # noqa: S608


async def held_by(tx: Tx, rule_ids: Sequence[UUID]) -> Mapping[UUID, int]:
    """How many jobs each of these rules holds now; none for one that holds none."""
    rows = await tx.fetch(
        """SELECT held ->> 'rule' AS rule, count(*) FROM job
           WHERE held IS NOT NULL AND held ->> 'rule' = ANY ($1::text[]) GROUP BY 1""",
        [str(each) for each in rule_ids],
    )
    return {UUID(row["rule"]): row["count"] for row in rows}


def _found(row: Row | None) -> Rule:
    if row is None:
        raise RuleNotFoundError
    return _rule(row)


def _rule(row: Row) -> Rule:
    known: dict[str, Any] = {item.name: row[item.name] for item in fields(Rule)}
    return Rule(**known)
