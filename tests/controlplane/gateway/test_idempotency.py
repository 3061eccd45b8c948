"""Idempotency-Key: whatever is sent again is answered as it was first, and is not done again. Of every mutating route."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.controlplane.gateway.conftest import Api
from tests.controlplane.gateway.mutations import EXEMPT, MUTATIONS, Mutation, Prepared, prepared
from tests.controlplane.gateway.test_completeness import public_apps, routes
from tests.controlplane.resources.test_claims import limit, recount

from groundplane.controlplane.gateway.idempotency import forget_old
from groundplane.controlplane.network.network import NETWORK

SAFE = {"GET", "HEAD", "OPTIONS"}
KEY = "0b9cb3a4-6f0f-4b2a-9a55-0a4b5d2a5a10"
every_mutation = pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)


def _network(name: str = "lan") -> Mutation:
    async def nothing(_api: Api) -> dict[str, str]:
        return {}

    return Mutation("POST", "/api/tenant/v1/projects/{project_id}/networks", nothing, {"name": name})


def test_every_mutating_route_is_here(api: Api) -> None:
    found = {(route.method, route.path) for route in routes(api.app) if route.method not in SAFE}
    assert found == {mutation.route for mutation in MUTATIONS} | EXEMPT
    assert len({mutation.route for mutation in MUTATIONS}) == len(MUTATIONS)


def test_every_mutating_route_says_that_it_takes_a_key_and_a_dry_run(api: Api) -> None:
    for prefix, app in public_apps(api.app):
        for path, item in app.openapi()["paths"].items():
            for method, operation in item.items():
                if method.upper() in SAFE or method == "parameters" or (method.upper(), prefix + path) in EXEMPT:
                    continue
                said = {(parameter["in"], parameter["name"].lower()) for parameter in operation.get("parameters", [])}
                assert said >= {("header", "idempotency-key"), ("query", "dry_run")}, f"{method} {prefix}{path}"


def _without(body: Any, forgotten: dict[str, None]) -> Any:
    """What a repetition is answered: all but what is told once."""
    return {**body, **forgotten} if forgotten else body


@every_mutation
async def test_what_is_sent_again_is_answered_as_before_and_done_once(api: Api, mutation: Mutation) -> None:
    request = await prepared(api, mutation)
    first = await request.send(key=KEY)
    assert first.status_code in {200, 201, 202}, first.text
    assert "idempotent-replayed" not in first.headers
    contents, tasks = await api.cloud.contents(), list(api.cloud.tasks)
    assert await api.cloud.value("SELECT count(*) FROM idempotency_key") == 1

    again = await request.send(key=KEY)
    forgotten = dict.fromkeys(mutation.told_once)
    assert (again.status_code, again.json()) == (first.status_code, _without(first.json(), forgotten))
    assert again.headers.get("location") == first.headers.get("location")
    assert again.headers["idempotent-replayed"] == "true"
    assert await api.cloud.contents() == contents
    assert api.cloud.tasks == tasks

    other = await request.send(key=KEY, other=True)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused"), other.text
    after = await api.cloud.contents()
    assert {name for name, digest in after.items() if digest != contents[name]} <= {"audit_event"}


async def test_a_replay_is_answered_when_all_has_changed_since(api: Api) -> None:
    request = await prepared(api, _network())
    first = await request.send(key=KEY)
    await api.cloud.run()
    await api.cloud.deleted((await api.cloud.named(NETWORK, "lan")).id)
    again = await request.send(key=KEY)
    assert (again.status_code, again.content) == (202, first.content)
    assert await api.cloud.value("SELECT count(*) FROM resource WHERE kind = 'network'") == 1


async def test_a_request_that_is_at_work_is_not_done_a_second_time(api: Api) -> None:
    request = await prepared(api, _network())
    async with api.cloud.database.transaction() as tx:
        await tx.execute("LOCK TABLE idempotency_key IN SHARE MODE")  # nobody can store an answer, and so commit
        first = asyncio.create_task(request.send(key=KEY))
        await _at_work(api)
        second = await request.send(key=KEY)
        assert (second.status_code, second.json()["code"]) == (409, "idempotency_in_flight")
        assert not first.done()
    done = await first
    assert done.status_code == 202
    assert (await request.send(key=KEY)).content == done.content
    assert await api.cloud.value("SELECT count(*) FROM resource WHERE kind = 'network'") == 1


async def _at_work(api: Api) -> None:
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'idempotency_key'::regclass"
    async with asyncio.timeout(10):
        while not await api.cloud.value(waiting):  # noqa: ASYNC110  # PostgreSQL has no event for it
            await asyncio.sleep(0.01)


async def test_a_request_that_dies_before_its_commit_frees_its_key(api: Api) -> None:
    request = await prepared(api, _network())
    async with api.cloud.database.transaction() as tx:
        await tx.execute("LOCK TABLE idempotency_key IN SHARE MODE")
        first = asyncio.create_task(request.send(key=KEY))
        await asyncio.sleep(0.5)  # by now it has given up to share its transaction, and waits alone
        await _at_work(api)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
    answer = await request.send(key=KEY)
    assert answer.status_code == 202
    assert "idempotent-replayed" not in answer.headers
    assert await api.cloud.value("SELECT count(*) FROM resource WHERE kind = 'network'") == 1


async def test_refusals_are_not_stored(api: Api) -> None:
    request = await prepared(api, _network())
    await limit(api.cloud, networks=0)
    refused = await request.send(key=KEY)
    assert (refused.status_code, refused.json()["code"]) == (403, "quota_exceeded")
    assert await api.cloud.value("SELECT count(*) FROM idempotency_key") == 0
    await limit(api.cloud, networks=1)
    assert (await request.send(key=KEY)).status_code == 202


async def test_another_principal_or_route_with_the_same_key_is_another_request(api: Api) -> None:
    request = await prepared(api, _network())
    first = await request.send(key=KEY)
    another = replace(request, api=await api.as_("admin"))
    refused = await another.send(key=KEY)
    assert (refused.status_code, refused.json()["code"]) == (409, "name_taken")  # tried, and not replayed
    groups = replace(_network("lan"), path="/api/tenant/v1/projects/{project_id}/security-groups")
    elsewhere = await (await prepared(api, groups)).send(key=KEY)
    assert elsewhere.status_code == 202
    assert "idempotent-replayed" not in elsewhere.headers
    assert (await request.send(key=KEY)).content == first.content


async def test_who_may_not_is_refused_before_a_stored_answer_is_told(api: Api) -> None:
    """Whose role was taken away gets no answers of before."""
    owner = await api.as_("owner", api.cloud.organization_id)
    request = replace(await prepared(api, _network()), api=owner)
    assert (await request.send(key=KEY)).status_code == 202
    await api.cloud.execute("DELETE FROM role_binding WHERE role = 'owner'")
    assert (await request.send(key=KEY)).status_code in {403, 404}


@pytest.mark.parametrize("key", ["", "x" * 256, "two words", "tab\there", "ümlaut"])
async def test_a_key_that_is_none_is_refused(api: Api, key: str) -> None:
    headers = [(name.encode(), value.encode()) for name, value in {**api.headers, "Idempotency-Key": key}.items()]
    answer = await api.client.post(f"{api.project}/networks", json={"name": "lan"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_idempotency_key")
    assert await api.cloud.value("SELECT count(*) FROM resource WHERE kind = 'network'") == 0


@pytest.mark.parametrize("key", ["x", "x" * 255, "!~"])
async def test_any_visible_key_is_taken(api: Api, key: str) -> None:
    request = await prepared(api, _network())
    assert (await request.send(key=key)).status_code == 202
    assert (await request.send(key=key)).headers["idempotent-replayed"] == "true"


async def test_an_answer_is_kept_a_day_and_then_forgotten(api: Api) -> None:
    request = await prepared(api, _network())
    await request.send(key=KEY)
    await api.cloud.execute("UPDATE idempotency_key SET created_at = now() - interval '23 hours 59 minutes'")
    assert await forget_old(api.cloud.database) == 0
    assert (await request.send(key=KEY)).headers["idempotent-replayed"] == "true"
    await api.cloud.execute("UPDATE idempotency_key SET created_at = now() - interval '24 hours 1 minute'")
    assert await forget_old(api.cloud.database) == 1
    anew = await request.send(key=KEY)
    assert (anew.status_code, anew.json()["code"]) == (409, "name_taken")


async def test_twenty_equal_requests_at_once_make_one_resource_and_all_get_its_answer(api: Api) -> None:
    request = await prepared(api, _network())
    answers = await asyncio.gather(*(_until_answered(request) for _ in range(20)))
    assert len(set(answers)) == 1
    assert await api.cloud.value("SELECT count(*) FROM resource WHERE kind = 'network'") == 1
    assert await api.cloud.value("SELECT count(*) FROM job") == 1
    assert len(api.cloud.tasks) == 1
    assert (
        await api.cloud.value("SELECT count(*) FROM audit_event WHERE outcome = 'allowed' AND resource_kind = 'network'") == 1
    )
    await recount(api.cloud)


async def _until_answered(request: Prepared) -> bytes:
    async with asyncio.timeout(30):
        while True:
            answer = await request.send(key=KEY)
            if answer.status_code == 202:
                return answer.content
            assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_in_flight"), answer.text
            await asyncio.sleep(0.01)
