"""Every route, asked by every built-in role at each level and by nobody, of what is theirs and what is not, as in `matrix.txt`.

The routes come from the application, the roles from identity; what the table does not list fails. Requests are dry runs, or
are refused after the decision, so that all of them meet the same world.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from tests.controlplane.cloud import KINDS_BY_NAME, NOBODY
from tests.controlplane.gateway.conftest import Api
from tests.controlplane.gateway.matrix import ANONYMOUS, STRANGER, TABLE, Column, Guarded, Table, guarded_routes
from tests.controlplane.gateway.mutations import EXEMPT, MUTATIONS, Mutation
from tests.controlplane.gateway.test_completeness import Route
from tests.controlplane.kinds.scenarios import RULES

from groundplane.controlplane.gateway import console
from groundplane.controlplane.identity import ROLES
from groundplane.controlplane.network.network import NETWORK, NetworkSpec
from groundplane.controlplane.network.security_group import SECURITY_GROUP
from groundplane.controlplane.resources.organization import ORGANIZATION, OrganizationSpec
from groundplane.controlplane.storage.image import IMAGE
from groundplane.kernel.errors import ForbiddenError, InvalidRequestError, NotFoundError, UnauthenticatedError

AT_ONCE = 6
EXAMPLES = {mutation.route: mutation for mutation in MUTATIONS}
NOT_LOGGED_IN = {UnauthenticatedError.code, "token_expired"}
"""Codes of a 401 that refuses the bearer; others refuse what was sent, such as a wrong password."""

Ids = Mapping[str, str]


@dataclass(frozen=True)
class World:
    """People by their column, and the ids that stand in paths and bodies, by place."""

    people: Mapping[Column, Api]
    ids: Mapping[str, Ids]

    def ids_at(self, place: str) -> Ids:
        """Of the organization or project that is meant; of what belongs to none, the own one's."""
        return self.ids[place.partition("-")[0] if "-" in place else "own"]


@pytest.fixture
def table() -> Table:
    """The reviewed one."""
    return Table.read(TABLE.read_text())


async def test_every_route_and_every_role_is_listed(api: Api, table: Table) -> None:
    routes = list(guarded_routes(api.app))
    complaints = [
        f"{route.method} {route.path}: {len(fitting)} rows of matrix.txt fit '{place} {route.subject}'; write one"
        for route in routes
        for place in route.places
        if len(fitting := table.rows_for(place, route.subject)) != 1
    ]
    asked = {(place, route.subject) for route in routes for place in route.places}
    complaints += [
        f"the row '{row.place} {row.pattern}' of matrix.txt fits no route; take it away"
        for row in table.rows
        if not any(row.fits(*each) for each in asked)
    ]
    possible = {ANONYMOUS, STRANGER, *await _people(api)}
    complaints += [f"matrix.txt has no column {column}; add it" for column in possible - set(table.columns)]
    complaints += [f"nobody can be {column}; take the column out of matrix.txt" for column in set(table.columns) - possible]
    complaints += [
        f"{route.method} {route.path} has no example request; add one to mutations.py"
        for route in routes
        if route.dry_run and (route.method, route.path) not in {*EXAMPLES, *EXEMPT}
    ]
    assert not complaints, "\n".join(complaints)


@pytest.mark.slow
@pytest.mark.timeout(900)  # some thousand requests: ten seconds on a quiet machine
async def test_everybody_is_answered_as_the_table_says(api: Api, table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "ANSWER_SECONDS", 0.05)  # there is no agent that would answer
    monkeypatch.setattr(api.app.state.limits, "limits", {})  # all of them ask from one address
    routes = list(guarded_routes(api.app))
    bound = await _people(api)
    people = {ANONYMOUS: _as_nobody(api), STRANGER: await api.as_(None), **bound}
    world = World(people, await _furnished(api, bound))
    harmless = [route for route in routes if route.dry_run or route.method == "GET"]
    wrong = await _disagreements(world, table, harmless, AT_ONCE)
    # What cannot be tried without doing it comes last, and one by one: it may end its sender's session.
    wrong += await _disagreements(world, table, [route for route in routes if route not in harmless], 1)
    assert not wrong, f"{len(wrong)} answers are not those of matrix.txt:\n" + "\n".join(wrong)


async def _disagreements(world: World, table: Table, routes: Sequence[Guarded], at_once: int) -> list[str]:
    turns = asyncio.Semaphore(at_once)

    async def ask(route: Guarded, place: str, column: Column) -> str | None:
        async with turns:
            answer = await _send(world.people[column], route, world.ids_at(place))
        expected = table.expected(column, place, route.subject)
        if _agrees(answer, expected):
            return None
        return (
            f"{route.method} {route.path}: {column} at {place}: {expected} expected, {answer.status_code} {answer.text[:200]}"
        )

    asked = [(route, place, column) for route in routes for place in route.places for column in world.people]
    assert len(asked) >= len(routes) * len(world.people)
    return [found for found in await asyncio.gather(*(ask(*each) for each in asked)) if found]


def _agrees(answer: httpx.Response, expected: str) -> bool:
    if answer.status_code in {429, 500}:
        return False  # says nothing of the decision
    code = answer.json()["code"] if answer.status_code in {401, 403, 404} else None
    if expected == "yes":
        # Past the decision: done, tried, or refused for a reason of its own, such as a thing's that is not there.
        return code not in NOT_LOGGED_IN | {ForbiddenError.code, NotFoundError.code}
    if str(answer.status_code) != expected:
        return False
    return code in {"401": NOT_LOGGED_IN, "403": {ForbiddenError.code}, "404": {NotFoundError.code}}[expected]


