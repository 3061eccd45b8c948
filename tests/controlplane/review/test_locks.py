"""Requests and reports take what they share in one order: nobody is turned away because two waited for each other."""

import asyncio

from tests.controlplane.cloud import Cloud
from tests.controlplane.resources.test_claims import recount
from tests.controlplane.scenes import boot_machine, machine, prepare

from groundplane.controlplane.compute.vm import VM
from groundplane.controlplane.compute.vm.models import VmUpdate
from groundplane.controlplane.network.port import PORT
from groundplane.controlplane.resources.manager import Outcome
from groundplane.controlplane.resources.problems import InUseError
from groundplane.kernel.errors import GroundplaneError

MANY = 12


async def test_creates_while_deletes_are_reported(cloud: Cloud) -> None:
    await prepare(cloud)
    for number in range(MANY):
        await cloud.make(VM, machine(), name=f"old-{number}")
    await cloud.run()
    rows = await cloud.fetch("SELECT id FROM resource WHERE kind = 'vm'")
    for row in rows:
        await cloud.delete(row["id"])
    reports = [await cloud.carry_out(task) for task in cloud.tasks]
    cloud.tasks.clear()
    await asyncio.gather(
        *(cloud.report(*reports[start : start + 3]) for start in range(0, MANY, 3)),
        *(cloud.make(VM, machine(), name=f"new-{number}") for number in range(MANY)),
    )
    await cloud.run()
    await recount(cloud)
    assert await cloud.value("SELECT count(*) FROM resource WHERE kind = 'vm' AND deleted_at IS NULL") == MANY


async def test_a_machine_and_its_port_are_deleted_at_once(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    port = await cloud.named(PORT, "it-nic0")
    answers = await asyncio.gather(cloud.delete(vm.id), cloud.delete(port.id), return_exceptions=True)
    assert all(isinstance(answer, Outcome | InUseError) for answer in answers), answers
    await cloud.settle()


async def test_a_rename_with_a_new_wish_while_the_job_reports(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    for turn in range(5):
        await cloud.execute("UPDATE resource SET status = 'error', reason = 'a test' WHERE id = $1", vm.id)
        await cloud.look()
        assert await cloud.correct() == 1
        report = await cloud.carry_out(cloud.tasks.pop(0))
        answers = await asyncio.gather(
            cloud.change(vm.id, VmUpdate(power="running"), name=f"name-{turn}"), cloud.report(report), return_exceptions=True
        )
        assert all(answer is None or isinstance(answer, Outcome | GroundplaneError) for answer in answers), answers
        await cloud.run()
        await cloud.pass_time(7200)
