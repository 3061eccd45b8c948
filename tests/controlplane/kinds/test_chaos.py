"""Any order of requests, losses, doubles, delays, faults and tampering ends where what is wanted and what is are the same."""

import random
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from tests.controlplane.cloud import Cloud
from tests.controlplane.kinds.scenarios import check_engine
from tests.controlplane.resources.test_claims import recount
from tests.controlplane.scenes import machine, prepare

from groundplane.contracts.reports import InventoryChunk, Report, Sighting
from groundplane.contracts.tasks import Task
from groundplane.controlplane.compute.vm import VM
from groundplane.controlplane.network.port import PORT, PortRequest
from groundplane.controlplane.storage.volume import VOLUME, VolumeRequest, VolumeUpdate
from groundplane.dataplane.providers.simulated import Injection
from groundplane.kernel.errors import GroundplaneError

STEPS = 150


class Chaos:
    """Does one thing after another that may happen. What was on its way stays, and may come late or twice."""

    def __init__(self, cloud: Cloud, chance: random.Random) -> None:
        self.cloud = cloud
        self.chance = chance
        self.tasks: list[Task] = []
        self.messages: list[Report | Sighting | InventoryChunk] = []
        self.made = 0

    async def step(self) -> None:
        """One of all that may happen."""
        moves: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (3, self._create), (2, self._delete), (2, self._act), (1, self._grow), (12, self._carry_out), (12, self._arrive),
            (2, self._tamper), (2, self._look), (1, self._fault), (3, self._worker),
        ]  # fmt: skip
        (move,) = self.chance.choices([move for _, move in moves], weights=[weight for weight, _ in moves])
        try:
            await move()
        except GroundplaneError:
            return  # a refusal: in use, in progress, being deleted

    async def _create(self) -> None:
        self.made += 1
        kind, request = self.chance.choice(
            [(VM, machine()), (VOLUME, VolumeRequest(size_gib=1, image="image")), (PORT, PortRequest(network="lan"))]
        )
        await self.cloud.make(kind, request, name=f"it-{self.made}")

    async def _delete(self) -> None:
        await self._with_any("SELECT id FROM resource WHERE kind IN ('vm', 'volume', 'port')", self.cloud.delete)

    async def _act(self) -> None:
        verb = self.chance.choice(["start", "stop", "reboot"])
        await self._with_any("SELECT id FROM resource WHERE kind = 'vm'", lambda vm_id: self.cloud.act(vm_id, verb))

    async def _grow(self) -> None:
        size = self.chance.randint(1, 4)
        await self._with_any(
            "SELECT id FROM resource WHERE kind = 'volume'",
            lambda volume_id: self.cloud.change(volume_id, VolumeUpdate(size_gib=size)),
        )

    async def _with_any(self, sql: str, request: Callable[[UUID], Awaitable[object]]) -> None:
        rows = await self.cloud.fetch(f"{sql} AND deleted_at IS NULL ORDER BY id")
        if rows:
            await request(self.chance.choice(rows)["id"])

    async def _carry_out(self) -> None:
        self.tasks += self.cloud.tasks
        self.cloud.tasks.clear()
        if self.tasks:
            task = self.tasks[self.chance.randrange(len(self.tasks))]
            self.messages.append(await self.cloud.carry_out(task))
            self._perhaps_forget(self.tasks, task)

    async def _arrive(self) -> None:
        if self.messages:
            message = self.messages[self.chance.randrange(len(self.messages))]
            await self.cloud.report(message)
            self._perhaps_forget(self.messages, message)

    def _perhaps_forget(self, things: list[Any], thing: object) -> None:
        if self.chance.random() < 0.7:
            things.remove(thing)

    async def _tamper(self) -> None:
        machines = [row.key.id for row in self.cloud.engine.resources(kind="vm")]
        if machines:
            vm_id = self.chance.choice(machines)
            self.chance.choice(
                [self.cloud.engine.outside_destroy, self.cloud.engine.outside_crash, self.cloud.engine.outside_shutdown]
            )(vm_id)
            self.messages.append(self.cloud.sighting("vm", vm_id))

    async def _look(self) -> None:
        self.messages += await self.cloud.chunks(size=3)

    async def _fault(self) -> None:
        fault_class = self.chance.choice(["transient", "permanent"])
        effect = self.chance.choice(["error", "error_after"])
        self.cloud.engine.injections.add(Injection(effect, fault_class=fault_class, count=2))  # type: ignore[arg-type]

    async def _worker(self) -> None:
        await self.cloud.pass_time(self.chance.choice([1, 31, 120]))
        await self.cloud.resume()
        await self.cloud.correct()


async def _come_to_rest(cloud: Cloud) -> None:
    """Nothing more happens, but that the platform does its work."""
    for _ in range(20):
        await cloud.settle()
        await cloud.look()
        await cloud.correct()
        if not cloud.tasks and not await cloud.open_drift():
            return
        await cloud.settle()
        await cloud.pass_time(3600)
    raise AssertionError([dict(row) for row in await cloud.open_drift()])


@pytest.mark.parametrize("seed", range(15))
async def test_it_comes_to_rest_where_it_should(cloud: Cloud, seed: int) -> None:
    await prepare(cloud)
    chaos = Chaos(cloud, random.Random(seed))  # noqa: S311  # chance, not secrecy
    for _ in range(STEPS):
        await chaos.step()
    cloud.engine.injections.clear()
    for task in chaos.tasks:  # the slowest agent of all
        await cloud.carry_out(task)
    await _come_to_rest(cloud)

    assert await cloud.value("SELECT count(*) FROM resource WHERE status NOT IN ('active', 'deleted')") == 0
    assert await cloud.value("SELECT count(*) FROM resource WHERE wanted = 'absent' AND deleted_at IS NULL") == 0
    assert await cloud.value("SELECT count(*) FROM change_claim") == 0
    assert await cloud.value("SELECT count(*) FROM report_set_aside") == 0
    await check_engine(cloud)
    await recount(cloud)
