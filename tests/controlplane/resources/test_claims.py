"""Claims: quota, places, addresses, ranges and usage. Made with the request, given back when absence is confirmed."""

import time
from collections import Counter, defaultdict
from ipaddress import IPv4Address
from uuid import UUID

import pytest
from tests.controlplane.cloud import CLAIMS, Cloud
from tests.controlplane.scenes import boot_machine, lay_network, machine, prepare

from groundplane.contracts.faults import Fault
from groundplane.controlplane.compute.vm import VM
from groundplane.controlplane.compute.vm.admission import VolumesApartError
from groundplane.controlplane.compute.vm.models import NicRequest, RootVolume, VmRequest
from groundplane.controlplane.fleet.host import HostUpdate
from groundplane.controlplane.fleet.placement import NoCapacityError, PoolFullError
from groundplane.controlplane.network.network import NETWORK, NetworkSpec
from groundplane.controlplane.network.port import PORT, PortRequest
from groundplane.controlplane.network.port.claims import AddressOutsideError, AddressTakenError, NoAddressError, NoSubnetError
from groundplane.controlplane.network.security_group import SECURITY_GROUP, SecurityGroupSpec
from groundplane.controlplane.network.subnet import SUBNET, SubnetOverlapError, SubnetRequest
from groundplane.controlplane.resources import quota
from groundplane.controlplane.resources.problems import InUseError, QuotaExceededError, UnchangeableError
from groundplane.controlplane.storage.volume import VOLUME, VolumeRequest, VolumeUpdate
from groundplane.dataplane.providers.simulated import Injection

PERMANENT = Fault(code="engine_refused", fault_class="permanent", message="Refused.")


async def recount(cloud: Cloud) -> None:
    """Every sum that is kept is the sum of its claims."""
    held: dict[UUID, Counter[str]] = defaultdict(Counter)
    for row in await cloud.fetch("SELECT scope_id, organization_id, amounts FROM quota_claim"):
        held[row["scope_id"]].update(row["amounts"])
        held[row["organization_id"]].update(row["amounts"])
    for row in await cloud.fetch("SELECT scope_id, used FROM quota_usage"):
        assert +Counter(row["used"]) == +held.pop(row["scope_id"], Counter())
    assert not held
    hosts = """SELECT count(*) FROM host_capacity AS host
               WHERE vcpus_used <> (SELECT coalesce(sum(vcpus), 0) FROM placement WHERE host_id = host.host_id)
                  OR memory_used <> (SELECT coalesce(sum(memory_mib), 0) FROM placement WHERE host_id = host.host_id)"""
    assert await cloud.value(hosts) == 0
    pools = """SELECT count(*) FROM pool_capacity WHERE gib_used IS DISTINCT FROM
               (SELECT coalesce(sum(gib), 0) FROM pool_share WHERE pool_share.pool_id = pool_capacity.pool_id)"""
    assert await cloud.value(pools) == 0


async def limit(cloud: Cloud, **limits: int) -> None:
    """Limits of this project; what is not named is zero."""
    await _limit(cloud, quota.Scope(cloud.project_id, cloud.organization_id, cloud.project_id), limits)


async def limit_organization(cloud: Cloud, **limits: int) -> None:
    """Limits of this organization; what is not named is zero."""
    await _limit(cloud, quota.Scope(cloud.organization_id, cloud.organization_id), limits)


async def _limit(cloud: Cloud, scope: quota.Scope, limits: dict[str, int]) -> None:
    all_limits = dict.fromkeys(quota.dimensions(cloud.manager.kinds.values()), 0) | limits
    async with cloud.database.transaction() as tx:
        await quota.set_limits(tx, scope, all_limits, replace=True, actor_id=None)


# Quota.


