"""Many at once: one request makes 1 to 1,000 resources, all or none, each with a job under one parent, in a few statements."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import BaseModel
from tests.controlplane.cloud import KINDS_BY_NAME, NOBODY, Cloud
from tests.controlplane.gateway.conftest import Api, Json
from tests.controlplane.gateway.mutations import SPECS
from tests.controlplane.kinds.scenarios import PREPARATIONS, check_engine, nothing
from tests.controlplane.resources.test_claims import limit, recount
from tests.statements import statements_of

from groundplane.controlplane.network.network import NETWORK, NetworkSpec
from groundplane.controlplane.network.subnet import SUBNET, SubnetRequest
from groundplane.controlplane.resources.kind import Kind

PLURALS = {"vm": "vms", "volume": "volumes", "port": "ports", "network": "networks", "ssh_key": "ssh-keys"}
JOBLESS = {"ssh_key"}
every_kind = pytest.mark.parametrize("kind", PLURALS)
AMPLE = {"images": 9, "networks": 99, "ports": 99, "volumes": 99, "volume_gib": 99, "vms": 99, "vcpus": 99,
         "memory_mib": 99_999, "security_groups": 9, "ssh_keys": 99}  # fmt: skip
SCARCE = {"vm": "vms", "volume": "volume_gib", "port": "ports", "network": "networks", "ssh_key": "ssh_keys"}


async def _prepare(api: Api, kind: str) -> None:
    await PREPARATIONS.get(kind, nothing)(api.cloud)


async def _many(api: Api, kind: str, count: object, **spec: Any) -> Any:
    return await api.post(f"/{PLURALS[kind]}", {"name": "it", "count": count, "spec": SPECS[kind] | spec})


async def _refused(api: Api, answer: Any, before: Mapping[str, str], status: int, code: str) -> Json:
    """Nothing is left of the attempt but its audit row."""
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    after = await api.cloud.contents()
    assert {name for name in after if after[name] != before[name]} == {"audit_event"}
    assert not api.cloud.tasks
    problem: Json = answer.json()
    return problem


@every_kind
@pytest.mark.parametrize("count", [1, 2, 12])
async def test_each_has_a_name_and_a_job_of_its_own_under_one_parent(api: Api, kind: str, count: int) -> None:
    await _prepare(api, kind)
    earlier = await api.cloud.value("SELECT count(*) FROM job")
    answer = await _many(api, kind, count)
    body = answer.json()
    assert [item["name"] for item in body["items"]] == [f"it-{number}" for number in range(1, count + 1)]
    if kind in JOBLESS:
        assert (answer.status_code, body["job"]) == (201, None)
        assert await api.cloud.value("SELECT count(*) FROM job") == earlier
        return
    assert (answer.status_code, answer.headers["location"]) == (202, body["job"]["href"])
    parent = (await api.call("GET", body["job"]["href"])).json()
    assert (parent["verb"], parent["state"], parent["workflow"]) == ("bulk", "RUNNING", "bulk.create")
    children = (await api.call("GET", parent["links"]["children"])).json()["items"]
    assert len(children) == count
    assert {job["resource_id"] for job in children} == {item["id"] for item in body["items"]}
    assert {(job["parent_id"], job["links"]["parent"]) for job in children} == {(parent["id"], parent["links"]["self"])}
    assert len(api.cloud.tasks) == count

    await api.cloud.run()
    await api.cloud.resume()
    assert (await api.call("GET", body["job"]["href"])).json()["state"] == "SUCCEEDED"
    listed = (await api.get(f"/{PLURALS[kind]}"))["items"]
    assert {item["status"] for item in listed if item["name"].startswith("it-")} == {"active"}
    await check_engine(api.cloud)
    await recount(api.cloud)


@every_kind
@pytest.mark.parametrize("count", [0, -1, 1001, "3", 1.5, True])
async def test_a_count_that_makes_no_sense_is_refused(api: Api, kind: str, count: object) -> None:
    answer = await _many(api, kind, count)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert "/count" in [error["pointer"] for error in answer.json()["errors"]]


@every_kind
async def test_one_name_that_is_taken_refuses_all(api: Api, kind: str) -> None:
    await _prepare(api, kind)
    await api.made(PLURALS[kind], "it-3", SPECS[kind])
    before = await api.cloud.contents()
    problem = await _refused(api, await _many(api, kind, 5), before, 409, "name_taken")
    assert problem["context"] == {"name": "it-3"}


@every_kind
async def test_a_quota_for_all_but_one_refuses_all(api: Api, kind: str) -> None:
    await _prepare(api, kind)
    await limit(api.cloud, **AMPLE | {SCARCE[kind]: 4})
    used = (await api.cloud.used()).get(SCARCE[kind], 0)
    before = await api.cloud.contents()
    problem = await _refused(api, await _many(api, kind, 5 - used), before, 403, "quota_exceeded")
    told = {"quota": SCARCE[kind], "of": "project", "name": "it", "limit": 4, "used": used, "asked": 5 - used}
    assert problem["context"] == told
    assert (await _many(api, kind, 4 - used)).status_code in {201, 202}


async def test_room_for_all_but_one_machine_refuses_all(api: Api) -> None:
    await _prepare(api, "vm")  # on one host of 64 vCPUs
    before = await api.cloud.contents()
    problem = await _refused(api, await _many(api, "vm", 5, vcpus=16), before, 409, "no_capacity")
    assert problem["context"]["asked"] == {"vcpus": 16, "memory_mib": 512, "volume_gib": 1, "count": 5}
    assert (await _many(api, "vm", 4, vcpus=16)).status_code == 202


async def test_room_for_all_but_one_volume_refuses_all(api: Api) -> None:
    await _prepare(api, "volume")  # in one pool of 1,000 GiB
    before = await api.cloud.contents()
    await _refused(api, await _many(api, "volume", 5, size_gib=250), before, 409, "pool_full")
    assert (await _many(api, "volume", 4, size_gib=250)).status_code == 202


@pytest.mark.parametrize("kind", ["port", "vm"])
async def test_addresses_for_all_but_one_refuse_all(api: Api, kind: str) -> None:
    await _prepare(api, kind)
    await api.cloud.made(NETWORK, NetworkSpec(), name="small")
    await api.cloud.made(SUBNET, SubnetRequest(network="small", cidr="10.9.0.0/29"), name="small")  # five hosts and a gateway
    spec = {"nics": [{"network": "small"}]} if kind == "vm" else {"network": "small"}
    before = await api.cloud.contents()
    await _refused(api, await _many(api, kind, 6, **spec), before, 409, "no_address")
    assert (await _many(api, kind, 5, **spec)).status_code == 202
    rows = await api.cloud.fetch("SELECT host(address) AS host FROM address ORDER BY address")
    assert [row["host"] for row in rows] == [f"10.9.0.{number}" for number in range(2, 7)]


async def test_what_belongs_to_one_machine_is_not_given_to_many(api: Api) -> None:
    await _prepare(api, "vm")
    await api.made("volumes", "disk", {"size_gib": 1, "image": "image"})
    await api.made("ports", "nic", {"network": "lan"})
    before = await api.cloud.contents()
    root: Json = {"image": "image", "size_gib": 1}
    for spec in (
        {"root_volume": {"volume": "disk"}},
        {"root_volume": root, "volumes": ["disk"]},
        {"nics": [{"port": "nic"}]},
        {"nics": [{"network": "lan", "address": "10.0.0.9"}]},
        {"hostname": "web"},
    ):
        answer = await _many(api, "vm", 2, **spec)
        assert (answer.status_code, answer.json()["code"]) == (422, "one_only"), spec
    after = await api.cloud.contents()
    assert {name for name in after if after[name] != before[name]} == {"audit_event"}
    alone = await _many(api, "vm", 1, root_volume={"volume": "disk"}, nics=[{"port": "nic"}], hostname="web")
    assert alone.status_code == 202


async def test_many_ports_cannot_have_one_address(api: Api) -> None:
    await _prepare(api, "port")
    before = await api.cloud.contents()
    await _refused(api, await _many(api, "port", 2, address="10.0.0.9"), before, 422, "one_address")
    assert (await _many(api, "port", 1, address="10.0.0.9")).status_code == 202


async def test_hosts_are_filled_evenly(api: Api) -> None:
    await _prepare(api, "vm")
    for number in (1, 2):
        await api.cloud.add_host(f"host-{number}")
    assert (await _many(api, "vm", 31)).status_code == 202
    for table in ("placement", "pool_share JOIN pool_capacity USING (pool_id)"):
        rows = await api.cloud.fetch(f"SELECT host_id, count(*) FROM {table} GROUP BY host_id")  # noqa: S608  # our own tables
        assert sorted(row["count"] for row in rows) == [10, 10, 11]
    apart = """SELECT count(*) FROM link JOIN resource AS vm ON vm.id = source_id JOIN resource AS disk ON disk.id = target_id
               WHERE role = 'root' AND vm.host_id <> disk.host_id"""
    assert await api.cloud.value(apart) == 0
    await recount(api.cloud)


async def test_a_smaller_host_takes_as_many_as_it_can(api: Api) -> None:
    await _prepare(api, "vm")
    small, _ = await api.cloud.add_host("small", vcpus=3)
    assert (await _many(api, "vm", 60, memory_mib=1024)).status_code == 202
    rows = await api.cloud.fetch("SELECT host_id, count(*) FROM placement GROUP BY host_id")
    placed = {row["host_id"]: row["count"] for row in rows}
    assert placed.pop(small.id) == 3
    assert list(placed.values()) == [57]


async def _statements(cloud: Cloud, kind: Kind, request: BaseModel, count: int, name: str) -> Counter[str]:
    """What a request for so many sends to the database."""
    async with cloud.database.transaction() as tx:
        with statements_of(tx) as statements:
            await cloud.manager.create_many(
                tx, kind, request, name=name, count=count, labels={"env": "prod"}, actor_id=NOBODY,
                organization_id=cloud.organization_id, project_id=cloud.project_id,
            )  # fmt: skip
            await tx.finish()
    cloud.tasks.clear()
    return Counter(statement[:60] for statement in statements)


@pytest.mark.parametrize("kind", ["vm", "volume", "port"])
async def test_the_number_of_statements_does_not_grow_with_the_count(cloud: Cloud, kind: str) -> None:
    await PREPARATIONS[kind](cloud)
    declared = KINDS_BY_NAME[kind]
    assert declared.create is not None
    request = declared.create.model_validate(SPECS[kind])
    await _statements(cloud, declared, request, 2, "first")  # asyncpg asks for types once
    few = await _statements(cloud, declared, request, 2, "few")
    many = await _statements(cloud, declared, request, 50, "many")
    assert many == few
    assert many.total() <= 12


async def test_a_thousand_machines_are_made_in_one_request(api: Api) -> None:
    for number in range(1, 20):
        await api.cloud.add_host(f"host-{number}")
    await api.cloud.image()
    await api.cloud.made(NETWORK, NetworkSpec(), name="lan")
    await api.cloud.made(SUBNET, SubnetRequest(network="lan", cidr="10.0.0.0/20"), name="lan")
    answer = await _many(api, "vm", 1000)
    assert answer.status_code == 202, answer.text
    assert len({item["id"] for item in answer.json()["items"]}) == 1000
    assert len({task.id for task in api.cloud.tasks}) == 1000
    rows = await api.cloud.fetch("SELECT count(*) FROM placement GROUP BY host_id")
    assert [row["count"] for row in rows] == [50] * 20
    kinds = await api.cloud.fetch("SELECT kind, count(*) FROM resource WHERE name LIKE 'it-%' GROUP BY kind")
    assert {row["kind"]: row["count"] for row in kinds} == dict.fromkeys(("vm", "volume", "port"), 1000)
    assert await api.cloud.value("SELECT count(DISTINCT address) FROM address") == 1000
    assert await api.cloud.value("SELECT count(*) FROM change_claim") == 3000
    assert await api.cloud.value("SELECT count(*) FROM link WHERE role = 'root'") == 1000
    await recount(api.cloud)
    parent = answer.json()["job"]["href"]
    cancelled = await api.call("POST", f"{parent}/cancel")
    assert cancelled.status_code == 202
    assert len(api.cloud.stops) == 1000
