"""The access check says what a request would be answered, whatever bindings there are; and what it is told with."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import NewProject
from tests.controlplane.gateway_frame.conftest import MakeUser, Somebody
from tests.controlplane.identity.people import new_actor

from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.identity import (
    ROLES,
    Actor,
    Place,
    Standing,
    add_member,
    authorize,
    bind,
    create_group,
    create_role,
    create_service_account,
    decide,
    permissions_in,
    permit,
    places_of,
    standings_of,
)
from groundplane.controlplane.identity.access import standing_of
from groundplane.kernel.database import Tx
from groundplane.kernel.errors import ForbiddenError, NotFoundError, UnauthenticatedError
from groundplane.kernel.ids import format_id, new_id

CHECK = "/api/common/v1/access/check"
BOSS = Actor(new_id(), "system", "somebody who may give anything")
CUSTOM = ("compute.vm.*", "storage.*.read")
PERMISSIONS = (
    "compute.vm.read",
    "compute.vm.create",
    "storage.volume.read",
    "identity.role_binding.create",
    "identity.group.list",
)
PLACES = ("platform", "organization", "project", "sibling", "other", "others_project", "nowhere")
ROLE_NAMES = (*ROLES, "custom")

Outcome = Literal["allowed", "forbidden", "not_found", "unauthenticated"]


@dataclass(frozen=True)
class Given:
    """A binding as the oracle knows it: of whom, which role, where, and whether it has expired."""

    subject: Literal["self", "group", "other_group"]
    role: str
    place: str
    expired: bool


@dataclass(frozen=True)
class Case:
    """Who has what, and what is asked."""

    given: tuple[Given, ...]
    service_account: bool
    disabled: bool
    permission: str
    asked: str


def _fits(given: Given) -> bool:
    levels = ("organization", "project") if given.role == "custom" else ROLES[given.role].levels
    level = {"platform": "platform", "organization": "organization", "other": "organization"}.get(given.place, "project")
    return level in levels and not (given.role == "custom" and given.place.startswith("other"))


bindings = st.builds(
    Given,
    subject=st.sampled_from(["self", "group", "other_group"]),
    role=st.sampled_from(ROLE_NAMES),
    place=st.sampled_from([place for place in PLACES if place != "nowhere"]),
    expired=st.booleans(),
).filter(_fits)
cases = st.builds(
    Case,
    given=st.lists(bindings, max_size=4, unique_by=lambda given: (given.subject, given.role, given.place)).map(tuple),
    service_account=st.booleans(),
    disabled=st.sampled_from([False, False, False, True]),
    permission=st.sampled_from(PERMISSIONS),
    asked=st.sampled_from(PLACES),
)
scopes = st.sampled_from([None, ("*",), ("compute.*",), ("*.read", "*.list"), ()])


@dataclass(frozen=True, repr=False)
class World:
    """Two organizations: places by name, as (organization, project); and who asks about them."""

    places: dict[str, tuple[UUID | None, UUID | None]]
    services: Services
    client: httpx.AsyncClient
    admin: Somebody

    def of(self, place: str) -> dict[str, UUID | None]:
        """As functions take it."""
        organization_id, project_id = self.places[place]
        return {"organization_id": organization_id, "project_id": project_id}


@pytest_asyncio.fixture(scope="module")
async def world(services: Services, client: httpx.AsyncClient, admin: Somebody, new_project: NewProject) -> World:
    organization, project = await new_project()
    _, sibling = await new_project(organization)
    other, others_project = await new_project()
    async with services.database.transaction() as tx:
        await create_role(tx, BOSS, organization_id=organization, name="custom", description="", permissions=CUSTOM)
    return World(
        {
            "platform": (None, None),
            "organization": (organization, None),
            "project": (organization, project),
            "sibling": (organization, sibling),
            "other": (other, None),
            "others_project": (other, others_project),
            "nowhere": (new_id(), None),
        },
        services,
        client,
        admin,
    )


# The oracle: the rules once more, of sets and without SQL.

_AROUND = {
    "platform": {"platform"},
    "organization": {"platform", "organization"},
    "project": {"platform", "organization", "project"},
    "sibling": {"platform", "organization", "sibling"},
    "other": {"platform", "other"},
    "others_project": {"platform", "other", "others_project"},
    "nowhere": {"platform"},
}
_SHOWN_BY = _AROUND | {
    "organization": {"platform", "organization", "project", "sibling"},
    "other": {"platform", "other", "others_project"},
}


def _gives(given: Given, permission: str) -> bool:
    return permit(CUSTOM, permission) if given.role == "custom" else ROLES[given.role].permits(permission)


def _mine(case: Case) -> list[Given]:
    """A service account is in no group."""
    subjects = {"self"} if case.service_account else {"self", "group"}
    home = {"organization", "project", "sibling", "platform"}
    return [
        each
        for each in case.given
        if each.subject in subjects
        and not each.expired
        and (each.place in home or (each.subject, case.service_account) == ("self", False))
    ]


def expected(case: Case, scope: tuple[str, ...] | None) -> Outcome:
    mine = _mine(case)
    if case.disabled:
        return "unauthenticated"
    if case.asked != "platform" and not any(each.place in _SHOWN_BY[case.asked] for each in mine):
        return "not_found"
    given = any(each.place in _AROUND[case.asked] and _gives(each, case.permission) for each in mine)
    return "allowed" if given and (scope is None or permit(scope, case.permission)) else "forbidden"


async def _arrange(tx: Tx, world: World, case: Case) -> tuple[Actor, set[UUID]]:
    """A new user or service account with these bindings; and the ids of those."""
    home, _ = world.places["organization"]
    assert home is not None
    if case.service_account:
        actor = (await create_service_account(tx, organization_id=home, name=f"sa-{new_id().hex}", description="")).actor
    else:
        actor = await new_actor(tx)
    groups = {}
    for name in ("group", "other_group"):
        groups[name] = (await create_group(tx, organization_id=home, name=f"{name}-{new_id().hex}", description="")).id
    if not case.service_account:
        await add_member(tx, BOSS, groups["group"], actor.id, organization_id=home)
    made = set()
    for each in case.given:
        subject: dict[str, Any] = (
            {f"{actor.kind}_id": actor.id} if each.subject == "self" else {"group_id": groups[each.subject]}
        )
        foreign = each.place.startswith("other")
        if foreign and "user_id" not in subject:
            continue  # groups and service accounts have roles at home
        binding = await bind(tx, role=each.role, **subject, **world.of(each.place))  # type: ignore[arg-type]
        made.add(binding.id)
        if each.expired:
            await tx.execute("UPDATE role_binding SET expires_at = statement_timestamp() WHERE id = $1", binding.id)
    if case.disabled:
        table = "service_account" if case.service_account else "user_account"
        await tx.execute(f"UPDATE {table} SET disabled_at = now() WHERE id = $1", actor.id)  # noqa: S608
    return actor, made


def _body(world: World, case: Case) -> dict[str, str]:
    organization_id, project_id = world.places[case.asked]
    return {
        "permission": case.permission,
        **({"organization_id": format_id("org", organization_id)} if organization_id else {}),
        **({"project_id": format_id("prj", project_id)} if project_id else {}),
    }


async def _decided(tx: Tx, actor: Actor, permission: str, place: dict[str, UUID | None]) -> Outcome:
    try:
        await authorize(tx, actor, permission, organization_id=place["organization_id"], project_id=place["project_id"])
    except ForbiddenError:
        return "forbidden"
    except NotFoundError:
        return "not_found"
    except UnauthenticatedError:
        return "unauthenticated"
    return "allowed"


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(case=cases, scope=scopes)
async def test_the_decision_is_what_the_rules_say(world: World, case: Case, scope: tuple[str, ...] | None) -> None:
    async with world.services.database.transaction() as tx:
        actor, made = await _arrange(tx, world, case)
        scoped = replace(actor, scopes=scope)
        place = world.of(case.asked)
        assert await _decided(tx, scoped, case.permission, place) == expected(case, scope)
        decision = await decide(
            tx, scoped, case.permission, organization_id=place["organization_id"], project_id=place["project_id"]
        )
        if decision.grant is not None:
            assert decision.grant.binding_id in made
            assert permit(decision.grant.permissions, case.permission)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(case=cases, scope=scopes)
async def test_all_permissions_together_are_those_that_are_allowed_one_by_one(
    world: World, case: Case, scope: tuple[str, ...] | None
) -> None:
    async with world.services.database.transaction() as tx:
        actor, _ = await _arrange(tx, world, case)
        place = world.of(case.asked)
        asked = permissions_in(
            tx, replace(actor, scopes=scope), PERMISSIONS,
            organization_id=place["organization_id"], project_id=place["project_id"],
        )  # fmt: skip
        outcomes = {each: expected(replace(case, permission=each), scope) for each in PERMISSIONS}
        if refused := {"not_found", "unauthenticated"} & set(outcomes.values()):
            with pytest.raises(NotFoundError if "not_found" in refused else UnauthenticatedError):
                await asked
        else:
            assert await asked == sorted(each for each, outcome in outcomes.items() if outcome == "allowed")
        # Of many at once, as of each alone.
        everywhere = [(actor, Place(*world.places[name])) for name in PLACES]
        together = await standings_of(tx, [(BOSSY, Place()), *everywhere])
        assert not together[BOSSY, Place()].enabled
        for _, each in everywhere:
            alone = await standing_of(tx, actor, organization_id=each.organization_id, project_id=each.project_id)
            assert _sorted(together[actor, each]) == _sorted(alone)


BOSSY = Actor(new_id(), "service_account", "somebody who is not there")


def _sorted(standing: Standing) -> Standing:
    return replace(standing, grants=tuple(sorted(standing.grants, key=lambda grant: grant.binding_id)))


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(case=cases)
async def test_everybody_finds_where_they_have_a_role(world: World, case: Case) -> None:
    async with world.services.database.transaction() as tx:
        actor, _ = await _arrange(tx, world, case)
        found = await places_of(tx, actor, name_prefix=None, limit=10_000)
    around = {each.place for each in _mine(case)}
    ids = {name: project or organization for name, (organization, project) in world.places.items()}
    there = {row["id"] for row in (*found.projects, *found.organizations)} & set(ids.values())
    of_projects = {name for name in ("project", "sibling", "others_project") if around & _AROUND[name]}
    of_organizations = {name for name in ("organization", "other") if around & _SHOWN_BY[name]}
    assert there == {ids[name] for name in of_projects | of_organizations}
    assert found.platform is ("platform" in around)
    assert not found.truncated


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(case=cases)
async def test_the_check_says_what_the_decision_says(world: World, case: Case) -> None:
    async with world.services.database.transaction() as tx:
        actor, made = await _arrange(tx, world, case)
        decided = await _decided(tx, actor, case.permission, world.of(case.asked))
    subject = format_id("sa" if case.service_account else "usr", actor.id)
    asked = await world.client.post(CHECK, json={**_body(world, case), "subject": subject}, headers=world.admin.headers)
    if case.service_account and case.asked not in {"platform", "organization", "project", "sibling"}:
        assert asked.status_code == 404, asked.text  # there it is not theirs to ask about
    else:
        _says(asked, decided, made)
    if not case.service_account and not case.disabled:
        token, _ = world.services.tokens.issue_user(actor)
        _says(
            await world.client.post(CHECK, json=_body(world, case), headers={"Authorization": f"Bearer {token}"}), decided, made
        )


def _says(answer: httpx.Response, decided: Outcome, made: set[UUID]) -> None:
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said["code"] or "allowed") == decided
    assert said["allowed"] is (decided == "allowed")
    assert (said["missing"] is None) is said["allowed"]
    if said["allowed"]:
        assert said["through"]["binding_id"] in {format_id("rb", binding_id) for binding_id in made}


async def test_a_groups_role_on_the_platform_is_told_in_another_organization_too(world: World) -> None:
    given = Given("group", "auditor", "platform", expired=False)
    case = Case((given,), service_account=False, disabled=False, permission="compute.vm.read", asked="other")
    async with world.services.database.transaction() as tx:
        actor, made = await _arrange(tx, world, case)
    body = {**_body(world, case), "subject": format_id("usr", actor.id)}
    _says(await world.client.post(CHECK, json=body, headers=world.admin.headers), "allowed", made)


async def test_it_names_the_binding_the_group_and_until_when(
    services: Services, client: httpx.AsyncClient, make_user: MakeUser, world: World
) -> None:
    somebody = await make_user()
    organization, project = world.places["project"]
    assert organization is not None
    async with services.database.transaction() as tx:
        group = await create_group(tx, organization_id=organization, name="developers", description="")
        await add_member(tx, BOSS, group.id, somebody.user.id, organization_id=organization)
        soon, later = tx.now + timedelta(hours=1), tx.now + timedelta(hours=2)
        place = {"organization_id": organization, "project_id": project}
        await bind(tx, user_id=somebody.user.id, role="viewer", organization_id=organization, expires_at=soon)
        binding = await bind(tx, group_id=group.id, role="project_operator", expires_at=later, **place)
    body = {"permission": "compute.vm.read", "project_id": format_id("prj", project or new_id())}
    said = (await client.post(CHECK, json=body, headers=somebody.headers)).json()
    through = said["through"]  # of the two the one that lasts longer
    assert (through["binding_id"], through["role"]) == (format_id("rb", binding.id), "project_operator")
    assert (through["group_id"], through["group_name"]) == (format_id("grp", group.id), "developers")
    assert datetime.fromisoformat(through["expires_at"]) == later

    said = (await client.post(CHECK, json={**body, "permission": "storage.volume.create"}, headers=somebody.headers)).json()
    assert said["allowed"]
    said = (await client.post(CHECK, json={**body, "permission": "identity.project.update"}, headers=somebody.headers)).json()
    assert (said["allowed"], said["code"], said["through"]) == (False, "forbidden", None)
    assert said["missing"] == {"permission": "identity.project.update", "roles": ["project_admin"], "scope": False}


async def test_what_cannot_be_seen_is_told_as_what_is_not_there(
    client: httpx.AsyncClient, make_user: MakeUser, world: World
) -> None:
    somebody = await make_user()
    answers = []
    for place in ("organization", "nowhere"):
        body = {"permission": "compute.vm.create", "organization_id": format_id("org", world.places[place][0] or new_id())}
        answers.append((await client.post(CHECK, json=body, headers=somebody.headers)).json())
    assert answers[0] == answers[1]
    assert (answers[0]["code"], answers[0]["missing"]["roles"]) == (
        "not_found",
        ["owner", "organization_admin", "project_admin", "project_operator"],
    )


async def test_others_are_asked_about_by_who_may_read_bindings(
    client: httpx.AsyncClient, make_user: MakeUser, world: World
) -> None:
    organization, project = world.places["project"]
    viewer, auditor = await make_user("viewer", organization), await make_user("organization_auditor", organization)
    body = {
        "permission": "compute.vm.read",
        "project_id": format_id("prj", project or new_id()),
        "subject": viewer.user.email,
    }
    assert (await client.post(CHECK, json=body, headers=auditor.headers)).json()["allowed"] is True
    refused = await client.post(CHECK, json=body, headers=viewer.headers)
    assert (refused.status_code, refused.json()["context"]) == (403, {"permission": "identity.role_binding.list"})
    ghost = await client.post(CHECK, json={**body, "subject": "ghost@example.org"}, headers=auditor.headers)
    assert (ghost.status_code, ghost.json()["code"]) == (404, "user_not_found")


async def test_a_permission_that_there_is_not_is_refused(client: httpx.AsyncClient, make_user: MakeUser) -> None:
    somebody = await make_user()
    answer = await client.post(CHECK, json={"permission": "compute.vm.fly"}, headers=somebody.headers)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/permission")
    known = (await client.get("/api/common/v1/permissions", headers=somebody.headers)).json()["items"]
    assert {"compute.vm.create", "identity.group.update", "storage.image.create"} <= set(known)


async def test_one_is_told_what_one_may_do_and_where(
    services: Services, client: httpx.AsyncClient, make_user: MakeUser, world: World
) -> None:
    somebody = await make_user()
    organization, project = world.places["project"]
    assert organization is not None
    assert project is not None
    async with services.database.transaction() as tx:
        group = await create_group(tx, organization_id=organization, name="testers", description="")
        await add_member(tx, BOSS, group.id, somebody.user.id, organization_id=organization)
        await bind(tx, group_id=group.id, role="custom", organization_id=organization, project_id=project)

    async def ask(what: str, **query: str) -> httpx.Response:
        return await client.get(f"/api/common/v1/me/{what}", params=query, headers=somebody.headers)

    known = (await client.get("/api/common/v1/permissions", headers=somebody.headers)).json()["items"]
    given = (await ask("permissions", project_id=format_id("prj", project))).json()["permissions"]
    assert given == [each for each in known if permit(CUSTOM, each)]
    assert "storage.image.read" in given
    assert (await ask("permissions", organization_id=format_id("org", organization))).json() == {"permissions": []}
    assert (await ask("permissions")).json() == {"permissions": []}
    for hidden in ("other", "nowhere"):
        answer = await ask("permissions", organization_id=format_id("org", world.places[hidden][0] or new_id()))
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await ask("permissions", project_id="prj_%00")).status_code == 422

    found = (await ask("projects")).json()
    assert [each["id"] for each in found["projects"]] == [format_id("prj", project)]
    assert found["projects"][0]["organization_name"] == found["organizations"][0]["name"]
    assert (found["platform"], found["truncated"]) == (False, False)
    assert (await ask("projects", name_prefix=found["projects"][0]["name"][:12])).json()["projects"] == found["projects"]
    assert (await ask("projects", name_prefix="%")).json()["projects"] == []


async def test_a_project_that_is_gone_is_found_no_more(
    services: Services, client: httpx.AsyncClient, make_user: MakeUser, new_project: NewProject
) -> None:
    organization, project = await new_project()
    owner = await make_user("owner", organization)
    async with services.database.transaction() as tx:
        await tx.execute("UPDATE resource SET deleted_at = now(), reason = 'a test' WHERE id = $1", project)
    found = (await client.get("/api/common/v1/me/projects", headers=owner.headers)).json()
    assert found["projects"] == []
    assert [each["id"] for each in found["organizations"]] == [format_id("org", organization)]