async def test_a_machine_takes_quota_for_all_that_comes_with_it_and_gives_it_back(cloud: Cloud) -> None:
    await prepare(cloud)
    before = await cloud.used()
    assert before == {"images": 1, "networks": 1}
    vm = await cloud.made(VM, machine(vcpus=2, memory_mib=1024))
    assert await cloud.used() == before | {
        "vms": 1, "vcpus": 2, "memory_mib": 1024, "volumes": 1, "volume_gib": 1, "ports": 1,
    }  # fmt: skip
    await recount(cloud)
    await cloud.deleted(vm.id)
    assert await cloud.used() == before
    await recount(cloud)


async def test_over_quota_is_refused_with_the_numbers_and_nothing_is_left(cloud: Cloud) -> None:
    await prepare(cloud)
    await limit(cloud, images=1, networks=1, ports=9, volumes=9, volume_gib=9, vms=9, vcpus=3, memory_mib=99_999)
    await cloud.made(VM, machine(vcpus=2), name="first")
    with pytest.raises(QuotaExceededError, match="quota of vcpus is 3; 2 are used and 2 more were asked for") as refused:
        await cloud.make(VM, machine(vcpus=2), name="second")
    told = {"quota": "vcpus", "of": "project", "name": "it", "limit": 3, "used": 2, "asked": 2}
    assert refused.value.context == told
    assert await cloud.value("SELECT count(*) FROM resource WHERE name LIKE 'second%'") == 0
    assert await cloud.value("SELECT count(*) FROM placement") == 1
    await recount(cloud)
    await cloud.made(VM, machine(vcpus=1), name="third")


async def test_growing_takes_the_difference(cloud: Cloud) -> None:
    await limit(cloud, volumes=1, volume_gib=5)
    volume = await cloud.made(VOLUME, VolumeRequest(size_gib=2))
    await cloud.change(volume.id, VolumeUpdate(size_gib=5))
    await cloud.run()
    assert await cloud.used() == {"volumes": 1, "volume_gib": 5}
    with pytest.raises(QuotaExceededError):
        await cloud.change(volume.id, VolumeUpdate(size_gib=6))
    with pytest.raises(UnchangeableError, match="never shrink"):
        await cloud.change(volume.id, VolumeUpdate(size_gib=4))
    await recount(cloud)
    await cloud.deleted(volume.id)
    assert await cloud.used() == {}
    await recount(cloud)


async def test_a_failed_create_keeps_its_claims_until_it_is_deleted(cloud: Cloud) -> None:
    await prepare(cloud)
    outcome = await cloud.make(VM, machine())
    await cloud.report(cloud.answer(cloud.tasks.pop(), fault=PERMANENT))
    assert (await cloud.used())["vms"] == 1
    assert await cloud.value("SELECT count(*) FROM placement") == 1
    assert await cloud.value("SELECT count(*) FROM address") == 1
    await cloud.deleted(outcome.resource.id)
    assert await cloud.used() == {"images": 1, "networks": 1}
    await recount(cloud)


# Places.


async def test_a_machine_goes_where_most_memory_is_free(cloud: Cloud) -> None:
    await prepare(cloud)
    roomy, _ = await cloud.add_host("roomy", memory_mib=1 << 20)
    assert (await cloud.made(VM, machine())).host_id == roomy.id


async def test_no_capacity_says_what_was_asked_and_what_is_there(cloud: Cloud) -> None:
    await prepare(cloud)
    await cloud.made(VM, machine(vcpus=60), name="large")
    with pytest.raises(NoCapacityError, match="8 vCPUs, 512 MiB of memory and 1 GiB") as refused:
        await cloud.make(VM, machine(vcpus=8), name="more")
    assert refused.value.context == {
        "asked": {"vcpus": 8, "memory_mib": 512, "volume_gib": 1},
        "most_free_on_one_host": {"vcpus": 4, "memory_mib": 262_144 - 512, "volume_gib": 999},
        "open_hosts": 1,
        "hosts": 1,
    }


