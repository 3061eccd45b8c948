"""Who waits for a place that then is taken looks for another one before it says that there is none."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tests.controlplane.cloud import Cloud
from tests.controlplane.resources.test_claims import recount
from tests.controlplane.scenes import machine, prepare

from groundplane.controlplane.compute.vm import VM
from groundplane.controlplane.fleet import placement
from groundplane.controlplane.resources.problems import InUseError
from groundplane.controlplane.storage.volume import VOLUME, VolumeRequest
from groundplane.kernel.database import CollidedError, Tx


async def test_volumes_find_the_other_pools(cloud: Cloud) -> None:
    for number in range(1, 8):
        await cloud.add_host(f"host-{number}")
    await asyncio.gather(*(cloud.make(VOLUME, VolumeRequest(size_gib=900), name=f"vol-{number}") for number in range(8)))
    await cloud.run()
    await recount(cloud)


async def test_machines_find_the_other_hosts(cloud: Cloud) -> None:
    await prepare(cloud)
    for number in range(1, 8):
        await cloud.add_host(f"host-{number}")
    request = machine(vcpus=60, network=None)
    await asyncio.gather(*(cloud.make(VM, request, name=f"vm-{number}") for number in range(8)))
    await cloud.run()
    await recount(cloud)


async def test_a_pool_is_deleted_while_a_volume_is_placed_there(cloud: Cloud) -> None:
    pool_id = await cloud.value("SELECT pool_id FROM pool_capacity")
    async with cloud.database.transaction() as tx:
        await placement.place_volumes(tx, [(cloud.project_id, None)], gib=1)  # any row that is there
        await tx.flush()
        deleting = asyncio.create_task(cloud.delete(pool_id))
        await asyncio.sleep(0.3)
    with pytest.raises(InUseError, match="Volumes still lie in this pool"):
        await deleting


async def test_a_host_is_deleted_while_a_machine_is_placed_there(cloud: Cloud) -> None:
    host, pool = await cloud.add_host("big", vcpus=1000)
    await cloud.delete(pool.id)
    async with cloud.database.transaction() as tx:
        await placement.place_machines(tx, [cloud.project_id], placement.Machine(vcpus=500, memory_mib=64))
        await tx.flush()
        deleting = asyncio.create_task(cloud.delete(host.id))
        await asyncio.sleep(0.3)
    with pytest.raises(InUseError, match="Machines still run on this host"):
        await deleting


async def test_a_place_that_is_gone_before_it_is_claimed_lets_the_request_begin_again(cloud: Cloud) -> None:
    async def place(wish: Callable[[Tx], Awaitable[object]]) -> None:
        host, pool = await cloud.add_host("big", vcpus=1000, gib=10_000)
        async with cloud.database.transaction() as tx:
            await wish(tx)
            await cloud.delete(pool.id)
            await cloud.delete(host.id)

    with pytest.raises(CollidedError):
        await place(lambda tx: placement.place_volumes(tx, [(cloud.project_id, None)], gib=5000))
    large = placement.Machine(vcpus=500, memory_mib=64)
    with pytest.raises(CollidedError):
        await place(lambda tx: placement.place_machines(tx, [cloud.project_id], large))