async def _send(api: Api, route: Guarded, ids: Ids) -> httpx.Response:
    known = dict(ids)
    if "/organizations/{reference}" in route.path:
        known["reference"] = ids["organization_id"]
    if "/organizations/{organization_id}/projects/{reference}" in route.path:
        known["reference"] = ids["project_id"]
    if route.path.startswith("/api/common/v1/role-bindings/"):
        known["binding_id"] = ids["platform_binding_id"]
    if "/projects/{project_id}/role-bindings/" in route.path:
        known["binding_id"] = ids["project_binding_id"]
    path = Route(route.method, route.path).filled(known)
    example = EXAMPLES.get((route.method, route.path))
    query = [example.query] if example else ["q=it"] if route.path.endswith("/search") else []
    if route.dry_run:
        query.append("dry_run=true")
    return await api.call(route.method, path, params="&".join(filter(None, query)), **_body(route, example, known))


def _body(route: Guarded, example: Mutation | None, known: Ids) -> dict[str, Any]:
    if route.method == "GET":
        return {}
    if example is None:
        return {"json": {}}
    if example.content is not None:
        return {"content": example.content[:512]}
    if example.body is None:
        return {}
    return {"json": {name: _filled(value, known) for name, value in example.body.items()}}


def _filled(value: object, known: Ids) -> object:
    """A value of an example; what stands for something that is not there stays, and is refused later."""
    return known.get(value[1:-1], value) if isinstance(value, str) and value.startswith("{") else value


def _as_nobody(api: Api) -> Api:
    return Api(api.app, api.cloud, api.services, api.client)


async def _people(api: Api) -> dict[Column, Api]:
    """Somebody for each role at each level at which it may be bound."""
    cloud = api.cloud
    levels = {
        "platform": (None, None),
        "organization": (cloud.organization_id, None),
        "project": (cloud.organization_id, cloud.project_id),
    }
    people = {}
    for role in ROLES:
        for level, place in levels.items():
            try:
                people[Column(role, level)] = await api.as_(role, *place)
            except InvalidRequestError:
                continue  # not a role of this level
    assert {column.role for column in people} == set(ROLES), "a role that can be bound nowhere"
    return people


async def _furnished(api: Api, roles: Iterable[Column]) -> dict[str, Ids]:
    """One of each kind on the platform, in the own project, in its sibling and in another organization's: their ids."""
    cloud = api.cloud
    of_level = {column.level: column.role for column in roles}
    shared = await _furnish_platform(api, of_level["platform"])
    role = of_level["project"]
    found: dict[str, Ids] = {"own": shared | await _furnish_project(api, role)}
    own = cloud.organization_id, cloud.project_id
    await cloud.open_project("sibling")
    found["sibling"] = shared | await _furnish_project(api, role)
    cloud.organization_id = NOBODY
    cloud.organization_id = (await cloud.make(ORGANIZATION, OrganizationSpec(), name="foreign", project=False)).resource.id
    await cloud.open_project("it")
    found["foreign"] = shared | await _furnish_project(api, role)
    cloud.organization_id, cloud.project_id = own
    return found


async def _furnish_platform(api: Api, role: str) -> dict[str, str]:
    for kind in KINDS_BY_NAME.values():
        if kind.namespace == "ops":
            await _make_fresh(api, f"/api/ops/v1/{kind.plural}")
    expires_at = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    user = {"email": "somebody@example.org", "name": "Somebody", "password": "correct horse battery"}
    user_id = await _made(api, "/api/common/v1/users", user)
    binding = await _made(api, "/api/common/v1/role-bindings", {"user": user_id, "role": role})
    rule = {"action": "concurrency", "limit": 1000, "reason": "A test.", "expires_at": expires_at}
    rule_id = await _made(api, "/api/ops/v1/traffic-rules", rule)
    return {
        "reference": "fresh", "user_id": user_id, "platform_binding_id": binding, "rule_id": rule_id, "expires_at": expires_at,
    }  # fmt: skip


async def _furnish_project(api: Api, role: str) -> dict[str, str]:
    cloud = api.cloud
    await cloud.image()
    await cloud.image("fresh")
    await cloud.made(NETWORK, NetworkSpec(), name="lan")
    await cloud.made(SECURITY_GROUP, RULES, name="web")
    for kind in KINDS_BY_NAME.values():
        if kind.namespace == "tenant" and kind is not IMAGE:
            await _make_fresh(api, f"{api.project}/{kind.plural}", f"/api/tenant/v1/projects/{{project_id}}/{kind.plural}")
    jobs = (await api.get("/jobs"))["items"]
    stranger = await _made(
        api,
        "/api/common/v1/users",
        {"email": f"{cloud.project_id.hex}@example.org", "name": "Somebody", "password": "correct horse battery"},
    )
    project_id = api.project.rpartition("/")[2]
    binding = {"user": stranger, "role": role}
    binding_id = await _made(api, f"{api.organization}/role-bindings", binding)
    project_binding_id = await _made(api, f"{api.organization}/role-bindings", binding | {"project_id": project_id})
    return {
        "organization_id": api.organization.rpartition("/")[2],
        "project_id": project_id,
        "job_id": jobs[0]["id"],
        "binding_id": binding_id,
        "project_binding_id": project_binding_id,
    }


async def _make_fresh(api: Api, path: str, route: str | None = None) -> None:
    """The example of the kind's create, in earnest."""
    await _made(api, path, EXAMPLES["POST", route or path].body)
    await api.cloud.run()


async def _made(api: Api, path: str, body: Any) -> str:
    answer = await api.call("POST", path, json=body)
    assert answer.status_code in {201, 202}, f"{path}: {answer.text}"
    made: str = answer.json()["id"]
    return made
