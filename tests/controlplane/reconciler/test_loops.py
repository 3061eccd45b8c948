"""The reconciler's loops: looks are asked for with the database's own time, and no round ends the others."""

import asyncio
from unittest.mock import AsyncMock

import pytest
from tests.controlplane.cloud import Cloud
from tests.controlplane.scenes import boot_machine

from groundplane.contracts.tasks import Look, look_subject
from groundplane.controlplane.reconciler import ask_for_looks, correct
from groundplane.kernel.bus import Bus

LOOPS = "groundplane.controlplane.reconciler.reconciler"


async def test_every_cluster_is_asked_with_the_databases_own_time(cloud: Cloud, bus: Bus) -> None:
    before = await cloud.now()
    subscription = await bus.nats.subscribe(look_subject(cloud.cluster_id))
    await ask_for_looks(bus, cloud.database)
    message = await subscription.next_msg(timeout=5)
    assert before <= Look.model_validate_json(message.data).asked_at <= await cloud.now()


async def test_a_round_that_raises_does_not_end_the_loops(cloud: Cloud, bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    vm = await boot_machine(cloud)
    monkeypatch.setattr(f"{LOOPS}.CORRECT_SECONDS", 0.01)
    monkeypatch.setattr(f"{LOOPS}.INCIDENT_SECONDS", 0.01)
    monkeypatch.setattr(
        "groundplane.controlplane.reconciler.incidents.refresh", AsyncMock(side_effect=RuntimeError("a defect"))
    )
    monkeypatch.setattr(f"{LOOPS}.correct", AsyncMock(side_effect=OSError("the database is away")))
    running = asyncio.create_task(cloud.reconciler.run(cloud.database, bus, look_seconds=0.01))
    await asyncio.sleep(0.3)
    monkeypatch.setattr(f"{LOOPS}.correct", correct)
    assert not running.done()

    cloud.task_out.clear()
    cloud.engine.outside_destroy(vm.id)
    await cloud.sees("vm", vm.id)
    await asyncio.wait_for(cloud.task_out.wait(), 5)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
