"""A guest that boots, answers the power button and powers itself off: the tiny one of deploy/tiny."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from tests.dataplane.libvirt.cloud import Free, Library, vm_spec, volume_spec
from tests.dataplane.libvirt.engine import PrivateLibvirt

from groundplane.contracts.specs import VmSpec
from groundplane.dataplane.providers.libvirt import LibvirtCompute, LibvirtStorage

pytestmark = [pytest.mark.real, pytest.mark.slow]

REPOSITORY = Path(__file__).resolve().parents[3]
IMAGES = REPOSITORY / ".cache" / "tiny"
BOOT_SECONDS = 40


@pytest.fixture(scope="module")
def tiny() -> bytes:
    """The guest's disk, built if it is not there."""
    builder = REPOSITORY / "deploy" / "tiny" / "build.py"
    done = subprocess.run((sys.executable, builder, "--out", IMAGES), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return (IMAGES / "tiny.qcow2").read_bytes()


@pytest.fixture
async def patient(engine: PrivateLibvirt) -> AsyncIterator[LibvirtCompute]:
    """A hypervisor that gives guests their time."""
    provider = LibvirtCompute(uuid4(), engine.uri, pools=engine.pools, console_directory=engine.consoles, domain_type="qemu")
    yield provider
    await provider.close()


async def new_guest(storage: LibvirtStorage, library: Library, tiny: bytes, user_data: bytes) -> VmSpec:
    """A machine with a clone of the guest's disk, and user data."""
    volume = volume_spec(library.add(tiny, "qcow2"), size_bytes=1 << 30)
    await storage.ensure_volume(Free(), library, volume, 1)
    secret_id = uuid4()
    library.secrets[secret_id] = user_data
    spec = vm_spec(volume)
    seed = spec.seed.model_copy(update={"hostname": "guest-7", "user_data_secret_id": secret_id})
    return spec.model_copy(update={"seed": seed})


async def says(compute: LibvirtCompute, vm: VmSpec, text: str, times: int = 1) -> str:
    """Wait until the console has said it so many times, and return all that it said."""
    said = ""
    for _ in range(BOOT_SECONDS * 10):
        said = (await compute.console_log(vm.id, 0, 1 << 20)).decode(errors="replace")
        if said.count(text) >= times:
            return said
        await asyncio.sleep(0.1)
    pytest.fail(f"the console does not say {text!r} {times} times: {said}")


async def test_a_guest_boots_from_its_clone_and_reboots_by_itself(
    storage: LibvirtStorage, patient: LibvirtCompute, tiny: bytes
) -> None:
    library = Library()
    vm = await new_guest(storage, library, tiny, b"#!/bin/sh\necho user data on $(hostname)\n")
    await patient.ensure_vm(Free(), library, vm, 1)
    said = await says(patient, vm, "tiny: ready")
    assert "user data on guest-7" in said

    rebooted = await patient.ensure_vm(Free(), library, vm.model_copy(update={"reboots": 1}), 2)
    assert rebooted.observed["reboots"] == 1
    said = await says(patient, vm, "tiny: ready", 2)
    assert "power button pressed" in said  # it was asked, not reset
    assert "boots=2" in said
    assert said.count("user data on guest-7") == 1

    stopped = await patient.ensure_vm(Free(), library, vm.model_copy(update={"reboots": 1, "power": "stopped"}), 3)
    assert stopped.observed["stopped_by"] == "host"
    assert (await says(patient, vm, "power button pressed", 2)).count("tiny: ready") == 2
    await patient.remove_vm(Free(), vm.id, 4)


async def test_a_guest_that_powers_itself_off_is_known_to_have_done_so(
    storage: LibvirtStorage, patient: LibvirtCompute, tiny: bytes
) -> None:
    library = Library()
    vm = await new_guest(storage, library, tiny, b"#!/bin/sh\npoweroff\n")
    events = patient.events()
    await patient.ensure_vm(Free(), library, vm, 1)
    async with asyncio.timeout(BOOT_SECONDS):
        async for state in events:
            if state.id == vm.id and state.observed.get("power") == "stopped":
                break
    assert state.observed["stopped_by"] == "guest"

    started = await patient.ensure_vm(Free(), library, vm, 1)
    assert started.observed["power"] == "running"
    said = await says(patient, vm, "tiny: ready", 2)
    assert "boots=1" in said  # the log goes on where it was
    assert "boots=2" in said
    await patient.remove_vm(Free(), vm.id, 2)
