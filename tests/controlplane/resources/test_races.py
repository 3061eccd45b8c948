"""Requests at the same moment: exactly one gets what is there once, the others are told why, and nothing is half done."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Sequence
from typing import Any

import pytest
from tests.controlplane.cloud import Cloud
from tests.controlplane.resources.test_claims import limit, recount
from tests.controlplane.scenes import lay_network, machine, prepare

from groundplane.controlplane.compute.vm import VM
from groundplane.controlplane.fleet.placement import NoCapacityError, PoolFullError
from groundplane.controlplane.jobs.engine import ChangeInProgressError
from groundplane.controlplane.network.network import NETWORK, NetworkSpec
from groundplane.controlplane.network.port import PORT, PortRequest
from groundplane.controlplane.network.port.claims import AddressTakenError, NoAddressError
from groundplane.controlplane.network.security_group import SECURITY_GROUP, Rule, SecurityGroupSpec
from groundplane.controlplane.network.subnet import SUBNET, SubnetOverlapError, SubnetRequest
from groundplane.controlplane.resources.manager import Outcome
from groundplane.controlplane.resources.problems import (
    InUseError,
    NameTakenError,
    QuotaExceededError,
    ReferenceNotFoundError,
)
from groundplane.controlplane.resources.project import PROJECT, ProjectSpec
from groundplane.controlplane.storage.volume import VOLUME, VolumeRequest
from groundplane.kernel.errors import GroundplaneError

MANY = 20


async def _at_once(*requests: Awaitable[Outcome]) -> tuple[Sequence[Outcome], Counter[type[GroundplaneError]]]:
    """What went well, and how often each refusal. Anything but a refusal that a user understands is raised."""
    answers: Sequence[Any] = await asyncio.gather(*requests, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, GroundplaneError):
            raise answer
    refused = Counter(type(answer) for answer in answers if isinstance(answer, GroundplaneError))
    return [answer for answer in answers if isinstance(answer, Outcome)], refused


async def _settled(cloud: Cloud) -> None:
    """Nothing is half done."""
    await cloud.run()
    await recount(cloud)
    assert await cloud.value("SELECT count(*) FROM resource WHERE status NOT IN ('active', 'deleted')") == 0


async def test_the_last_place_on_a_host_goes_to_one(cloud: Cloud) -> None:
    await prepare(cloud)
    won, refused = await _at_once(*(cloud.make(VM, machine(vcpus=40), name=f"vm-{number}") for number in range(MANY)))
    assert (len(won), refused) == (1, {NoCapacityError: MANY - 1})
    await _settled(cloud)


async def test_the_last_room_in_a_pool_goes_to_one(cloud: Cloud) -> None:
    won, refused = await _at_once(
        *(cloud.make(VOLUME, VolumeRequest(size_gib=600), name=f"vol-{number}") for number in range(MANY))
    )
    assert (len(won), refused) == (1, {PoolFullError: MANY - 1})
    await _settled(cloud)


async def test_the_last_of_a_quota_goes_to_one(cloud: Cloud) -> None:
    await limit(cloud, volumes=1, volume_gib=MANY)
    won, refused = await _at_once(
        *(cloud.make(VOLUME, VolumeRequest(size_gib=1), name=f"vol-{number}") for number in range(MANY))
    )
    assert (len(won), refused) == (1, {QuotaExceededError: MANY - 1})
    await _settled(cloud)


async def test_the_last_address_goes_to_one(cloud: Cloud) -> None:
    await lay_network(cloud, cidr="10.0.0.0/29")
    for number in range(4):
        await cloud.made(PORT, PortRequest(network="lan"), name=f"before-{number}")
    won, refused = await _at_once(*(cloud.make(PORT, PortRequest(network="lan"), name=f"p-{number}") for number in range(MANY)))
    assert (len(won), refused) == (1, {NoAddressError: MANY - 1})
    await _settled(cloud)


async def test_a_given_address_goes_to_one(cloud: Cloud) -> None:
    await lay_network(cloud)
    request = PortRequest(network="lan", address="10.0.0.9")
    won, refused = await _at_once(*(cloud.make(PORT, request, name=f"p-{number}") for number in range(MANY)))
    assert (len(won), refused) == (1, {AddressTakenError: MANY - 1})


async def test_given_and_free_addresses_do_not_meet(cloud: Cloud) -> None:
    """Who names no address is never told that one is taken."""
    await lay_network(cloud)
    given = [
        cloud.make(PORT, PortRequest(network="lan", address=f"10.0.0.{2 + number}"), name=f"given-{number}")
        for number in range(0, MANY, 2)
    ]
    free = [cloud.make(PORT, PortRequest(network="lan"), name=f"free-{number}") for number in range(MANY)]
    _, refused = await _at_once(*given, *free)
    assert set(refused) <= {AddressTakenError}
    assert await cloud.value("SELECT count(*) FROM resource WHERE kind = 'port' AND name LIKE 'free-%'") == MANY
    assert await cloud.value("SELECT count(*) FROM address") == len(given) + len(free) - refused.total()


async def test_a_name_goes_to_one(cloud: Cloud) -> None:
    await prepare(cloud)
    won, refused = await _at_once(*(cloud.make(VM, machine(), name="web") for _ in range(MANY)))
    assert (len(won), refused) == (1, {NameTakenError: MANY - 1})
    await _settled(cloud)


async def test_a_range_goes_to_one(cloud: Cloud) -> None:
    await cloud.made(NETWORK, NetworkSpec(), name="lan")
    request = SubnetRequest(network="lan", cidr="10.0.0.0/24")
    won, refused = await _at_once(*(cloud.make(SUBNET, request, name=f"sub-{number}") for number in range(MANY)))
    assert (len(won), refused) == (1, {SubnetOverlapError: MANY - 1})


async def test_a_change_goes_to_one(cloud: Cloud) -> None:
    group = await cloud.made(SECURITY_GROUP, SecurityGroupSpec())
    wish = SecurityGroupSpec(rules=[Rule(direction="egress")])
    won, refused = await _at_once(*(cloud.change(group.id, wish) for _ in range(MANY)))
    assert (len(won), refused) == (1, {ChangeInProgressError: MANY - 1})
    await _settled(cloud)


async def test_deletes_at_the_same_moment_are_one_job(cloud: Cloud) -> None:
    network = await cloud.made(NETWORK, NetworkSpec())
    won, refused = await _at_once(*(cloud.delete(network.id) for _ in range(MANY)))
    assert not refused
    assert len({outcome.job.id for outcome in won if outcome.job}) == 1
    await _settled(cloud)


@pytest.mark.parametrize("turn", range(5))
async def test_a_delete_and_a_create_that_refers_to_it(cloud: Cloud, turn: int) -> None:
    """Either the port is there and the network stays, or the network goes and there is no port."""
    network = await cloud.made(NETWORK, NetworkSpec(), name="lan")
    request = SubnetRequest(network="lan", cidr="10.0.0.0/24")
    first, second = cloud.delete(network.id), cloud.make(SUBNET, request, name="lan")
    won, refused = await _at_once(*((first, second) if turn % 2 else (second, first)))
    assert len(won) == 1
    assert refused in ({InUseError: 1}, {ReferenceNotFoundError: 1})
    await _settled(cloud)
    living = await cloud.value("SELECT count(*) FROM resource WHERE kind IN ('network', 'subnet') AND deleted_at IS NULL")
    assert living in {0, 2}


async def test_a_create_that_waits_for_the_delete_of_what_it_refers_to(cloud: Cloud) -> None:
    """The foreign key of the link is what decides, whatever the create has read before."""
    network = await cloud.made(NETWORK, NetworkSpec(), name="lan")
    async with cloud.database.transaction() as tx:
        await cloud.manager.delete(tx, NETWORK, network, actor_id=None)
        creation = asyncio.create_task(cloud.make(SUBNET, SubnetRequest(network="lan", cidr="10.0.0.0/24")))
        await asyncio.sleep(0.3)
        assert not creation.done()
    with pytest.raises(ReferenceNotFoundError, match="network that the request refers to is being deleted"):
        await creation
    await _settled(cloud)


@pytest.mark.parametrize("turn", range(5))
async def test_a_project_that_is_deleted_while_something_is_made_in_it(cloud: Cloud, turn: int) -> None:
    first, second = cloud.delete(cloud.project_id), cloud.make(NETWORK, NetworkSpec())
    won, refused = await _at_once(*((first, second) if turn % 2 else (second, first)))
    assert (len(won), refused.total()) == (1, 1)
    living = await cloud.value("SELECT count(*) FROM resource WHERE project_id = $1 AND deleted_at IS NULL", cloud.project_id)
    assert living in {0, 2}


@pytest.mark.parametrize("turn", range(5))
async def test_an_organization_that_is_deleted_while_a_project_is_made(cloud: Cloud, turn: int) -> None:
    await cloud.delete(cloud.project_id)
    first, second = cloud.delete(cloud.organization_id), cloud.make(PROJECT, ProjectSpec(), name="next", project=False)
    won, refused = await _at_once(*((first, second) if turn % 2 else (second, first)))
    assert (len(won), refused.total()) == (1, 1)


async def test_machines_ports_and_volumes_at_once_never_wait_in_a_ring(cloud: Cloud) -> None:
    """Everybody takes locks in the same order: hosts, pools, subnets, and the project's quota last."""
    await prepare(cloud)
    await cloud.add_host("second")
    requests = [
        request
        for number in range(MANY)
        for request in (
            cloud.make(VM, machine(), name=f"vm-{number}"),
            cloud.make(PORT, PortRequest(network="lan"), name=f"port-{number}"),
            cloud.make(VOLUME, VolumeRequest(size_gib=1), name=f"vol-{number}"),
        )
    ]
    won, refused = await _at_once(*requests)
    assert (len(won), refused) == (3 * MANY, {})
    await _settled(cloud)


async def test_machines_come_and_go_at_once(cloud: Cloud) -> None:
    await prepare(cloud)
    old = [await cloud.made(VM, machine(), name=f"old-{number}") for number in range(8)]
    requests = [cloud.delete(vm.id) for vm in old] + [cloud.make(VM, machine(), name=f"new-{number}") for number in range(8)]
    won, refused = await _at_once(*requests)
    assert (len(won), refused) == (16, {})
    tasks, cloud.tasks[:] = list(cloud.tasks), []
    reports = [await cloud.carry_out(task) for task in tasks]
    await asyncio.gather(*(cloud.report(report) for report in reports))
    await _settled(cloud)
    assert await cloud.value("SELECT count(*) FROM resource WHERE kind = 'vm' AND deleted_at IS NULL") == 8
