"""The connection: what is told as it happens, and what becomes of calls and news when the database goes and comes back."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from tests.dataplane.ovn import engine
from tests.dataplane.ovn.hands import Allowed, Hands

from groundplane.contracts.faults import ProviderError, transient
from groundplane.contracts.reports import State
from groundplane.contracts.specs import NetworkSpec
from groundplane.dataplane.providers.ovn import OvnNetwork

pytestmark = pytest.mark.real

HEARD_SECONDS = 10.0


@pytest.fixture
def northbound() -> Iterator[engine.Northbound]:
    """A northbound database of each test alone, for it is killed."""
    with engine.northbound() as database:
        yield database


class Ear:
    """Hears a provider's events."""

    def __init__(self) -> None:
        self.heard: list[State] = []
        self._more = asyncio.Event()

    async def listen(self, provider: OvnNetwork) -> None:
        """Until the provider is closed."""
        async for state in provider.events():
            self.heard.append(state)
            self._more.set()

    async def hears(self, resource_id: UUID, *, present: bool = True, **observed: object) -> State:
        """Wait for news of a resource with these observations, and forget all up to it."""
        async with asyncio.timeout(HEARD_SECONDS):
            while True:
                while self.heard:
                    state = self.heard.pop(0)
                    if (state.id, state.present) == (resource_id, present) and observed.items() <= state.observed.items():
                        return state
                self._more.clear()
                await self._more.wait()


@asynccontextmanager
async def _listening(provider: OvnNetwork) -> AsyncIterator[Ear]:
    ear = Ear()
    listener = asyncio.create_task(ear.listen(provider))
    await provider.observe()
    yield ear
    await provider.close()
    await listener


async def _refusal(hands: Hands) -> ProviderError:
    with pytest.raises(ProviderError) as refused:
        await hands.group()
    return refused.value


async def test_a_card_plugged_and_pulled_is_told(hands: Hands, northbound: engine.Northbound) -> None:
    port = await hands.port(await hands.subnet())
    async with _listening(hands.provider) as ear:
        northbound.ctl("set", "Logical_Switch_Port", str(port.id), "up=true")
        await ear.hears(port.id, up=True, mac=port.mac, address=port.address)
        northbound.ctl("set", "Logical_Switch_Port", str(port.id), "up=false")
        await ear.hears(port.id, up=False)


async def test_deeds_of_others_are_told_and_own_ones_are_not(hands: Hands, northbound: engine.Northbound) -> None:
    port = await hands.port(await hands.subnet())
    async with _listening(hands.provider) as ear:
        group = await hands.group()
        await hands.ensure(port.model_copy(update={"security_group_ids": (group.id,)}), 2)
        await hands.remove("security_group", group.id, 3)
        northbound.ctl("set", "Logical_Switch_Port", str(port.id), 'addresses="02:00:00:00:00:01 10.7.0.99"')
        await ear.hears(port.id, address="10.7.0.99")
        northbound.delete("port", port.id)
        assert (await ear.hears(port.id, present=False)).fence == 2
        northbound.ctl("clear", "DHCP_Options", str(port.subnet_id), "external_ids")
        await ear.hears(port.subnet_id, present=False)
        northbound.delete("network", port.network_id)
        await ear.hears(port.network_id, present=False)
        assert ear.heard == []


async def test_ports_that_go_with_their_network_are_told(hands: Hands) -> None:
    port = await hands.port(await hands.subnet())
    async with _listening(hands.provider) as ear:
        await hands.remove("network", port.network_id)
        await ear.hears(port.id, present=False)
        assert ear.heard == []


async def test_after_a_restart_it_tells_what_changed_and_only_that(hands: Hands, northbound: engine.Northbound) -> None:
    staying, changing, going = [await hands.port(await hands.subnet()) for _ in range(3)]
    async with _listening(hands.provider) as ear:
        northbound.kill()
        northbound.start()
        # As fast as this, before the provider is back: else it is no more than the test above.
        northbound.ctl("set", "Logical_Switch_Port", str(changing.id), "up=true", "--", "lsp-del", str(going.id))
        heard = {
            (state.id, state.present) for state in [await ear.hears(changing.id), await ear.hears(going.id, present=False)]
        }
        assert heard == {(changing.id, True), (going.id, False)}
        assert ear.heard == []
        northbound.ctl("set", "Logical_Switch_Port", str(staying.id), "up=true")
        await ear.hears(staying.id, up=True)
        assert {state.id for state in await hands.provider.observe()} >= {staying.id, changing.id}
        await hands.ensure(going, 2)


