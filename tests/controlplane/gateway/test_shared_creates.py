"""Creates that come together share a transaction: each is answered as if it had come alone, and no sum is wrong afterwards."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from tests.controlplane.cloud import KINDS_BY_NAME
from tests.controlplane.gateway.conftest import Api, Json
from tests.controlplane.gateway.mutations import SPECS
from tests.controlplane.kinds.scenarios import PREPARATIONS
from tests.controlplane.resources.test_claims import limit, recount
from tests.statements import all_statements

from groundplane.controlplane.resources.kind import Wish
from groundplane.controlplane.resources.organization import ORGANIZATION, OrganizationSpec
from groundplane.controlplane.resources.project import PROJECT, ProjectSpec
from groundplane.controlplane.resources.references import Sought, know

AMPLE = {name: 1 << 20 for kind in KINDS_BY_NAME.values() for name in kind.dimensions}
MANY = 12
GROUPLESS: Json = {"security_groups": []}
HOST = {"vcpus": 1000, "memory_mib": 1 << 20, "gib": 10_000}


async def furnished(api: Api) -> tuple[Api, Api]:
    """Two tenants, as each of their owners sees the api."""
    cloud = api.cloud
    await cloud.add_host("large", **HOST)
    await cloud.add_host("larger", **HOST)
    await PREPARATIONS["vm"](cloud)
    await limit(cloud, **AMPLE)
    mine = await api.as_("owner", cloud.organization_id)
    other = replace(cloud, organization_id=UUID(int=0))
    other.organization_id = (await other.make(ORGANIZATION, OrganizationSpec(), name="other", project=False)).resource.id
    other.project_id = (await other.make(PROJECT, ProjectSpec(), name="other", project=False)).resource.id
    await PREPARATIONS["vm"](other)
    await limit(other, **AMPLE)
    await cloud.run()
    theirs = replace(await api.as_("owner", other.organization_id), cloud=other)
    return mine, theirs


def post(api: Api, name: str, kind: str = "vm", **spec: Any) -> Any:
    """A create, with a key of its own."""
    body = {"name": name, "spec": SPECS[kind] | spec}
    headers = {**api.headers, "Idempotency-Key": str(uuid4())}
    return api.client.post(f"{api.project}/{KINDS_BY_NAME[kind].plural}", json=body, headers=headers)


def answered(answers: list[httpx.Response]) -> Counter[tuple[int, str | None]]:
    """How often what was answered."""
    return Counter((answer.status_code, answer.json().get("code")) for answer in answers)


async def audited(api: Api) -> Counter[tuple[str, str | None]]:
    """Outcomes and codes of the creates of machines."""
    rows = await api.cloud.fetch("SELECT outcome, code FROM audit_event WHERE action = 'compute.vm.create'")
    return Counter((row["outcome"], row["code"]) for row in rows)


async def test_tenants_share_transactions_and_each_gets_what_is_theirs(api: Api) -> None:
    mine, theirs = await furnished(api)
    asked = [post(each, f"vm-{number}") for number in range(MANY) for each in (mine, theirs)]
    answers: list[httpx.Response] = await asyncio.gather(*asked)
    assert answered(answers) == {(202, None): 2 * MANY}
    transactions = await api.cloud.value("SELECT count(DISTINCT xmin::text) FROM job WHERE workflow = 'vm.create'")
    assert transactions <= MANY
    await api.cloud.run()
    for each in (mine, theirs):
        machines = (await each.get("/vms"))["items"]
        assert sorted(machine["name"] for machine in machines) == sorted(f"vm-{number}" for number in range(MANY))
        assert {machine["status"] for machine in machines} == {"active"}
        addresses = [port["spec"]["address"] for port in (await each.get("/ports"))["items"]]
        assert len(set(addresses)) == MANY
    await recount(api.cloud)
    assert await audited(api) == {("allowed", None): 2 * MANY}


async def test_one_that_is_refused_is_told_why_and_no_other_is(api: Api) -> None:
    mine, theirs = await furnished(api)
    await mine.made("vms", "taken", SPECS["vm"])
    good = [post(each, f"vm-{number}") for number in range(4) for each in (mine, theirs)]
    bad = [
        post(mine, "taken"),
        post(mine, "huge", vcpus=200, memory_mib=1 << 22),
        post(theirs, "lost", nics=[{"network": "nowhere"}]),
        post(theirs, "full", root_volume={"image": "image", "size_gib": 1 << 16}),
    ]
    answers: list[httpx.Response] = await asyncio.gather(*good, *bad)
    assert answered(answers[: len(good)]) == {(202, None): len(good)}
    codes = [answer.json()["code"] for answer in answers[len(good) :]]
    assert codes == ["name_taken", "no_capacity", "reference_not_found", "no_capacity"]
    await api.cloud.run()
    await recount(api.cloud)
    outcomes = await audited(api)
    assert outcomes.pop(("allowed", None)) == len(good) + 1
    assert outcomes == {("failed", code): number for code, number in Counter(codes).items()}


async def test_together_they_get_no_more_than_the_quota_gives(api: Api) -> None:
    mine, theirs = await furnished(api)
    await limit(mine.cloud, **AMPLE | {"vms": 5})
    asked = [post(each, f"vm-{number}") for number in range(MANY) for each in (mine, theirs)]
    answers: list[httpx.Response] = await asyncio.gather(*asked)
    assert answered(answers[::2]) == {(202, None): 5, (403, "quota_exceeded"): MANY - 5}
    assert answered(answers[1::2]) == {(202, None): MANY}
    await api.cloud.run()
    await recount(api.cloud)


async def test_one_key_that_comes_many_times_makes_one_machine(api: Api) -> None:
    mine, theirs = await furnished(api)
    headers = {**mine.headers, "Idempotency-Key": "the-same"}
    body = {"name": "it", "spec": SPECS["vm"]}
    same = [mine.client.post(f"{mine.project}/vms", json=body, headers=headers) for _ in range(MANY)]
    answers: list[httpx.Response] = await asyncio.gather(*same, *(post(theirs, f"vm-{number}") for number in range(4)))
    made = {answer.json()["id"] for answer in answers[:MANY] if answer.status_code == 202}
    assert len(made) == 1
    assert {code for _, code in answered(answers[:MANY])} <= {None, "idempotency_in_flight"}
    assert answered(answers[MANY:]) == {(202, None): 4}
    await api.cloud.run()
    assert [machine["id"] for machine in (await mine.get("/vms"))["items"]] == list(made)


async def test_a_key_that_comes_again_while_its_first_request_is_written_is_answered_as_that_was(api: Api) -> None:
    """It goes alone, and nothing is stored when it looks; what it then meets is its own name."""
    mine, _ = await furnished(api)
    headers, body = {**mine.headers, "Idempotency-Key": "the-same"}, {"name": "it", "spec": SPECS["vm"]}
    ask = partial(mine.client.post, f"{mine.project}/vms", json=body, headers=headers)
    async with api.services.database.transaction() as tx:
        await tx.fetch("SELECT FROM quota_usage WHERE scope_id = $1 FOR UPDATE", mine.cloud.project_id)
        first = asyncio.create_task(ask())
        await waiting_for_a_lock(api, 1)
        api.services.sharing.avoid(mine.cloud.project_id)
        again = asyncio.create_task(ask())
        await waiting_for_a_lock(api, 2)
    assert (await first).status_code == 202, (await first).text
    assert ((await again).status_code, (await again).json()) == (202, (await first).json())
    assert (await again).headers["Idempotent-Replayed"] == "true"


async def waiting_for_a_lock(api: Api, number: int) -> None:
    """Until so many wait for others."""
    sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    async with asyncio.timeout(10):
        while await api.cloud.value(sql) < number:  # noqa: ASYNC110 - it is in another process
            await asyncio.sleep(0.005)


async def test_requests_that_come_together_are_decided_and_find_what_they_refer_to_together(api: Api) -> None:
    mine, theirs = await furnished(api)
    asked: list[int] = []
    for part in (api.services.standings, api.services.references):
        together = part._together
        together._ask = counting(together._ask, asked)
    answers = await asyncio.gather(*(post(each, f"vm-{number}") for number in range(6) for each in (mine, theirs)))
    assert answered(list(answers)) == {(202, None): 12}
    assert sum(asked) == 24
    assert len(asked) <= 8
    for each in (mine, theirs):
        networks = {port["spec"]["network"] for port in (await each.get("/ports"))["items"]}
        assert networks == {network["id"] for network in (await each.get("/networks"))["items"]}


def counting(ask: Callable[[Sequence[Any]], Awaitable[Any]], asked: list[int]) -> Callable[[Sequence[Any]], Awaitable[Any]]:
    """The same, which tells how many questions came at once."""

    async def count(questions: Sequence[Any]) -> Any:
        asked.append(len(questions))
        return await ask(questions)

    return count


async def test_nothing_that_was_found_for_another_organization_is_taken(api: Api) -> None:
    mine, theirs = await furnished(api)
    sought = Sought(theirs.cloud.project_id, [Wish(KINDS_BY_NAME["network"], "lan", "network")])
    found = await api.services.references.of(sought)
    assert [each and each.resource.name for each in found] == ["lan"]
    async with api.services.sharing.transaction(None, within=mine.cloud.organization_id) as tx:
        with pytest.raises(LookupError):
            know(tx, sought, found)


async def test_an_address_that_two_want_is_given_to_one(api: Api) -> None:
    mine, theirs = await furnished(api)
    free = (await post(mine, "probe", "port", **GROUPLESS)).json()["spec"]["address"]
    wanted = free.rsplit(".", 1)[0] + ".77"
    asked = [post(mine, f"port-{number}", "port", address=wanted, **GROUPLESS) for number in range(3)]
    answers: list[httpx.Response] = await asyncio.gather(
        *asked, *(post(theirs, f"port-{number}", "port", **GROUPLESS) for number in range(3))
    )
    assert answered(answers[:3]) == {(202, None): 1, (409, "address_taken"): 2}
    assert answered(answers[3:]) == {(202, None): 3}


async def test_those_who_share_a_transaction_hold_a_subnet_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, theirs = await furnished(api)
    with all_statements(monkeypatch) as said:
        asked = [post(each, f"port-{number}", "port", **GROUPLESS) for number in range(6) for each in (mine, theirs)]
        answers: list[httpx.Response] = await asyncio.gather(*asked)
    assert answered(answers) == {(202, None): 12}
    given = [answer.json()["spec"] for answer in answers]
    assert len({(spec["subnet"], spec["address"]) for spec in given}) == 12
    shared = await api.cloud.value("SELECT count(DISTINCT (subnet_id, address.xmin::text)) FROM address")
    assert shared < 12
    assert sum("FOR UPDATE OF subnet_range" in statement for statement in said) == shared


async def test_a_rule_that_counts_counts_those_too_that_come_together(api: Api) -> None:
    mine, theirs = await furnished(api)
    rule: Json = {
        "action": "concurrency", "limit": 2, "project": mine.project.rsplit("/", 1)[1], "reason": "maintenance",
        "expires_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
    }  # fmt: skip
    made = await api.call("POST", "/api/ops/v1/traffic-rules", json=rule)
    assert made.status_code == 201, made.text
    answers = await asyncio.gather(*(post(each, f"vm-{number}") for number in range(6) for each in (mine, theirs)))
    assert answered(list(answers)) == {(202, None): 12}
    held = "SELECT count(*) FROM job WHERE held IS NOT NULL AND project_id = $1"
    assert await api.cloud.value(held, mine.cloud.project_id) == 4
    assert await api.cloud.value(held, theirs.cloud.project_id) == 0


async def test_why_tells_nothing_of_those_who_shared(api: Api) -> None:
    mine, _ = await furnished(api)
    answers = await asyncio.gather(*(post(mine, f"vm-{number}") for number in range(6)))
    for number, answer in enumerate(answers):
        for path in (f"/vms/vm-{number}", f"/ports/vm-{number}-nic0", f"/volumes/vm-{number}-root"):
            told = str(await mine.get(f"{path}/why"))
            assert answer.json()["job"]["id"] in told
            assert not [other for other in answers if other is not answer and other.json()["job"]["id"] in told]


async def test_only_who_is_let_in_can_keep_a_project_from_sharing(api: Api) -> None:
    mine, _ = await furnished(api)
    sharing, project_id = api.services.sharing, mine.cloud.project_id
    for stranger in (await api.as_("viewer", mine.cloud.organization_id), await api.as_(None)):
        assert (await post(replace(stranger, cloud=mine.cloud), "it")).status_code in {403, 404}
        assert not sharing.avoids(project_id)
    assert (await post(mine, "it", nics=[{"network": "nowhere"}])).status_code == 422
    assert sharing.avoids(project_id)
