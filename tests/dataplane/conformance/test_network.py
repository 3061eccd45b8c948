"""Each promise of NetworkProvider."""

from uuid import uuid4

from tests.dataplane.conformance.rigs import NetworkRig, refusal, subnet_on

from groundplane.contracts.specs import SecurityGroupSpec


async def _held(rig: NetworkRig) -> set[str]:
    return {str(state.id) for state in await rig.provider.observe()}


async def test_a_subnet_waits_for_its_network(network: NetworkRig) -> None:
    spec = subnet_on(uuid4())
    assert await refusal(network.ensure(spec)) == ("not_ready", "transient")
    assert str(spec.id) not in await _held(network)


async def test_a_port_waits_for_its_network(network: NetworkRig) -> None:
    spec = network.port_on(subnet_on(uuid4()))
    assert await refusal(network.ensure(spec)) == ("not_ready", "transient")
    assert str(spec.id) not in await _held(network)


async def test_a_port_waits_for_its_subnet(network: NetworkRig) -> None:
    spec = network.port_on(subnet_on((await network.network()).id))
    assert await refusal(network.ensure(spec)) == ("not_ready", "transient")
    assert str(spec.id) not in await _held(network)


async def test_a_port_waits_for_its_groups(network: NetworkRig) -> None:
    spec = network.port_on(await network.subnet(), groups=(uuid4(),))
    assert await refusal(network.ensure(spec)) == ("not_ready", "transient")
    assert str(spec.id) not in await _held(network)


async def test_a_port_tells_its_addresses(network: NetworkRig) -> None:
    spec = await network.port()
    state = await network.ensure(spec)
    assert state.observed["address"] == spec.address
    assert state.observed["mac"] == spec.mac
    assert state.observed["up"] is False


async def test_a_port_joins_and_leaves_groups(network: NetworkRig) -> None:
    groups = [SecurityGroupSpec(id=uuid4()) for _ in range(2)]
    for group in groups:
        await network.ensure(group)
    spec = await network.port()
    for fence, members in enumerate([(groups[0].id,), (groups[0].id, groups[1].id), ()], start=1):
        await network.ensure(spec.model_copy(update={"security_group_ids": members}), fence)
    for group in groups:
        assert not (await network.remove("security_group", group.id, 2)).present
    assert str(spec.id) in await _held(network)


async def test_a_subnet_changes_what_its_guests_are_told(network: NetworkRig) -> None:
    spec = await network.subnet()
    state = await network.ensure(spec.model_copy(update={"dns_servers": ("10.7.0.53",)}), 2)
    assert (state.present, state.fence) == (True, 2)


async def test_everything_goes_in_the_order_of_use(network: NetworkRig) -> None:
    port = await network.port()
    await network.ensure(port)
    await network.remove("port", port.id, 2)
    await network.remove("subnet", port.subnet_id, 2)
    await network.remove("network", port.network_id, 2)
    assert {str(port.id), str(port.subnet_id), str(port.network_id)}.isdisjoint(await _held(network))