async def test_a_call_waits_for_a_database_that_comes_back(hands: Hands, northbound: engine.Northbound) -> None:
    group = await hands.group()
    northbound.kill()
    call = asyncio.create_task(hands.ensure(group, 2))
    await asyncio.sleep(0.5)
    assert not call.done()
    northbound.start()
    assert (await call).fence == 2


async def test_a_database_that_stays_away_is_unreachable(northbound: engine.Northbound) -> None:
    hands = Hands(OvnNetwork(uuid4(), northbound.remote, timeout=0.3))
    await hands.group()
    northbound.kill()
    for fault in ((await _refusal(hands)).fault, (await _refusal(hands)).fault):
        assert (fault.code, fault.fault_class) == ("engine_unreachable", "transient")
    with pytest.raises(ProviderError):
        await hands.provider.observe()
    northbound.start()
    async with asyncio.timeout(HEARD_SECONDS):
        while True:
            try:
                states = await hands.provider.observe()
            except ProviderError:
                continue
            break
    assert len(states) == 1, "what was given up must not be done later"
    await hands.provider.close()


async def test_a_database_that_does_not_answer_is_unreachable(northbound: engine.Northbound) -> None:
    hands = Hands(OvnNetwork(uuid4(), northbound.remote, timeout=0.5))
    await hands.group()
    with northbound.frozen():
        for _ in range(3):
            assert (await _refusal(hands)).fault.code == "engine_unreachable"
    async with asyncio.timeout(HEARD_SECONDS):
        while True:
            try:
                await hands.group()
            except ProviderError:
                continue
            break
    # One was sent before the server stood still, so it was done after; the two behind it were not.
    assert len(await hands.provider.observe()) in {2, 3}
    await hands.provider.close()


async def test_closing_does_not_wait_for_a_database_that_does_not_answer(northbound: engine.Northbound) -> None:
    hands = Hands(OvnNetwork(uuid4(), northbound.remote, timeout=1))  # a busy machine may need some of that
    await hands.group()
    with northbound.frozen():
        for _ in range(2):
            await _refusal(hands)
        async with asyncio.timeout(5):
            await hands.provider.close()


async def test_a_database_that_is_not_there_yet(caplog: pytest.LogCaptureFixture) -> None:
    with engine.short_folder() as folder:
        database = engine.Northbound(folder)
        hands = Hands(OvnNetwork(uuid4(), database.remote, timeout=5))
        ear = Ear()
        listener = asyncio.create_task(ear.listen(hands.provider))
        with caplog.at_level(logging.CRITICAL, "ovsdbapp"):
            assert (await _refusal(hands)).fault.code == "engine_unreachable"
        database.start()
        database.ctl("init")
        group = await hands.group()
        database.delete("security_group", group.id)
        await ear.hears(group.id, present=False)
        await hands.provider.close()
        await listener
        database.kill()


async def test_without_the_lease_nothing_is_tried_again(hands: Hands, northbound: engine.Northbound) -> None:
    class Leased(Allowed):
        checks = 0

        def check(self) -> None:
            self.checks += 1
            if self.checks > 1:
                raise transient("lease_lost", "The lease is lost.")

    await hands.group()
    northbound.kill()
    with pytest.raises(ProviderError) as refused:
        await hands.provider.ensure(Leased(), NetworkSpec(id=uuid4()), 1)
    assert refused.value.fault.code == "lease_lost"
    northbound.start()


async def test_a_closed_provider_says_so(northbound: engine.Northbound, tmp_path: Path) -> None:
    hands = Hands(OvnNetwork(uuid4(), northbound.remote))
    await hands.group()
    await hands.provider.close()
    assert (await _refusal(hands)).fault.code == "engine_unreachable"
    assert [state async for state in hands.provider.events()] == []