async def test_a_closed_host_takes_nothing_new_and_keeps_what_it_has(cloud: Cloud) -> None:
    vm = await boot_machine(cloud, name="old")
    (host_id,) = cloud.hosts
    await cloud.change(host_id, HostUpdate(open=False))
    with pytest.raises(NoCapacityError):
        await cloud.make(VM, machine(), name="new")
    await cloud.act(vm.id, "reboot")
    await cloud.run()
    assert (await cloud.resource(vm.id)).status == "active"
    await cloud.change(host_id, HostUpdate(open=True))
    await cloud.made(VM, machine(), name="new")


async def test_a_hosts_capacity_does_not_fall_below_what_is_given_away(cloud: Cloud) -> None:
    await prepare(cloud)
    await cloud.made(VM, machine(vcpus=4))
    (host_id,) = cloud.hosts
    with pytest.raises(InUseError):
        await cloud.change(host_id, HostUpdate(vcpus=3))
    await cloud.change(host_id, HostUpdate(vcpus=4))
    with pytest.raises(NoCapacityError):
        await cloud.make(VM, machine(), name="more")


async def test_a_stopped_machine_keeps_its_place(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    await cloud.act(vm.id, "stop")
    await cloud.run()
    assert await cloud.value("SELECT count(*) FROM placement WHERE resource_id = $1", vm.id) == 1


async def test_a_full_pool_says_what_is_free(cloud: Cloud) -> None:
    await cloud.made(VOLUME, VolumeRequest(size_gib=999), name="large")
    with pytest.raises(PoolFullError, match="2 GiB free; the most that one has is 1 GiB"):
        await cloud.make(VOLUME, VolumeRequest(size_gib=2), name="more")
    volume = await cloud.made(VOLUME, VolumeRequest(size_gib=1), name="last")
    with pytest.raises(PoolFullError):
        await cloud.change(volume.id, VolumeUpdate(size_gib=2))


async def test_a_machine_goes_where_its_volumes_are(cloud: Cloud) -> None:
    await prepare(cloud)
    volume = await cloud.made(VOLUME, VolumeRequest(size_gib=1), name="data")
    await cloud.add_host("roomy", memory_mib=1 << 20)
    vm = await cloud.made(VM, machine().model_copy(update={"volumes": ["data"]}))
    assert vm.host_id == volume.host_id
    root = await cloud.named(VOLUME, "it-root")
    assert root.host_id == vm.host_id


async def test_volumes_of_two_hosts_cannot_be_in_one_machine(cloud: Cloud) -> None:
    await prepare(cloud)
    first = await cloud.made(VOLUME, VolumeRequest(size_gib=1), name="first")
    await cloud.add_host("roomy", gib=100_000)
    second = await cloud.made(VOLUME, VolumeRequest(size_gib=1), name="second")
    assert first.host_id != second.host_id
    with pytest.raises(VolumesApartError):
        await cloud.make(VM, machine().model_copy(update={"volumes": ["first", "second"]}))


async def test_a_volume_is_in_one_machine_at_a_time(cloud: Cloud) -> None:
    await prepare(cloud)
    await cloud.made(VOLUME, VolumeRequest(size_gib=1), name="data")
    wish = VmRequest(vcpus=1, memory_mib=256, root_volume=RootVolume(volume="data"))
    vm = await cloud.made(VM, wish, name="first")
    with pytest.raises(InUseError, match="belongs to machine first"):
        await cloud.make(VM, wish, name="second")
    await cloud.deleted(vm.id)
    await cloud.made(VM, wish, name="second")


# Addresses and ranges.


async def _address(cloud: Cloud, name: str, **more: str) -> IPv4Address:
    port = await cloud.made(PORT, PortRequest(network="lan", **more), name=name)  # type: ignore[arg-type]  # address, subnet
    return IPv4Address(port.spec["address"])


async def test_addresses_are_handed_out_in_a_circle_and_only_hosts(cloud: Cloud) -> None:
    await lay_network(cloud, cidr="10.0.0.0/29")
    taken = [await _address(cloud, f"p{number}") for number in range(5)]
    assert taken == [IPv4Address(f"10.0.0.{host}") for host in (2, 3, 4, 5, 6)]  # .1 is the gateway
    with pytest.raises(NoAddressError):
        await cloud.make(PORT, PortRequest(network="lan"), name="more")
    await cloud.deleted((await cloud.named(PORT, "p1")).id)
    assert await _address(cloud, "again") == IPv4Address("10.0.0.3")


async def test_a_freed_address_rests_while_others_are_free(cloud: Cloud) -> None:
    await lay_network(cloud, cidr="10.0.0.0/28")
    assert await _address(cloud, "first") == IPv4Address("10.0.0.2")
    await cloud.deleted((await cloud.named(PORT, "first")).id)
    assert await _address(cloud, "second") == IPv4Address("10.0.0.3")


async def test_an_address_is_free_only_when_the_ports_absence_is_confirmed(cloud: Cloud) -> None:
    await lay_network(cloud)
    port = await cloud.made(PORT, PortRequest(network="lan", address="10.0.0.77"))
    await cloud.delete(port.id)
    with pytest.raises(AddressTakenError, match=r"10\.0\.0\.77 belongs to another port"):
        await cloud.make(PORT, PortRequest(network="lan", address="10.0.0.77"), name="next")
    await cloud.run()
    await cloud.made(PORT, PortRequest(network="lan", address="10.0.0.77"), name="next")


@pytest.mark.parametrize("address", ["10.0.0.0", "10.0.0.1", "10.0.0.255", "10.0.1.5"])
async def test_an_address_that_is_no_hosts_is_refused(cloud: Cloud, address: str) -> None:
    await lay_network(cloud)
    with pytest.raises(AddressOutsideError):
        await cloud.make(PORT, PortRequest(network="lan", address=address))


async def test_a_full_subnet_is_followed_by_the_next_one(cloud: Cloud) -> None:
    await lay_network(cloud, cidr="10.0.0.0/29")
    await cloud.made(SUBNET, SubnetRequest(network="lan", cidr="10.0.1.0/29"), name="more")
    taken = [await _address(cloud, f"p{number}") for number in range(6)]
    assert taken[-1] == IPv4Address("10.0.1.2")
    assert await _address(cloud, "there", subnet="more") == IPv4Address("10.0.1.3")


async def test_a_network_without_subnets_has_no_address(cloud: Cloud) -> None:
    await cloud.made(NETWORK, NetworkSpec(), name="bare")
    with pytest.raises(NoSubnetError):
        await cloud.make(PORT, PortRequest(network="bare"))


async def test_every_mac_is_local_and_its_own(cloud: Cloud) -> None:
    await lay_network(cloud)
    for number in range(5):
        await cloud.made(PORT, PortRequest(network="lan"), name=f"p{number}")
    rows = await cloud.fetch("SELECT mac::text FROM address")
    assert len({row["mac"] for row in rows}) == 5
    assert all(row["mac"].startswith("52:") for row in rows)


async def test_two_ports_that_draw_the_same_mac_get_two(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    await lay_network(cloud)
    drawn = iter(["52:00:00:00:00:01", "52:00:00:00:00:01", "52:00:00:00:00:02"])
    monkeypatch.setattr("groundplane.controlplane.network.port.claims._new_mac", lambda: next(drawn))
    await cloud.made(PORT, PortRequest(network="lan"), name="first")
    second = await cloud.made(PORT, PortRequest(network="lan"), name="second")
    assert second.spec["mac"] == "52:00:00:00:00:02"


async def test_the_cards_of_a_machine_get_addresses_of_their_own(cloud: Cloud) -> None:
    """Given and free ones, of one subnet and of the next: nothing of what this transaction gave away is given again."""
    await lay_network(cloud, cidr="10.0.0.0/29")
    await cloud.made(SUBNET, SubnetRequest(network="lan", cidr="10.0.1.0/29"), name="more")
    given = NicRequest(network="lan", address="10.0.0.3")
    nics = [NicRequest(network="lan"), given, *(NicRequest(network="lan") for _ in range(5))]
    await cloud.image()
    await cloud.made(VM, machine().model_copy(update={"nics": nics}), name="router")
    rows = await cloud.fetch("SELECT host(address) AS address FROM address ORDER BY address")
    last = [f"10.0.0.{host}" for host in (2, 3, 4, 5, 6)] + ["10.0.1.2", "10.0.1.3"]
    assert [row["address"] for row in rows] == last


async def test_a_search_goes_round_and_finds_the_last_one(cloud: Cloud) -> None:
    """Beyond what is looked at first, and behind where it began."""
    await lay_network(cloud, cidr="10.0.0.0/25")
    await cloud.make_many(PORT, PortRequest(network="lan"), 125, name="all")
    await cloud.run()
    await cloud.deleted((await cloud.named(PORT, "all-50")).id)
    await cloud.execute("UPDATE subnet_range SET next_host = 100")
    assert await _address(cloud, "last") == IPv4Address("10.0.0.51")
    with pytest.raises(NoAddressError):
        await cloud.make(PORT, PortRequest(network="lan"), name="more")


async def test_a_large_subnet_is_not_searched_through(cloud: Cloud) -> None:
    """Sixteen million addresses, the search beginning at the last but one of them."""
    await lay_network(cloud, cidr="10.0.0.0/8")
    await cloud.execute("UPDATE subnet_range SET next_host = (1 << 24) - 2")
    started = time.perf_counter()
    assert await _address(cloud, "last") == IPv4Address("10.255.255.254")
    assert await _address(cloud, "first") == IPv4Address("10.0.0.2")
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("cidr", ["10.0.0.0/24", "10.0.0.128/25", "10.0.0.0/8"])
async def test_overlapping_ranges_of_a_network_are_refused(cloud: Cloud, cidr: str) -> None:
    await lay_network(cloud)
    with pytest.raises(SubnetOverlapError, match=r"Subnet lan has 10\.0\.0\.0/24"):
        await cloud.make(SUBNET, SubnetRequest(network="lan", cidr=cidr), name="other")


async def test_another_network_may_have_the_same_range(cloud: Cloud) -> None:
    await lay_network(cloud)
    await lay_network(cloud, name="wan")
    first = await cloud.made(PORT, PortRequest(network="lan", address="10.0.0.9"), name="first")
    second = await cloud.made(PORT, PortRequest(network="wan", address="10.0.0.9"), name="second")
    assert first.spec["address"] == second.spec["address"]


async def test_a_subnet_with_ports_stays(cloud: Cloud) -> None:
    await lay_network(cloud)
    await cloud.made(PORT, PortRequest(network="lan"), name="door")
    with pytest.raises(InUseError, match="port door"):
        await cloud.delete((await cloud.named(SUBNET, "lan")).id)


# Usage.


async def _spans(cloud: Cloud, resource_id: UUID) -> list[tuple[str, int, bool]]:
    rows = await cloud.fetch(
        "SELECT meter, amount, upper_inf(during) AS open FROM usage_span WHERE resource_id = $1 ORDER BY meter, during",
        resource_id,
    )
    return [(row["meter"], row["amount"], row["open"]) for row in rows]


async def test_a_machine_is_metered_while_it_runs(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    running = [("vm_memory_mib", 512, True), ("vm_vcpus", 1, True)]
    ended = [(meter, amount, False) for meter, amount, _ in running]
    assert await _spans(cloud, vm.id) == running
    await cloud.act(vm.id, "stop")
    assert await _spans(cloud, vm.id) == running  # until it is stopped, not until that was asked for
    await cloud.run()
    assert await _spans(cloud, vm.id) == ended
    await cloud.act(vm.id, "start")
    await cloud.run()
    assert len(await _spans(cloud, vm.id)) == 4
    await cloud.deleted(vm.id)
    assert [still for _, _, still in await _spans(cloud, vm.id)] == [False] * 4


async def test_a_machine_that_was_destroyed_is_not_metered(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    cloud.engine.outside_destroy(vm.id)
    await cloud.sees("vm", vm.id)
    assert [still for _, _, still in await _spans(cloud, vm.id)] == [False, False]


async def test_a_volume_is_metered_by_its_size_from_when_it_is_there(cloud: Cloud) -> None:
    outcome = await cloud.make(VOLUME, VolumeRequest(size_gib=2))
    volume_id = outcome.resource.id
    assert await _spans(cloud, volume_id) == []
    await cloud.run()
    await cloud.change(volume_id, VolumeUpdate(size_gib=3))
    await cloud.run()
    assert await _spans(cloud, volume_id) == [("volume_gib", 2, False), ("volume_gib", 3, True)]
    await cloud.deleted(volume_id)
    assert await _spans(cloud, volume_id) == [("volume_gib", 2, False), ("volume_gib", 3, False)]


async def test_what_is_not_there_is_not_metered(cloud: Cloud) -> None:
    cloud.engine.injections.add(Injection("error", verb="ensure", kind="volume", fault_class="permanent"))
    outcome = await cloud.make(VOLUME, VolumeRequest(size_gib=2))
    await cloud.run()
    assert await _spans(cloud, outcome.resource.id) == []


async def test_usage_is_billed_to_the_project(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    rows = await cloud.fetch("SELECT DISTINCT organization_id, project_id FROM usage_span WHERE resource_id = $1", vm.id)
    assert [(row["organization_id"], row["project_id"]) for row in rows] == [(cloud.organization_id, cloud.project_id)]


# Completeness.


async def test_when_everything_is_deleted_nothing_is_held(cloud: Cloud) -> None:
    await prepare(cloud)
    await cloud.add_host("second")
    await cloud.made(SECURITY_GROUP, SecurityGroupSpec(), name="web", labels={"env": "prod"})
    await cloud.made(VOLUME, VolumeRequest(size_gib=3, image="image"), name="data")
    await cloud.made(PORT, PortRequest(network="lan", security_groups=["web"]), name="door")
    wish = machine(user_data="#cloud-config").model_copy(
        update={"volumes": ["data"], "nics": [NicRequest(network="lan", security_groups=["web"]), NicRequest(port="door")]}
    )
    vm = await cloud.made(VM, wish, name="web", labels={"env": "prod"})
    await cloud.act(vm.id, "reboot")
    await cloud.run()
    await cloud.change((await cloud.named(VOLUME, "data")).id, VolumeUpdate(size_gib=4))
    await cloud.run()
    for table in CLAIMS:
        held = await cloud.value(f"SELECT count(*) FROM {table}")  # noqa: S608  # our own tables
        assert held > 0 or table == "change_claim", table

    for kind in ("vm", "port", "volume", "subnet", "network", "security_group", "image"):
        for row in await cloud.fetch("SELECT id FROM resource WHERE kind = $1 AND deleted_at IS NULL", kind):
            await cloud.deleted(row["id"])
    await recount(cloud)
    assert await cloud.used() == {}
    infrastructure = "(SELECT id FROM resource WHERE kind IN ('cluster', 'host', 'pool', 'organization', 'project'))"
    for table in CLAIMS:
        owner = {"link": "source_id", "image_copy": "image_id", "subnet_range": "subnet_id", "address": "port_id"}.get(
            table, "resource_id"
        )
        left = f"SELECT count(*) FROM {table} WHERE {owner} NOT IN {infrastructure}"  # noqa: S608  # our own tables
        assert await cloud.value(left) == 0, table
    assert await cloud.value("SELECT count(*) FROM usage_span WHERE upper_inf(during)") == 0
    assert cloud.engine.resources() == []
    await cloud.deleted(cloud.project_id)
    assert await cloud.value("SELECT count(*) FROM quota_usage WHERE open") == 1  # the organization's
