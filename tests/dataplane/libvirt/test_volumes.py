"""Images and volumes in libvirt's pools: what is peculiar to them beyond the laws of the conformance suite."""

import asyncio
import hashlib
import os
import sys
import textwrap
import time
from uuid import UUID, uuid4

import pytest
from tests.dataplane.libvirt.cloud import (
    MEBIBYTE,
    Free,
    Library,
    image_spec,
    qcow2_header,
    run,
    until,
    vm_spec,
    volume_spec,
)
from tests.dataplane.libvirt.engine import SMALL_BYTES, PrivateLibvirt

from groundplane.contracts.faults import ProviderError
from groundplane.contracts.reports import State
from groundplane.contracts.specs import ImageSource
from groundplane.dataplane.providers.libvirt import LibvirtCompute, LibvirtStorage
from groundplane.dataplane.providers.provider import TOMBSTONE_SECONDS

pytestmark = pytest.mark.real


async def seen(storage: LibvirtStorage, resource_id: UUID) -> State | None:
    """What observe says of one resource."""
    return next((state for state in await storage.observe() if state.id == resource_id), None)


def files(engine: PrivateLibvirt, resource_id: UUID, pool: str = "default") -> list[str]:
    """The names of a resource's files in its pool."""
    engine.virsh("pool-refresh", pool)
    listed = engine.virsh("vol-list", pool).stdout.split()
    return [word for word in listed if str(resource_id) in word and "/" not in word]


def notes(engine: PrivateLibvirt, resource_id: UUID) -> list[str]:
    """The names of a resource's notes."""
    return [path.name for path in (engine.folder / "pools" / "groundplane-fences").glob(f"*{resource_id}*")]


async def test_a_clone_holds_the_image(storage: LibvirtStorage, engine: PrivateLibvirt) -> None:
    library = Library()
    content = os.urandom(MEBIBYTE)
    clone = volume_spec(library.add(content), size_bytes=2 * MEBIBYTE)
    await storage.ensure_volume(Free(), library, clone, 1)
    path = engine.pools["default"] / f"{clone.id}.qcow2"
    out = engine.folder / f"{clone.id}.raw"
    await run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", path, out)
    assert out.read_bytes() == content + bytes(MEBIBYTE)


async def test_wrong_bytes_leave_no_file_and_the_right_ones_mend_it(storage: LibvirtStorage, engine: PrivateLibvirt) -> None:
    library = Library()
    content = os.urandom(3 * MEBIBYTE)
    source = library.add(content)
    library.content[source.image_id] = content[:-1] + bytes([content[-1] ^ 1])
    with pytest.raises(ProviderError) as refused:
        await storage.ensure_image(Free(), library, image_spec(source), 1)
    assert (refused.value.fault.code, refused.value.fault.fault_class) == ("image_corrupt", "permanent")
    assert files(engine, source.image_id) == []
    library.content[source.image_id] = content
    await storage.ensure_image(Free(), library, image_spec(source), 1)
    path = engine.pools["default"] / f"image-{source.image_id}.raw"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == source.sha256


@pytest.mark.parametrize("length", [-1, 1], ids=["too short", "too long"])
async def test_a_wrong_number_of_bytes(storage: LibvirtStorage, engine: PrivateLibvirt, length: int) -> None:
    library = Library()
    content = os.urandom(MEBIBYTE)
    source = library.add(content)
    library.content[source.image_id] = (content + b"more")[: len(content) + length]
    with pytest.raises(ProviderError) as refused:
        await storage.ensure_image(Free(), library, image_spec(source), 1)
    assert refused.value.fault.code == "image_corrupt"
    assert files(engine, source.image_id) == []


@pytest.mark.parametrize(
    "content",
    [qcow2_header(backing_at=104), qcow2_header(incompatible=1 << 2), bytes(65_536)],
    ids=["backing file", "data file", "no qcow2"],
)
async def test_an_image_that_leads_elsewhere_is_refused(
    storage: LibvirtStorage, engine: PrivateLibvirt, content: bytes
) -> None:
    library = Library()
    source = library.add(content, "qcow2")
    with pytest.raises(ProviderError) as refused:
        await storage.ensure_volume(Free(), library, volume_spec(source), 1)
    assert (refused.value.fault.code, refused.value.fault.fault_class) == ("image_corrupt", "permanent")
    assert files(engine, source.image_id) == []


