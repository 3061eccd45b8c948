"""Single sign-on against a real OpenID provider: who gets in, as whom, and with which roles."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr, ValidationError
from tests.controlplane.gateway_frame.conftest import MakeUser, Somebody, Tenant
from tests.controlplane.gateway_frame.logins import BASE, OWN_PAGE, events, me
from tests.controlplane.identity.oidc.provider import CLIENT_SECRET, Provider, running

from groundplane.controlplane.gateway.app import build_app
from groundplane.controlplane.gateway.identity_api import identity_router
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.identity import ExternalUser, RoleOfGroup, SsoRefusedError, user_of
from groundplane.kernel.ids import new_id
from groundplane.kernel.settings import Settings
from groundplane.processes.api import credential_routers

START, CALLBACK = f"{BASE}/auth/sso/start", f"{BASE}/auth/sso/callback"


def _person(login: str, *groups: str, **more: Any) -> dict[str, Any]:
    return {"email": f"{login}@corp.example", "email_verified": True, "name": login.title(), "groups": list(groups), **more}


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    people = {
        "ada": _person("ada", "cloud-admins", "unrelated"),
        "bob": _person("bob", "team"),
        "eve": _person("eve", email="eve@evil.example"),
        "mallory": _person("mallory", email_verified=False),
    }
    with running(people) as provider:
        yield provider


@dataclass
class Site:
    """The platform, with single sign-on set up, as a browser sees it."""

    client: httpx.AsyncClient
    services: Services
    provider: Provider

    async def start(self) -> tuple[str, str]:
        """Where the browser goes, and the cookie that it keeps meanwhile."""
        answer = await self.client.get(START)
        assert answer.status_code == 303, answer.text
        cookie = answer.headers["set-cookie"].partition(";")[0]
        return answer.headers["location"], cookie

    async def back(self, url: str, cookie: str) -> httpx.Response:
        """The browser comes back from the provider."""
        self.client.cookies.clear()
        return await self.client.get(url, headers={"Cookie": cookie})

    async def log_in(self, login: str) -> httpx.Response:
        """All of it."""
        url, cookie = await self.start()
        return await self.back(await self.provider.log_in(url, login), cookie)

    async def who(self, answer: httpx.Response) -> dict[str, Any]:
        """Who is logged in by the cookie of this answer, and what they are bound to."""
        assert answer.status_code == 303, answer.text
        cookies = [each.partition(";")[0] for each in answer.headers.get_list("set-cookie")]
        (cookie,) = [each for each in cookies if each.startswith("groundplane_refresh=")]
        self.client.cookies.clear()
        renewed = await self.client.post(f"{BASE}/auth/refresh", json={}, headers=OWN_PAGE | {"Cookie": cookie})
        assert renewed.status_code == 200, renewed.text
        known: dict[str, Any] = (await me(self.client, renewed.json()["access_token"])).json()
        return known


@pytest_asyncio.fixture(scope="module")
async def site(services: Services, provider: Provider, tenant: Tenant) -> AsyncIterator[Site]:
    changes = {
        "sso_issuer": provider.issuer,
        "sso_client_secret": SecretStr(CLIENT_SECRET),
        "sso_allowed_domains": ("corp.example",),
        "sso_group_roles": {
            "cloud-admins": "admin",
            "team": f"owner@{tenant.organization}",
            "readers": f"viewer@{tenant.organization}/{tenant.project}",
            "lost": "owner@org_00000000000000000000000000",
        },
    }
    there = replace(services, settings=services.settings.model_copy(update=changes))
    app = build_app(there, tenant=[], ops=[], common=[identity_router(there), *credential_routers(there)], agent=[])
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("192.0.2.7", 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        yield Site(client, there, provider)


def _roles(known: dict[str, Any]) -> set[tuple[str, str | None, str | None]]:
    return {(each["role"], each["organization_id"], each["project_id"]) for each in known["role_bindings"]}


async def test_somebody_of_the_provider_gets_in_with_the_roles_of_their_groups(site: Site, services: Services) -> None:
    answer = await site.log_in("ada")
    assert answer.headers["location"] == "/"
    known = await site.who(answer)
    assert (known["user"]["email"], known["user"]["name"]) == ("ada@corp.example", "Ada")
    assert _roles(known) == {("admin", None, None)}
    event = (await events(services, "identity.session.create"))[0]
    assert (event.outcome, event.detail["method"], event.detail["groups"]) == ("allowed", "sso", ["cloud-admins", "unrelated"])
    assert (await site.who(await site.log_in("ada")))["user"]["id"] == known["user"]["id"]


async def test_the_request_to_the_provider_has_pkce_state_and_nonce(site: Site) -> None:
    asked = parse_qs(urlsplit((await site.start())[0]).query)
    other = parse_qs(urlsplit((await site.start())[0]).query)
    assert (asked["response_type"], asked["code_challenge_method"]) == (["code"], ["S256"])
    assert "openid" in asked["scope"][0].split()
    for name in ("state", "nonce", "code_challenge"):
        assert len(asked[name][0]) >= 43
        assert asked[name] != other[name]


async def test_each_login_makes_the_roles_what_the_groups_say_and_leaves_alone_what_people_gave(
    site: Site, tenant: Tenant, admin: Somebody, make_user: MakeUser
) -> None:
    await make_user("owner", tenant.organization_id)  # the last one would keep the role
    known = await site.who(await site.log_in("bob"))
    assert _roles(known) == {("owner", tenant.organization, None)}
    path = f"{BASE}/organizations/{tenant.organization}/role-bindings"
    given = {"user": known["user"]["id"], "role": "viewer"}
    assert (await site.client.post(path, json=given, headers=admin.headers)).status_code == 201
    site.provider.says("bob", _person("bob", "readers", "lost"))
    known = await site.who(await site.log_in("bob"))
    assert _roles(known) == {("viewer", tenant.organization, tenant.project), ("viewer", tenant.organization, None)}
    site.provider.says("bob", _person("bob"))
    assert _roles(await site.who(await site.log_in("bob"))) == {("viewer", tenant.organization, None)}


async def test_the_subject_counts_and_not_the_address(site: Site) -> None:
    site.provider.says("carl", _person("carl"))
    first = await site.who(await site.log_in("carl"))
    site.provider.says("carl", _person("carl", email="charles@corp.example"))
    site.provider.says("other", _person("other", email="charles@corp.example"))
    assert (await site.who(await site.log_in("carl")))["user"] == first["user"]
    other = await site.who(await site.log_in("other"))
    assert other["user"]["id"] != first["user"]["id"]


@pytest.mark.parametrize(("login", "told"), [("eve", "domain"), ("mallory", "vouch")])
async def test_who_is_foreign_or_not_vouched_for_stays_out(site: Site, services: Services, login: str, told: str) -> None:
    answer = await site.log_in(login)
    assert (answer.status_code, answer.json()["code"]) == (403, "sso_refused")
    assert told in answer.json()["detail"]
    assert "set-cookie" not in answer.headers
    event = (await events(services, "identity.session.create"))[0]
    assert (event.outcome, event.code, event.detail) == ("denied", "sso_refused", {"method": "sso"})


async def test_a_disabled_user_stays_out(site: Site, admin: Somebody) -> None:
    site.provider.says("dora", _person("dora"))
    known = await site.who(await site.log_in("dora"))
    await site.client.post(f"{BASE}/users/{known['user']['id']}/disable", headers=admin.headers)
    assert (await site.log_in("dora")).json()["code"] == "sso_refused"


async def test_another_browser_cannot_finish_what_this_one_began(site: Site) -> None:
    url, cookie = await site.start()
    back = await site.provider.log_in(url, "ada")
    for wrong in ("", "groundplane_sso=", (await site.start())[1]):
        answer = await site.back(back, wrong)
        assert (answer.status_code, answer.json()["code"]) == (401, "sso_failed")
    assert (await site.back(back, cookie)).status_code == 303
    assert (await site.back(back, cookie)).json()["code"] == "sso_failed"


async def test_a_code_of_another_login_is_of_no_use(site: Site) -> None:
    """An attacker slips the victim a code of their own: the verifier does not fit."""
    url, _ = await site.start()
    foreign = parse_qs(urlsplit(await site.provider.log_in(url, "ada")).query)["code"][0]
    mine, cookie = await site.start()
    state = parse_qs(urlsplit(mine).query)["state"][0]
    answer = await site.back(f"{CALLBACK}?state={state}&code={foreign}", cookie)
    assert (answer.status_code, answer.json()["code"]) == (401, "sso_failed")


async def test_what_the_provider_refuses_is_refused(site: Site) -> None:
    url, cookie = await site.start()
    state = parse_qs(urlsplit(url).query)["state"][0]
    answer = await site.back(f"{CALLBACK}?state={state}&error=access_denied", cookie)
    assert (answer.status_code, answer.json()["code"]) == (401, "sso_failed")


async def test_the_verifier_lies_sealed_and_the_state_hashed(site: Site, services: Services) -> None:
    _, cookie = await site.start()
    state = cookie.partition("=")[2]
    async with services.database.transaction() as tx:
        text = await tx.value("SELECT string_agg(row::text, ' ') FROM sso_attempt AS row")
    assert state not in text
    assert state.encode().hex() not in text


async def test_whoever_is_to_log_in_is_told_how(site: Site, client: httpx.AsyncClient) -> None:
    """The provider by its host, where the operators gave it no name."""
    assert (await site.client.get(f"{BASE}/auth/methods")).json() == {"password": True, "sso": {"name": "127.0.0.1"}}
    named = replace(site.services, settings=site.services.settings.model_copy(update={"sso_name": "Corp"}))
    app = build_app(named, tenant=[], ops=[], common=credential_routers(named), agent=[])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as elsewhere:
        assert (await elsewhere.get(f"{BASE}/auth/methods")).json()["sso"] == {"name": "Corp"}
    assert (await client.get(f"{BASE}/auth/methods")).json() == {"password": True, "sso": None}


async def test_without_a_provider_there_is_no_single_sign_on(client: httpx.AsyncClient) -> None:
    for path in (START, CALLBACK):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "sso_not_configured")


async def test_a_user_that_is_there_is_linked_only_where_an_operator_named_the_domain(
    make_user: MakeUser, services: Services
) -> None:
    somebody = await make_user()
    external = ExternalUser("https://idp.example", new_id().hex, somebody.user.email, True, "Somebody", frozenset())
    async with services.database.transaction() as tx:
        with pytest.raises(SsoRefusedError, match="already a user"):
            await user_of(tx, external, [])
        with pytest.raises(SsoRefusedError, match="vouch"):
            await user_of(tx, replace(external, email_verified=False), ["example.org"])
        assert (await user_of(tx, external, ["example.org"])).id == somebody.user.id
        assert (await user_of(tx, replace(external, email=f"{new_id().hex}@example.org"), [])).id == somebody.user.id


@pytest.mark.parametrize("text", ["", "@org_x", "owner@prj_x", "owner@org_x", f"viewer@org_{'0' * 26}/vm_x"])
def test_a_role_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no role"):
        RoleOfGroup.parse(text)


@pytest.mark.parametrize("issuer", ["http://idp.example", "ftp://idp.example", "idp.example", "http://127.0.0.1.evil.example"])
def test_a_provider_is_spoken_to_by_tls(issuer: str) -> None:
    with pytest.raises(ValidationError):
        Settings(sso_issuer=issuer)
