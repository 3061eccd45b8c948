"""The routes of traffic rules, for operators: what is held up, refused, slowed or capped, by whom, why and until when."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AwareDatetime, Field, StringConstraints

from groundplane.controlplane.fleet.cluster import CLUSTER
from groundplane.controlplane.gateway.kinds import (
    CreatedAfter,
    CreatedBefore,
    Cursor,
    Limit,
    answer,
    cursor_uuid,
    filter_id,
    page,
)
from groundplane.controlplane.gateway.operation import Operation, Reply, mutate, operation
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.views import View, public
from groundplane.controlplane.identity import USER_PREFIX
from groundplane.controlplane.jobs import traffic
from groundplane.controlplane.jobs.traffic import RULE_PREFIX, Action, Match, Rule, RuleNotFoundError
from groundplane.controlplane.resources import pages, store
from groundplane.controlplane.resources.fields import Reference, Strict
from groundplane.controlplane.resources.kind import Kind
from groundplane.controlplane.resources.organization import ORGANIZATION
from groundplane.controlplane.resources.project import PROJECT
from groundplane.controlplane.resources.resource import Resource
from groundplane.kernel.database import Tx
from groundplane.kernel.errors import FieldProblem, InvalidRequestError
from groundplane.kernel.ids import format_id, parse_id

LONGEST = timedelta(days=30)
KIND = "traffic_rule"
"""What audit events call a rule."""

Verb = Literal["create", "update", "delete", "correct"]
Reason = Annotated[
    str,
    StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00]*$", strip_whitespace=True),
    Field(description="A sentence for the people whose requests are held or refused."),
]
Amount = Annotated[int, Field(ge=1, le=1_000_000, description="rate: jobs a minute; concurrency: jobs at work at once.")]
Expiry = Annotated[AwareDatetime, Field(strict=False, description="Without effect from then on. At most 30 days ahead.")]
ActionFilter = Annotated[Action | None, Query()]
OrganizationFilter = Annotated[str | None, Query(max_length=80, description="Only rules about this organization (its id).")]
ProjectFilter = Annotated[str | None, Query(max_length=80, description="Only rules about this project (its id).")]
RulePath = Annotated[str, Path(max_length=80, pattern=r"^[a-z0-9_]+$", description="The rule's id.")]


class CreateTrafficRule(Strict):
    """A rule about the jobs that match all of organization, project, kind, cluster and verbs. What is not said is any.

    `pause` lets none begin, `reject` refuses the requests, `rate` lets `limit` a minute begin, evenly, `concurrency` lets
    `limit` be at work at once. What does not begin waits, oldest first.
    """

    action: Action
    limit: Amount | None = None
    organization: Reference | None = Field(default=None, description="The organization's id or name.")
    project: Reference | None = Field(default=None, description="The project's id, or its name if no other has it.")
    kind: Reference | None = Field(default=None, description="A kind whose changes are jobs, such as vm.")
    cluster: Reference | None = Field(default=None, description="The cluster's id or name.")
    verbs: Annotated[list[Verb], Field(min_length=1)] = Field(
        default=["create", "update"],
        description="What the jobs do. Unless it is said, deletes and corrections of drift go on.",
    )
    reason: Reason
    expires_at: Expiry


class ChangeTrafficRule(Strict):
    """What of a rule changes. Whom it is about does not: make another one."""

    limit: Amount | None = None
    reason: Reason | None = None
    expires_at: Expiry | None = None


class TrafficRule(View):
    """A rule of the operators, and how many jobs it holds now."""

    id: str
    action: Action
    limit: int | None
    organization_id: str | None
    project_id: str | None
    kind: str | None
    cluster_id: str | None
    verbs: list[Verb]
    owner_id: str | None
    reason: str
    expires_at: datetime
    expired: bool = Field(description="It has no effect any more, and is deleted a day after its expiry.")
    held_jobs: int
    created_at: datetime
    updated_at: datetime


class TrafficRulePage(View):
    """A page of rules, oldest first."""

    items: list[TrafficRule]
    next: str | None


def traffic_router(services: Services) -> APIRouter:
    """The routes of traffic rules."""
    router = APIRouter(prefix="/traffic-rules", tags=["traffic rules"])
    _add_reading(router, services)
    _add_making(router, services)
    _add_changing(router, services)
    return router


def _named(verb: str) -> dict[str, Any]:
    return {"operation_id": f"traffic_rule_{verb}", "openapi_extra": {"x-permission": _permission(verb)}}


def _permission(verb: str) -> str:
    return f"jobs.traffic_rule.{verb}"


def _add_reading(router: APIRouter, services: Services) -> None:
    @router.get("", response_model=TrafficRulePage, summary="List traffic rules", **_named("list"))
    async def list_rules(
        request: Request, limit: Limit = 50, cursor: Cursor = None, action: ActionFilter = None,
        organization: OrganizationFilter = None, project: ProjectFilter = None, created_after: CreatedAfter = None,
        created_before: CreatedBefore = None,
    ) -> Response:  # fmt: skip
        after = cursor_uuid(RULE_PREFIX, cursor)
        async with operation(services, request, permission=_permission("list")) as op:
            found = await traffic.page(
                op.tx,
                action=action,
                organization_id=filter_id([ORGANIZATION], "organization", organization),
                project_id=filter_id([PROJECT], "project", project),
                since=created_after,
                until=created_before,
                after=after,
                limit=limit + 1,
            )
            held = await traffic.held_by(op.tx, [rule.id for rule in found])
            now = op.tx.now
        return page(found, limit, lambda rule: _view(rule, held, now))

    @router.get("/{rule_id}", response_model=TrafficRule, summary="Read a traffic rule", **_named("read"))
    async def read_rule(request: Request, rule_id: RulePath) -> Response:
        async with operation(services, request, permission=_permission("read")) as op:
            return answer(await _told(op.tx, await traffic.get(op.tx, _id(rule_id))))


def _add_making(router: APIRouter, services: Services) -> None:
    @router.post("", response_model=TrafficRule, status_code=201, summary="Make a traffic rule", **_named("create"))
    async def make_rule(request: Request, body: CreateTrafficRule) -> Response:
        async def work(op: Operation) -> Reply:
            op.resource_kind, op.detail = KIND, body.model_dump(mode="json", exclude_none=True)
            _check(body, op.tx.now)
            match = await _match(op.tx, services.kinds, body)
            rule = await traffic.make(
                op.tx,
                body.action,
                match,
                limit=body.limit,
                owner_id=op.actor.id,
                reason=body.reason,
                expires_at=body.expires_at,
            )
            op.resource_id = rule.id
            op.tx.after_commit.append(services.manager.engine.traffic.forget)
            view = await _told(op.tx, rule)
            return Reply(view, 201, f"{request.url.path}/{view['id']}")

        return await mutate(services, request, work, permission=_permission("create"))


def _add_changing(router: APIRouter, services: Services) -> None:
    @router.patch("/{rule_id}", response_model=TrafficRule, summary="Change a traffic rule", **_named("update"))
    async def change_rule(request: Request, rule_id: RulePath, body: ChangeTrafficRule) -> Response:
        async def work(op: Operation) -> Reply:
            op.resource_kind, op.resource_id = KIND, _id(rule_id)
            op.detail = body.model_dump(mode="json", exclude_none=True)
            problems = _expiry_problems(body.expires_at, op.tx.now) if body.expires_at else []
            if body.limit is not None and (await traffic.get(op.tx, op.resource_id)).limit is None:
                problems.append(_NO_LIMIT)
            if problems:
                raise InvalidRequestError(errors=problems)
            rule = await traffic.change(op.tx, op.resource_id, limit=body.limit, reason=body.reason, expires_at=body.expires_at)
            op.tx.after_commit.append(services.manager.engine.traffic.forget)
            return Reply(await _told(op.tx, rule))

        return await mutate(services, request, work, permission=_permission("update"))

    @router.delete("/{rule_id}", response_model=TrafficRule, summary="End a traffic rule", **_named("delete"))
    async def end_rule(request: Request, rule_id: RulePath) -> Response:
        """The jobs that it holds begin at once, as far as no other rule holds them."""

        async def work(op: Operation) -> Reply:
            op.resource_kind, op.resource_id = KIND, _id(rule_id)
            rule = await traffic.remove(op.tx, op.resource_id)
            op.tx.after_commit.append(services.manager.engine.traffic.forget)
            return Reply(await _told(op.tx, rule))

        return await mutate(services, request, work, permission=_permission("delete"))


def _id(text: str) -> UUID:
    number = parse_id(RULE_PREFIX, text)
    if number is None:
        raise RuleNotFoundError
    return number


# What a request must say. All that is wrong is said at once.

_NO_LIMIT = FieldProblem(pointer="/limit", detail="Only a rate and a concurrency have a limit. Leave it out.")


def _check(body: CreateTrafficRule, now: datetime) -> None:
    problems = _expiry_problems(body.expires_at, now)
    counts = body.action in {"rate", "concurrency"}
    if counts and body.limit is None:
        problems.append(FieldProblem(pointer="/limit", detail=f"A {body.action} needs a limit."))
    if not counts and body.limit is not None:
        problems.append(_NO_LIMIT)
    if len(set(body.verbs)) < len(body.verbs):
        problems.append(FieldProblem(pointer="/verbs", detail="A verb is named twice."))
    if body.action == "reject" and "correct" in body.verbs:
        detail = "Corrections are not requests: a refused one would fail for ever. Pause, slow or cap them instead."
        problems.append(FieldProblem(pointer="/verbs", detail=detail))
    if problems:
        raise InvalidRequestError(errors=problems)


def _expiry_problems(expires_at: datetime, now: datetime) -> list[FieldProblem]:
    if expires_at <= now:
        return [FieldProblem(pointer="/expires_at", detail="That is in the past. To end a rule, delete it.")]
    if expires_at > now + LONGEST:
        return [FieldProblem(pointer="/expires_at", detail=f"That is more than {LONGEST.days} days ahead.")]
    return []


async def _match(tx: Tx, kinds: Mapping[str, Kind], body: CreateTrafficRule) -> Match:
    """The ids that the request means. Raises InvalidRequestError, which names each field that refers to nothing."""
    problems: list[FieldProblem] = []
    organization = await _refer(tx, ORGANIZATION, "organization", body.organization, problems)
    within = organization.id if organization else None
    project = await _refer(tx, PROJECT, "project", body.project, problems, organization_id=within)
    cluster = await _refer(tx, CLUSTER, "cluster", body.cluster, problems)
    with_jobs = sorted(name for name, kind in kinds.items() if kind.on_create or kind.on_update or kind.on_delete)
    if body.kind is not None and body.kind not in with_jobs:
        detail = f"{body.kind!r} is not a kind whose changes are jobs. Those are: {', '.join(with_jobs)}."
        problems.append(FieldProblem(pointer="/kind", detail=detail))
    if problems:
        raise InvalidRequestError(errors=problems)
    return Match(within, project.id if project else None, body.kind, cluster.id if cluster else None, body.verbs)


async def _refer(
    tx: Tx, kind: Kind, field: str, reference: str | None, problems: list[FieldProblem], *, organization_id: UUID | None = None
) -> Resource | None:
    if reference is None:
        return None
    found = await store.find(tx, kind, None, reference, organization_id=organization_id)
    detail = None
    if found is None:
        detail = f"There is no {field} {reference!r}{' in that organization' if organization_id else ''}."
    elif organization_id is None and len(await _named_alike(tx, kind, reference)) > 1:
        detail = f"Several {kind.plural} are named {reference!r}. Give the id, or the organization too."
    if detail is not None:
        problems.append(FieldProblem(pointer=f"/{field}", detail=detail))
    return found


async def _named_alike(tx: Tx, kind: Kind, name: str) -> Sequence[Resource]:
    return await pages.page(tx, kind, project_id=None, filters=pages.Filters(name=name), limit=2)


async def _told(tx: Tx, rule: Rule) -> dict[str, Any]:
    return _view(rule, await traffic.held_by(tx, [rule.id]), tx.now)


def _view(rule: Rule, held: Mapping[UUID, int], now: datetime) -> dict[str, Any]:
    return {
        "id": format_id(RULE_PREFIX, rule.id),
        "action": rule.action,
        "limit": rule.limit,
        "organization_id": public(ORGANIZATION.prefix, rule.organization_id),
        "project_id": public(PROJECT.prefix, rule.project_id),
        "kind": rule.kind,
        "cluster_id": public(CLUSTER.prefix, rule.cluster_id),
        "verbs": list(rule.verbs),
        "owner_id": public(USER_PREFIX, rule.owner_id),
        "reason": rule.reason,
        "expires_at": rule.expires_at,
        "expired": rule.expires_at <= now,
        "held_jobs": held.get(rule.id, 0),
        "created_at": rule.created_at,
        "updated_at": rule.updated_at,
    }