async def test_a_qcow2_image_counts_by_its_disk(storage: LibvirtStorage) -> None:
    library = Library()
    source = library.add(qcow2_header(size_bytes=32 * MEBIBYTE), "qcow2")
    small = volume_spec(source, size_bytes=16 * MEBIBYTE)
    with pytest.raises(ProviderError) as refused:
        await storage.ensure_volume(Free(), library, small, 1)
    assert (refused.value.fault.code, refused.value.fault.fault_class) == ("volume_too_small", "permanent")
    assert await seen(storage, small.id) is None
    image = await seen(storage, source.image_id)
    assert image is not None
    assert image.observed == {"size_bytes": 65_536}


async def test_many_clones_fetch_their_image_once(storage: LibvirtStorage) -> None:
    library = Library(piece_seconds=0.02)
    source = library.add(os.urandom(MEBIBYTE))
    await asyncio.gather(*(storage.ensure_volume(Free(), library, volume_spec(source), 1) for _ in range(8)))
    assert library.asked == [source.image_id]


async def test_a_long_copy_says_that_it_goes_on_and_so_does_who_waits_for_it(storage: LibvirtStorage) -> None:
    library, contexts = Library(piece_seconds=0.05), [Free(), Free()]
    source = library.add(os.urandom(2 * MEBIBYTE))
    await asyncio.gather(*(storage.ensure_volume(one, library, volume_spec(source), 1) for one in contexts))
    told = {text for context in contexts for text in context.told}
    assert {"waiting for another task on the same resource", "1048576 of 2097152 bytes of the image"} <= told


