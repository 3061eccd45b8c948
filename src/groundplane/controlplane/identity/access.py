"""The decision: may this actor do that there, and through which binding. Everything that is asked about access asks here."""

from asyncio import Future
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from groundplane.controlplane.identity.actor import Actor
from groundplane.controlplane.identity.patterns import permit
from groundplane.controlplane.identity.problems import InvalidTokenError
from groundplane.controlplane.identity.roles import ROLES
from groundplane.controlplane.resources.scopes import organization_of_project
from groundplane.kernel.database import Database, Question, Row, Tx
from groundplane.kernel.errors import ForbiddenError, GroundplaneError, NotFoundError
from groundplane.kernel.together import Together

_GONE = "This user or service account is gone or disabled. Ask an administrator."


@dataclass(frozen=True)
class Grant:
    """A role that an actor has now, by a binding of their own or (`group_id`) of a group, for what lies in that place."""

    binding_id: UUID
    role: str
    permissions: tuple[str, ...]
    organization_id: UUID | None
    project_id: UUID | None
    group_id: UUID | None
    expires_at: datetime | None

    def covers(self, project_id: UUID | None) -> bool:
        """Tell whether it is for the whole organization (`project_id` None), or for this project of it."""
        return self.project_id is None or self.project_id == project_id

    def lasts(self, until: datetime | None) -> bool:
        """Tell whether it holds at least so long; None: for ever."""
        return self.expires_at is None or (until is not None and until <= self.expires_at)


@dataclass(frozen=True)
class Standing:
    """What an actor has in a place. `organization_id` is the place's own, or the project's.

    enabled   the user or service account is there and not disabled
    visible   the place is there, and the actor sees it
    grants    the roles that hold for all of the place
    """

    organization_id: UUID | None
    enabled: bool
    visible: bool
    grants: tuple[Grant, ...]

    def permissions(self, actor: Actor, known: Iterable[str]) -> list[str]:
        """Those of these that the actor, whose standing it is, has here with this credential, sorted."""
        given = tuple({pattern for grant in self.grants for pattern in grant.permissions})
        good_for = ("*",) if actor.scopes is None else actor.scopes
        return sorted(each for each in known if permit(given, each) and permit(good_for, each))


@dataclass(frozen=True)
class Place:
    """Where somebody wants to do something: in a project, in an organization, or (neither) on the platform."""

    organization_id: UUID | None = None
    project_id: UUID | None = None


@dataclass(frozen=True)
class Decision:
    """May the actor, with this credential, do what needs the permission? `grant` is what gives it, the most lasting first.

    `in_scope`: the credential is good for the permission.
    """

    permission: str
    standing: Standing
    grant: Grant | None
    in_scope: bool

    @property
    def problem(self) -> GroundplaneError | None:
        """What a refused request is answered; None: it is allowed. What cannot be seen is not told apart from nothing."""
        if not self.standing.enabled:
            return InvalidTokenError(_GONE)
        if not self.standing.visible:
            return NotFoundError()
        context = {"permission": self.permission}
        if self.grant is None:
            return ForbiddenError(
                f"Your roles here do not give the permission {self.permission}. Ask an owner of the organization for a role "
                "that does.",
                context=context,
            )
        if not self.in_scope:
            return ForbiddenError(
                f"Your credential is not good for {self.permission}, though your roles give it. Use one with a wider scope.",
                context=context,
            )
        return None


async def authorize(
    tx: Tx,
    actor: Actor,
    permission: str,
    *,
    organization_id: UUID | None,
    project_id: UUID | None,
    along: Question | None = None,
) -> UUID | None:
    """Return if the actor may do that there; both None is the platform itself. One query.

    A project's organization need not be known: it is answered. `along` is answered in the same round trip.

    Raises:
        ForbiddenError: the place is the actor's to see, but no role there, or not the credential, gives the permission.
        NotFoundError: there is no such project, or the actor sees nothing of it or of that organization.
        InvalidTokenError: the user or service account is gone or disabled, though the credential is still good.
    """
    if actor.kind == "system":
        if along is not None:
            await tx.fetch_along(along, "SELECT 1 AS one")
        return organization_id or (await organization_of_project(tx, project_id) if project_id else None)
    standing = await standing_of(tx, actor, organization_id=organization_id, project_id=project_id, along=along)
    return authorize_by(standing, actor, permission)


def authorize_by(standing: Standing, actor: Actor, permission: str) -> UUID | None:
    """As `authorize`, by what the actor has there."""
    if (problem := _decision(standing, actor, permission).problem) is not None:
        raise problem
    return standing.organization_id


