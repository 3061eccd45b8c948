"""The whole inventory when asked, each change at once, and a heart that beats."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID, uuid4

from tests.dataplane.agent.world import World, drivers_on, ensure

from groundplane.contracts.reports import Heartbeat, InventoryChunk, Sighting
from groundplane.contracts.specs import VolumeSpec
from groundplane.contracts.tasks import Look, look_subject
from groundplane.dataplane.agent import heartbeat
from groundplane.dataplane.agent.inventory import CHUNK
from groundplane.dataplane.providers.simulated import Injection


async def look(world: World) -> Look:
    """Ask for the inventory."""
    asked = Look(asked_at=datetime.now(UTC))
    await world.bus.nats.publish(look_subject(world.cluster_id), asked.model_dump_json().encode())
    return asked


def chunks(world: World, scope: str, asked: Look) -> list[InventoryChunk]:
    """What came in answer to a look, of one scope."""
    found = [each for each in world.heard if isinstance(each, InventoryChunk)]
    return [each for each in found if each.scope == scope and each.asked_at == asked.asked_at]


def sightings(world: World) -> list[Sighting]:
    """The sightings so far."""
    return [each for each in world.heard if isinstance(each, Sighting)]


def beats(world: World, agent_id: UUID) -> list[Heartbeat]:
    """The heartbeats of an agent so far."""
    return [each for each in world.heard if isinstance(each, Heartbeat) and each.agent_id == agent_id]


async def test_a_look_brings_everything_in_numbered_chunks(world: World) -> None:
    host, other = (str(host_id) for host_id in world.host_ids)
    made = {uuid4() for _ in range(2 * CHUNK + 1)}
    for volume_id in made:
        world.engine.outside_create(
            world.host_ids[0], VolumeSpec(id=volume_id, pool="default", size_bytes=1), {"size_bytes": 1}, "default"
        )
    agent = await world.start_agent()
    await agent.agent._lease.gained()
    asked = await look(world)
    await world.until(lambda: len(chunks(world, host, asked)) == 3, "no inventory")
    await world.until(lambda: bool(chunks(world, other, asked) and chunks(world, "network", asked)), "no inventory")
    found = chunks(world, host, asked)
    assert [(chunk.number, chunk.total) for chunk in found] == [(0, 3), (1, 3), (2, 3)]
    assert len({chunk.look_id for chunk in found}) == 1
    assert {state.id for chunk in found for state in chunk.states} == made
    assert sum(len(chunk.states) for chunk in found) == len(made)
    assert set(found[0].kinds) == {"vm", "image", "volume"}
    (empty,) = chunks(world, other, asked)
    assert (empty.total, empty.states) == (1, ())


async def test_a_scope_that_cannot_be_seen_is_not_told_as_empty(world: World) -> None:
    agent = await world.start_agent()
    await agent.agent._lease.gained()
    blind, seeing = (str(host_id) for host_id in world.host_ids)
    world.engine.injections.add(Injection("error", verb="observe", kind="vm", scope=blind))
    asked = await look(world)
    await world.until(lambda: bool(chunks(world, seeing, asked) and chunks(world, blind, asked)), "no inventory")
    assert set(chunks(world, blind, asked)[0].kinds) == {"image", "volume"}
    assert set(chunks(world, seeing, asked)[0].kinds) == {"vm", "image", "volume"}


async def test_an_agent_that_stands_by_tells_nothing(world: World) -> None:
    first = await world.start_agent()
    await first.agent._lease.gained()
    second = await world.start_agent()
    await world.until(lambda: bool(beats(world, second.agent_id)), "no heartbeat")
    asked = await look(world)
    await world.until(lambda: bool(chunks(world, "network", asked)), "no inventory")
    await asyncio.sleep(0.5)
    assert len(chunks(world, "network", asked)) == 1
    assert all(not beat.hosts for beat in beats(world, second.agent_id))


async def test_a_change_from_outside_is_told_at_once(world: World) -> None:
    await world.start_agent()
    volume_id = uuid4()
    await world.report(await world.ask(ensure(volume_id)))
    world.engine.outside_delete("volume", volume_id)
    await world.until(lambda: bool(sightings(world)), "no sighting", 3)
    (sighting,) = sightings(world)
    assert (sighting.scope, sighting.cluster_id) == (str(world.host_ids[0]), world.cluster_id)
    assert (sighting.state.id, sighting.state.present) == (volume_id, False)


async def test_events_are_listened_to_again_after_they_broke(world: World) -> None:
    agent = await world.start_agent()
    volume_id = uuid4()
    await world.report(await world.ask(ensure(volume_id)))
    for host in agent.agent._loop._drivers.hosts.values():
        await host.storage.close()  # ends the iteration, as a lost connection might
    await asyncio.sleep(2.5)
    world.engine.outside_delete("volume", volume_id)
    await world.until(lambda: bool(sightings(world)), "no sighting", 3)


async def test_a_heartbeat_tells_the_hosts(world: World) -> None:
    agent = await world.start_agent()
    reason = "No route to the host."
    world.engine.injections.add(Injection("error", verb="facts", scope=str(world.host_ids[1]), message=reason))

    def last() -> dict[UUID, tuple[bool, str]]:
        found = beats(world, agent.agent_id)
        return {host.host_id: (host.reachable, host.reason) for host in found[-1].hosts} if found else {}

    wanted = {world.host_ids[0]: (True, ""), world.host_ids[1]: (False, reason)}
    await world.until(lambda: last() == wanted, f"heartbeats tell {last()}")


async def test_a_host_that_hangs_delays_no_heartbeat(world: World) -> None:
    world.engine.injections.add(Injection("hang", verb="facts", scope=str(world.host_ids[1])))
    agent = await world.start_agent()
    await world.until(lambda: len(beats(world, agent.agent_id)) >= 3, "no heartbeat", heartbeat.FACTS_SECONDS + 3)
    await world.until(
        lambda: any(not host.reachable for host in beats(world, agent.agent_id)[-1].hosts), "the host seems reachable"
    )


async def test_a_thousand_hosts_are_told_in_several_heartbeats(world: World) -> None:
    hosts = [uuid4() for _ in range(1_000)]
    agent = await world.start_agent(drivers=drivers_on(world.engine, world.cluster_id, hosts))

    def told() -> set[UUID]:
        return {host.host_id for beat in beats(world, agent.agent_id) for host in beat.hosts}

    await world.until(lambda: told() == set(hosts), "not all hosts are told")
    assert all(len(beat.hosts) <= heartbeat.HOSTS_A_MESSAGE for beat in beats(world, agent.agent_id))
    asked = await look(world)
    await world.until(lambda: all(chunks(world, str(host_id), asked) for host_id in hosts), "no inventory", 60)