KILLED = """
import asyncio, sys
from pathlib import Path
from uuid import uuid4
from tests.dataplane.libvirt.cloud import Free, Library, volume_spec
from groundplane.contracts.specs import ImageSource
from groundplane.dataplane.providers.libvirt import LibvirtStorage

async def main(uri, path, source):
    source = ImageSource.model_validate_json(source)
    library = Library(content={source.image_id: bytes(source.size_bytes)}, piece_seconds=0.05)
    storage = LibvirtStorage(uuid4(), uri, pools={"default": Path(path)})
    await storage.ensure_volume(Free(), library, volume_spec(source), 1)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_an_agent_killed_while_an_image_comes(storage: LibvirtStorage, engine: PrivateLibvirt) -> None:
    library = Library()
    source = library.add(bytes(4 * MEBIBYTE))
    argv = (sys.executable, "-c", textwrap.dedent(KILLED), engine.uri, engine.pools["default"], source.model_dump_json())
    agent = await asyncio.create_subprocess_exec(*argv)
    path = engine.pools["default"] / f"image-{source.image_id}.raw"
    await until(lambda: path.exists() and path.stat().st_blocks > 0)
    agent.kill()
    await agent.wait()
    assert await seen(storage, source.image_id) is None
    await storage.ensure_volume(Free(), library, volume_spec(source), 1)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == source.sha256
    assert await seen(storage, source.image_id) is not None


async def test_a_pool_without_space(storage: LibvirtStorage, engine: PrivateLibvirt) -> None:
    library = Library()
    source = library.add(os.urandom(SMALL_BYTES + MEBIBYTE))
    with pytest.raises(ProviderError) as refused:
        await storage.ensure_image(Free(), library, image_spec(source, "small"), 1)
    assert (refused.value.fault.code, refused.value.fault.fault_class) == ("pool_full", "permanent")
    assert files(engine, source.image_id, "small") == []


async def test_a_pool_that_nobody_knows(storage: LibvirtStorage) -> None:
    with pytest.raises(ProviderError) as refused:
        await storage.ensure_volume(Free(), Library(), volume_spec(pool="attic"), 1)
    assert (refused.value.fault.code, refused.value.fault.fault_class) == ("unknown_pool", "permanent")


async def test_volumes_whose_notes_were_lost_are_kept(storage: LibvirtStorage, engine: PrivateLibvirt) -> None:
    library = Library()
    source = library.add(os.urandom(MEBIBYTE))
    volume = volume_spec(source)
    await storage.ensure_volume(Free(), library, volume, 1)
    places = [engine.pools["default"] / name for name in files(engine, volume.id) + files(engine, source.image_id)]
    before = [path.stat().st_ino for path in places]
    for name in notes(engine, volume.id) + notes(engine, source.image_id):
        engine.virsh("vol-delete", name, "groundplane-fences")
    await storage.ensure_image(Free(), library, image_spec(source), 4)
    await storage.ensure_volume(Free(), library, volume, 4)
    assert [path.stat().st_ino for path in places] == before
    assert library.asked == [source.image_id]
    assert await seen(storage, volume.id) == State(
        kind="volume", id=volume.id, fence=4, observed={"size_bytes": volume.size_bytes}
    )


async def test_a_file_that_somebody_took_is_made_anew(storage: LibvirtStorage, engine: PrivateLibvirt) -> None:
    volume = volume_spec()
    await storage.ensure_volume(Free(), Library(), volume, 1)
    path = engine.pools["default"] / f"{volume.id}.qcow2"
    path.unlink()
    assert await seen(storage, volume.id) is None
    await storage.ensure_volume(Free(), Library(), volume, 1)
    assert path.exists()
    path.unlink()
    await storage.remove(Free(), "volume", volume.id, "default", 2)
    assert await seen(storage, volume.id) is None


async def test_a_disk_in_use_grows_in_its_machine(
    storage: LibvirtStorage, compute: LibvirtCompute, engine: PrivateLibvirt
) -> None:
    volume = volume_spec()
    await storage.ensure_volume(Free(), Library(), volume, 1)
    vm = vm_spec(volume)
    await compute.ensure_vm(Free(), Library(), vm, 1)
    larger = volume.model_copy(update={"size_bytes": 2 * volume.size_bytes})
    await storage.ensure_volume(Free(), Library(), larger, 2)
    assert f"Capacity:       {larger.size_bytes}" in engine.virsh("domblkinfo", str(vm.id), "vda").stdout
    state = await seen(storage, volume.id)
    assert state is not None
    assert state.observed == {"size_bytes": larger.size_bytes}
    await compute.remove_vm(Free(), vm.id, 2)


async def test_what_is_in_use_is_not_removed(storage: LibvirtStorage, compute: LibvirtCompute) -> None:
    library = Library()
    source = library.add(os.urandom(MEBIBYTE))
    volume = volume_spec(source)
    await storage.ensure_volume(Free(), library, volume, 1)
    vm = vm_spec(volume)
    await compute.ensure_vm(Free(), library, vm, 1)
    with pytest.raises(ProviderError) as by_machine:
        await storage.remove(Free(), "volume", volume.id, "default", 2)
    with pytest.raises(ProviderError) as by_clone:
        await storage.remove(Free(), "image", source.image_id, "default", 2)
    assert (by_machine.value.fault.code, by_clone.value.fault.code) == ("in_use", "in_use")
    await compute.remove_vm(Free(), vm.id, 2)
    await storage.remove(Free(), "volume", volume.id, "default", 2)
    await storage.remove(Free(), "image", source.image_id, "default", 2)
    assert await seen(storage, volume.id) is None


async def test_old_tombstones_are_forgotten(storage: LibvirtStorage, engine: PrivateLibvirt) -> None:
    young, old = uuid4(), uuid4()
    await storage.remove(Free(), "volume", young, "default", 5)
    long_ago = int(time.time()) - TOMBSTONE_SECONDS - 1
    note = f"volume.{old}.5.gone.{long_ago}.default"
    engine.virsh("vol-create-as", "groundplane-fences", note, "0")
    assert notes(engine, old) == [note]
    await storage.observe()
    assert notes(engine, old) == []
    assert len(notes(engine, young)) == 1


async def test_foreign_files_are_not_ours(storage: LibvirtStorage, engine: PrivateLibvirt) -> None:
    await storage.ensure_volume(Free(), Library(), volume_spec(), 1)
    before = await storage.observe()
    engine.virsh("vol-create-as", "default", "somebody-elses.qcow2", "1M", "--format", "qcow2")
    assert await storage.observe() == before


async def test_volumes_of_an_image_in_two_pools(storage: LibvirtStorage, engine: PrivateLibvirt) -> None:
    library = Library()
    source: ImageSource = library.add(os.urandom(MEBIBYTE))
    for pool in ("default", "small"):
        await storage.ensure_image(Free(), library, image_spec(source, pool), 3)
    await storage.remove(Free(), "image", source.image_id, "small", 4)
    assert files(engine, source.image_id, "small") == []
    assert len(files(engine, source.image_id)) == 1
    await storage.ensure_image(Free(), library, image_spec(source), 3)