async def decide(tx: Tx, actor: Actor, permission: str, *, organization_id: UUID | None, project_id: UUID | None) -> Decision:
    """Decide about a user or a service account, in one query."""
    standing = await standing_of(tx, actor, organization_id=organization_id, project_id=project_id)
    return _decision(standing, actor, permission)


def _decision(standing: Standing, actor: Actor, permission: str) -> Decision:
    giving = [grant for grant in standing.grants if permit(grant.permissions, permission)]
    in_scope = actor.scopes is None or permit(actor.scopes, permission)
    return Decision(permission, standing, min(giving, key=_soonest_to_end_last, default=None), in_scope)


async def standing_of(
    tx: Tx, actor: Actor, *, organization_id: UUID | None, project_id: UUID | None, along: Question | None = None
) -> Standing:
    """What a user or a service account has in a place, by the database's clock. One query.

    Also from within an organization: roles on the whole platform are none of its rows, and count there.
    """
    async with tx.unconfined():
        rows = await tx.fetch_along(along, _STANDING_OF[_kind(actor)], actor.id, organization_id, project_id)
    return _standing(rows, organization_id, project_id)


async def standings_of(tx: Tx, asked: Collection[tuple[Actor, Place]]) -> dict[tuple[Actor, Place], Standing]:
    """What each of these users and service accounts has in a place, as `standing_of`. Two queries for all of them."""
    found: dict[tuple[Actor, Place], Standing] = {}
    for kind, sql in _STANDINGS_OF.items():
        theirs = [each for each in asked if _kind(each[0]) == kind]
        ids = [actor.id for actor, _ in theirs]
        organizations, projects = [place.organization_id for _, place in theirs], [place.project_id for _, place in theirs]
        async with tx.unconfined():
            rows = await tx.fetch(sql, ids, organizations, projects) if theirs else []
        of: dict[int, list[Row]] = {}
        for row in rows:
            of.setdefault(row["number"], []).append(row)
        found |= {
            each: _standing(of.get(number, []), each[1].organization_id, each[1].project_id)
            for number, each in enumerate(theirs, 1)
        }
    return found


class Standings:
    """What actors have in places, for requests that come together: one query for all that ask at one time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._together = Together(self._ask)

    def of(self, actor: Actor, place: Place) -> Future[Standing]:
        """As `standing_of`, to be waited for."""
        return self._together.ask((actor, place))

    async def _ask(self, asked: Sequence[tuple[Actor, Place]]) -> Sequence[Standing]:
        async with self._database.reading() as tx:
            found = await standings_of(tx, asked)
        return [found[each] for each in asked]


def _kind(actor: Actor) -> str:
    return "service_account" if actor.kind == "service_account" else "user"


def _standing(rows: Sequence[Row], organization_id: UUID | None, project_id: UUID | None) -> Standing:
    if not rows or rows[0]["disabled"]:
        return Standing(organization_id, enabled=False, visible=False, grants=())
    grants = [_grant(row) for row in rows if row["binding_id"] is not None]
    if project_id is not None:
        there = rows[0]["owner_id"] is not None and organization_id in {None, rows[0]["owner_id"]}
        organization_id = rows[0]["owner_id"] if there else organization_id
    else:
        there = True
    covering = tuple(grant for grant in grants if there and grant.covers(project_id))
    # Who has a role in one project sees that its organization is there, and nothing of the other projects.
    seen = bool(covering) or (project_id is None and bool(grants)) or organization_id is None
    return Standing(organization_id, enabled=True, visible=there and seen, grants=covering)


async def permissions_in(
    tx: Tx, actor: Actor, known: Iterable[str], *, organization_id: UUID | None, project_id: UUID | None
) -> list[str]:
    """Those of the known permissions that `decide` would allow the actor there, with this credential, sorted. One query.

    Raises InvalidTokenError for who is gone or disabled, NotFoundError for a place that the actor sees nothing of.
    """
    standing = await standing_of(tx, actor, organization_id=organization_id, project_id=project_id)
    if not standing.enabled:
        raise InvalidTokenError(_GONE)
    if not standing.visible:
        raise NotFoundError
    return standing.permissions(actor, known)


async def permits_on_platform(tx: Tx, actor: Actor, permission: str) -> bool:
    """Tell whether one of the actor's roles on the whole platform gives the permission."""
    return (
        actor.kind == "system" or (await decide(tx, actor, permission, organization_id=None, project_id=None)).problem is None
    )


