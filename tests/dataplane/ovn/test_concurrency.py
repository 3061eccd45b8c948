"""Two agents on the same database, one of which lost its lease without knowing: the highest fence wins, nothing doubles."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from tests.dataplane.ovn.engine import Northbound
from tests.dataplane.ovn.hands import Hands

from groundplane.contracts.faults import ProviderError
from groundplane.contracts.reports import State
from groundplane.contracts.specs import NetworkSpec, Rule, SecurityGroupSpec
from groundplane.dataplane.providers.ovn import OvnNetwork
from groundplane.dataplane.providers.ovn.change import Change
from groundplane.dataplane.providers.ovn.labels import closed_group_uuid

pytestmark = pytest.mark.real

RULES = tuple(Rule(direction="ingress", protocol="tcp", port_min=port, port_max=port) for port in range(1, 6))
Between = Callable[[Callable[[Hands], Coroutine[Any, Any, State]]], None]


@pytest_asyncio.fixture
async def pair(northbound: Northbound) -> AsyncIterator[tuple[Hands, Hands]]:
    """Two providers of the same cluster."""
    cluster_id = uuid4()
    found = tuple(Hands(OvnNetwork(cluster_id, northbound.remote)) for _ in range(2))
    yield found[0], found[1]
    for hands in found:
        await hands.provider.close()


@pytest.fixture
def between(northbound: Northbound, hands: Hands, monkeypatch: pytest.MonkeyPatch) -> Between:
    """Let another agent do something after this one's next change was composed and before it is committed."""
    cluster_id = hands.provider._northbound._cluster

    def arrange(deed: Callable[[Hands], Coroutine[Any, Any, State]]) -> None:
        async def do() -> None:
            other = Hands(OvnNetwork(cluster_id, northbound.remote))
            await deed(other)
            await other.provider.close()

        def ask(change: Change) -> None:
            monkeypatch.setattr(Change, "ask", original)
            doer = threading.Thread(target=lambda: asyncio.run(do()))
            doer.start()
            doer.join()
            original(change)

        original = Change.ask
        monkeypatch.setattr(Change, "ask", ask)

    return arrange


async def _refusal(call: Coroutine[Any, Any, State]) -> str:
    with pytest.raises(ProviderError) as refused:
        await call
    return refused.value.fault.code


async def test_a_newer_ensure_in_between_wins(hands: Hands, between: Between) -> None:
    group = await hands.group()
    between(lambda other: other.ensure(group, 9))
    assert await _refusal(hands.ensure(group.model_copy(update={"rules": RULES}), 5)) == "stale_fence"
    (state,) = await hands.provider.observe()
    assert state.fence == 9


async def test_an_older_ensure_in_between_loses(hands: Hands, between: Between, northbound: Northbound) -> None:
    group = await hands.group()
    between(lambda other: other.ensure(group.model_copy(update={"rules": RULES}), 4))
    assert (await hands.ensure(group, 5)).fence == 5
    assert northbound.get("Port_Group", group.id, "acls") == ""


async def test_a_first_ensure_in_between_makes_no_second_row(hands: Hands, between: Between) -> None:
    network = NetworkSpec(id=uuid4())
    between(lambda other: other.ensure(network, 1))
    assert (await hands.ensure(network, 2)).fence == 2
    assert len(await hands.provider.observe()) == 1


async def test_a_remove_of_what_is_not_there_yet_in_between_holds(hands: Hands, between: Between) -> None:
    network = NetworkSpec(id=uuid4())
    between(lambda other: other.remove("network", network.id, 5))
    assert await _refusal(hands.ensure(network, 4)) == "stale_fence"
    assert await hands.provider.observe() == ()


async def test_an_older_first_ensure_between_a_remove_is_removed(hands: Hands, between: Between) -> None:
    network = NetworkSpec(id=uuid4())
    between(lambda other: other.ensure(network, 4))
    assert not (await hands.remove("network", network.id, 5)).present
    assert await hands.provider.observe() == ()


async def test_a_port_does_not_vanish_into_a_network_removed_in_between(hands: Hands, between: Between) -> None:
    port = await hands.port(await hands.subnet())
    between(lambda other: other.remove("network", port.network_id, 9))
    assert await _refusal(hands.ensure(port.model_copy(update={"id": uuid4()}))) == "not_ready"


async def test_a_port_does_not_stay_open_for_a_group_removed_in_between(hands: Hands, between: Between) -> None:
    group = await hands.group()
    port = await hands.port(await hands.subnet())
    between(lambda other: other.remove("security_group", group.id, 9))
    assert await _refusal(hands.ensure(port.model_copy(update={"security_group_ids": (group.id,)}), 2)) == "not_ready"


async def test_the_same_in_between_makes_no_second_rule(hands: Hands, between: Between, northbound: Northbound) -> None:
    group = await hands.group()
    ruled = group.model_copy(update={"rules": RULES})
    between(lambda other: other.ensure(ruled, 1))
    await hands.ensure(ruled, 1)
    assert len(northbound.get("Port_Group", group.id, "acls").split()) == len(RULES)


async def test_a_port_made_between_its_networks_removal_is_remembered(hands: Hands, between: Between) -> None:
    here = await hands.port(await hands.subnet())
    port = here.model_copy(update={"id": uuid4()})
    between(lambda other: other.ensure(port, 3))
    await hands.remove("network", port.network_id)
    await hands.ensure(NetworkSpec(id=port.network_id), 3)
    assert await _refusal(hands.ensure(port, 2)) == "stale_fence"


async def test_the_same_from_both_sides_is_done_once(pair: tuple[Hands, Hands], northbound: Northbound) -> None:
    group = SecurityGroupSpec(id=uuid4(), rules=RULES)
    await asyncio.gather(*(hands.ensure(group) for hands in pair * 5))
    assert len(northbound.get("Port_Group", group.id, "acls").split()) == len(RULES)
    empty = group.model_copy(update={"rules": ()})
    await pair[0].ensure(empty, 2)
    await asyncio.gather(*(hands.ensure(group, 3) for hands in pair * 5))
    assert len(northbound.get("Port_Group", group.id, "acls").split()) == len(RULES)


async def test_the_highest_fence_of_two_agents_is_what_stays(pair: tuple[Hands, Hands]) -> None:
    network_id = uuid4()
    calls = [pair[fence % 2].ensure(NetworkSpec(id=network_id), fence) for fence in range(1, 41)]
    calls += [pair[fence % 2].remove("network", network_id, fence) for fence in range(41, 61)]
    calls += [pair[fence % 2].ensure(NetworkSpec(id=network_id), fence) for fence in range(61, 81)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    for outcome in outcomes:
        assert isinstance(outcome, State) or (isinstance(outcome, ProviderError) and outcome.fault.code == "stale_fence")
    for hands in pair:
        (state,) = await hands.provider.observe()
        assert (state.present, state.fence) == (True, 80)


async def test_ports_of_two_agents_all_join(pair: tuple[Hands, Hands], northbound: Northbound) -> None:
    group, subnet = await pair[0].group(), await pair[0].subnet()
    await pair[1].provider.observe()
    ports = await asyncio.gather(*(hands.port(subnet, group.id) for hands in pair * 20))
    wanted = {str(port.id) for port in ports}
    assert set(northbound.get("Port_Group", group.id, "ports").split()) == wanted
    assert set(northbound.get("Port_Group", closed_group_uuid(subnet.network_id), "ports").split()) == wanted
    assert set(northbound.get("Logical_Switch", subnet.network_id, "ports").split()) == wanted
