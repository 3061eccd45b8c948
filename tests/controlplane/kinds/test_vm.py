"""Virtual machines: what is made with them, their power as a wish, and what the guest is handed."""

import pytest
from pydantic import ValidationError
from tests.controlplane.cloud import Cloud, subject
from tests.controlplane.scenes import boot_machine, lay_network, machine, prepare

from groundplane.contracts.specs import VmSpec
from groundplane.contracts.tasks import Ensure
from groundplane.controlplane.compute.ssh_key import SSH_KEY, BadPublicKeyError, SshKeyRequest
from groundplane.controlplane.compute.vm import VM
from groundplane.controlplane.compute.vm.models import NicRequest, RootVolume
from groundplane.controlplane.network.port import PORT
from groundplane.controlplane.resources.problems import InUseError
from groundplane.controlplane.secrets import SecretStore
from groundplane.controlplane.storage.volume import VOLUME
from groundplane.dataplane.providers.simulated import Injection

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJHDGMF+tZQL3dcr1arPst+YP8v33Is0kAJVvyTKrxMw you@there"


def _boots(cloud: Cloud) -> list[int]:
    return [row.boots for row in cloud.engine.resources(kind="vm")]


def _machine_of(task_operations: object) -> VmSpec:
    assert isinstance(task_operations, Ensure)
    assert isinstance(task_operations.spec, VmSpec)
    return task_operations.spec


async def test_one_task_makes_the_disk_the_port_and_then_the_machine(cloud: Cloud) -> None:
    await prepare(cloud)
    await cloud.make(VM, machine(), name="web")
    (task,) = cloud.tasks
    kinds = [operation.spec.kind for operation in task.operations if isinstance(operation, Ensure)]
    assert kinds == ["volume", "port", "vm"]
    assert len({operation.fence for operation in task.operations}) == 1
    vm = _machine_of(task.operations[-1])
    volume, port = await cloud.named(VOLUME, "web-root"), await cloud.named(PORT, "web-nic0")
    assert [disk.volume_id for disk in vm.disks] == [volume.id]
    assert [(nic.port_id, nic.mac) for nic in vm.nics] == [(port.id, port.spec["mac"])]
    assert volume.host_id == (await cloud.named(VM, "web")).host_id


async def test_a_reboot_that_is_told_twice_happens_once(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    assert _boots(cloud) == [1]
    await cloud.act(vm.id, "reboot")
    task = cloud.tasks.pop()
    await cloud.carry_out(task)
    await cloud.report(await cloud.carry_out(task))
    assert _boots(cloud) == [2]
    await cloud.act(vm.id, "reboot")
    await cloud.run()
    assert _boots(cloud) == [3]


async def test_starting_what_runs_changes_nothing(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    await cloud.act(vm.id, "start")
    await cloud.run()
    assert _boots(cloud) == [1]
    assert (await cloud.resource(vm.id)).status == "active"


async def test_a_reboot_starts_what_is_stopped(cloud: Cloud) -> None:
    vm = await boot_machine(cloud)
    await cloud.act(vm.id, "stop")
    await cloud.run()
    await cloud.act(vm.id, "reboot")
    await cloud.run()
    assert (await cloud.resource(vm.id)).observed["power"] == "running"


async def test_user_data_is_kept_sealed_and_travels_as_an_id(cloud: Cloud) -> None:
    await prepare(cloud)
    plain = "#cloud-config\npassword: hunter2"
    vm = (await cloud.make(VM, machine(user_data=plain))).resource
    (task,) = cloud.tasks
    assert "hunter2" not in task.model_dump_json()
    secret_id = _machine_of(task.operations[-1]).seed.user_data_secret_id
    assert secret_id is not None
    envelope = await cloud.value("SELECT envelope FROM secret WHERE id = $1 AND resource_id = $2", secret_id, vm.id)
    assert b"hunter2" not in envelope
    store = SecretStore(cloud.platform.box)
    async with cloud.database.transaction() as tx:
        found = await store.find(tx, secret_id)
    assert found is not None
    assert await store.open(found) == plain.encode()
    everything = await cloud.value("SELECT string_agg(state::text, '') FROM revision")
    assert "hunter2" not in everything
    await cloud.deleted(vm.id)
    assert await cloud.value("SELECT count(*) FROM secret") == 0


async def test_keys_are_handed_to_the_guest(cloud: Cloud) -> None:
    await prepare(cloud)
    key = (await cloud.make(SSH_KEY, SshKeyRequest(public_key=KEY), name="mine")).resource
    assert key.status == "active"
    assert key.spec["fingerprint"].startswith("SHA256:")
    await cloud.make(VM, machine().model_copy(update={"ssh_keys": ["mine"]}))
    assert _machine_of(cloud.tasks[0].operations[-1]).seed.ssh_keys == (KEY,)
    await cloud.delete(key.id)  # the machine has its own copy
    assert (await cloud.resource(key.id)).status == "deleted"


@pytest.mark.parametrize("line", ["not a key at all, but long enough", KEY + "\n" + KEY, "ssh-ed25519 AAAA" + "A" * 40])
async def test_what_is_no_key_is_refused(cloud: Cloud, line: str) -> None:
    with pytest.raises(BadPublicKeyError):
        await cloud.make(SSH_KEY, SshKeyRequest(public_key=line))


async def test_a_machine_takes_ports_that_are_there(cloud: Cloud) -> None:
    await boot_machine(cloud, name="first")
    with pytest.raises(InUseError, match="belongs to machine first"):
        await cloud.make(VM, machine(network=None).model_copy(update={"nics": [NicRequest(port="first-nic0")]}), name="second")


async def test_a_machine_on_two_networks_has_two_cards(cloud: Cloud) -> None:
    await prepare(cloud)
    await lay_network(cloud, name="wan", cidr="192.168.7.0/24")
    nics = [NicRequest(network="lan"), NicRequest(network="wan", address="192.168.7.9")]
    await cloud.made(VM, machine().model_copy(update={"nics": nics}), name="router")
    assert (await cloud.named(PORT, "router-nic1")).spec["address"] == "192.168.7.9"


def test_a_machine_boots_from_an_image_or_from_a_volume() -> None:
    for wrong in ({}, {"image": "a"}, {"size_gib": 1}, {"image": "a", "size_gib": 1, "volume": "b"}):
        with pytest.raises(ValidationError):
            RootVolume.model_validate(wrong)


async def test_a_correction_asks_for_nothing_that_it_does_not_hold(cloud: Cloud) -> None:
    """What came with a machine whose deletion failed is corrected by jobs of its own; two must not ask for one thing."""
    vm = await boot_machine(cloud)
    injection = cloud.engine.injections.add(Injection("error", verb="remove", fault_class="permanent"))
    await cloud.delete(vm.id)
    await cloud.run()
    cloud.engine.injections.clear(injection)
    await cloud.look()
    await cloud.correct()
    held = await cloud.fetch("SELECT job_id, resource_id FROM change_claim")
    assert len(cloud.tasks) > 1
    for task in cloud.tasks:
        assert {subject(operation)[1] for operation in task.operations} == {
            row["resource_id"] for row in held if row["job_id"] == task.id
        }