async def require_enabled(tx: Tx, actor: Actor) -> None:
    """Return if the actor is still there and not disabled; for what needs no permission. Raises InvalidTokenError."""
    table = _TABLES.get(actor.kind)
    if table is None:
        return
    enabled = f"SELECT EXISTS (SELECT FROM {table} WHERE id = $1 AND disabled_at IS NULL)"  # noqa: S608  # our own tables
    if not await tx.value(enabled, actor.id):
        raise InvalidTokenError(_GONE)


async def organizations_of(tx: Tx, actor: Actor) -> Sequence[UUID] | None:
    """The organizations in which the actor has any role; None for all of them."""
    if actor.kind == "system":
        return None
    service_account = actor.kind == "service_account"
    mine, table = (OF_ACCOUNT, "service_account") if service_account else (MINE, "user_account")
    rows = await tx.fetch(
        f"""SELECT DISTINCT organization_id FROM role_binding
            WHERE {mine} AND {HOLDS} AND EXISTS (SELECT FROM {table} WHERE id = $1 AND disabled_at IS NULL)""",  # noqa: S608
        actor.id,
    )
    ids = [row["organization_id"] for row in rows]
    return None if None in ids else sorted(ids)


HOLDS = "(role_binding.expires_at IS NULL OR role_binding.expires_at > statement_timestamp())"
"""SQL: the binding gives something now."""

_TABLES = {"user": "user_account", "service_account": "service_account"}

MINE = """(role_binding.user_id = $1
           OR role_binding.group_id = ANY (ARRAY(SELECT group_id FROM group_member WHERE group_member.user_id = $1)))"""
"""SQL: the binding is the user's own or of one of their groups."""
OF_ACCOUNT = "role_binding.service_account_id = $1"
"""SQL: the binding is the service account's."""


def _standing_sql(table: str, mine: str) -> str:
    """A row for each binding that holds in the place or around it, or one without a binding; none: there is no such actor.

    OFFSET 0 keeps the planner from reading all bindings of the organization, of which an actor has few, and all projects.
    """
    return f"""
        SELECT principal.disabled_at IS NOT NULL AS disabled, project.organization_id AS owner_id, held.*
        FROM {table} AS principal
             LEFT JOIN (SELECT kind, organization_id, deleted_at FROM resource WHERE id = $3 OFFSET 0) AS project
                  ON project.kind = 'project' AND project.deleted_at IS NULL
             LEFT JOIN (
                SELECT role_binding.id AS binding_id, coalesce(role_binding.role, custom_role.name) AS role,
                       custom_role.permissions, role_binding.organization_id, role_binding.project_id, role_binding.group_id,
                       role_binding.expires_at
                FROM role_binding LEFT JOIN custom_role ON custom_role.id = role_binding.custom_role_id
                WHERE {mine} AND {HOLDS} OFFSET 0
             ) AS held ON held.organization_id IS NULL OR held.organization_id = coalesce(project.organization_id, $2)
        WHERE principal.id = $1"""  # noqa: S608  # our own tables


_STANDING_OF = {"user": _standing_sql("user_account", MINE), "service_account": _standing_sql("service_account", OF_ACCOUNT)}


def _of_many(sql: str) -> str:
    """The statement for many actors and places at once; `number` says for which of them a row is."""
    for place, column in (("$1", "actor_id"), ("$2", "organization_id"), ("$3", "project_id")):
        sql = sql.replace(place, f"asked.{column}")
    return f"""SELECT asked.number, standing.*
               FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) WITH ORDINALITY
                    AS asked (actor_id, organization_id, project_id, number)
                    CROSS JOIN LATERAL ({sql}) AS standing"""  # noqa: S608  # our own tables


_STANDINGS_OF = {kind: _of_many(sql) for kind, sql in _STANDING_OF.items()}


def _grant(row: Row) -> Grant:
    return Grant(
        row["binding_id"], row["role"], _permissions(row), row["organization_id"], row["project_id"], row["group_id"],
        row["expires_at"],
    )  # fmt: skip


def _permissions(row: Row) -> tuple[str, ...]:
    if row["permissions"] is not None:
        return tuple(row["permissions"])
    role = ROLES.get(row["role"])
    return role.permissions if role else ()  # a newer release's role gives nothing here


def _soonest_to_end_last(grant: Grant) -> tuple[bool, float, UUID]:
    ends = grant.expires_at
    return (ends is not None, -ends.timestamp() if ends else 0, grant.binding_id)
