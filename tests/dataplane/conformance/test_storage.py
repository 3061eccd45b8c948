"""Each promise of StorageProvider."""

import hashlib
from uuid import uuid4

import pytest
from tests.dataplane.conformance.rigs import MEBIBYTE, Permit, StorageRig, refusal

from groundplane.contracts.specs import ImageSpec


async def _held(rig: StorageRig) -> set[tuple[str, str]]:
    return {(state.kind, str(state.id)) for state in await rig.provider.observe()}


async def test_a_volume_tells_its_size(storage: StorageRig) -> None:
    state = await storage.ensure_volume(storage.volume(5 * MEBIBYTE))
    assert state.observed["size_bytes"] == 5 * MEBIBYTE


async def test_a_volume_grows(storage: StorageRig) -> None:
    volume = storage.volume(4 * MEBIBYTE)
    await storage.ensure_volume(volume)
    grown = await storage.ensure_volume(volume.model_copy(update={"size_bytes": 6 * MEBIBYTE}), 2)
    assert grown.observed["size_bytes"] == 6 * MEBIBYTE


async def test_a_volume_never_shrinks(storage: StorageRig) -> None:
    volume = storage.volume(4 * MEBIBYTE)
    made = await storage.ensure_volume(volume)
    smaller = volume.model_copy(update={"size_bytes": 3 * MEBIBYTE})
    assert await refusal(storage.ensure_volume(smaller, 2)) == ("volume_shrink", "permanent")
    (state,) = [state for state in await storage.provider.observe() if state.id == volume.id]
    assert state.observed["size_bytes"] == made.observed["size_bytes"]


async def test_a_clone_brings_its_image_into_the_pool(storage: StorageRig) -> None:
    image = storage.image()
    clone = storage.volume(source=image.source)
    state = await storage.ensure_volume(clone)
    assert state.observed["size_bytes"] == clone.size_bytes
    assert {("image", str(image.id)), ("volume", str(clone.id))} <= await _held(storage)


async def test_a_clone_of_an_image_that_is_there_already(storage: StorageRig) -> None:
    image = storage.image()
    made = await storage.ensure_image(image)
    assert made.observed["size_bytes"] == MEBIBYTE
    await storage.ensure_volume(storage.volume(source=image.source))
    (state,) = [state for state in await storage.provider.observe() if state.id == image.id]
    assert state == made


@pytest.mark.parametrize("through", ["image", "volume"])
async def test_wrong_bytes_are_refused_and_nothing_is_left(storage: StorageRig, through: str) -> None:
    before = await _held(storage)
    source = storage.library.add_image(uuid4().bytes * 64, sha256=hashlib.sha256(b"something else").hexdigest())
    if through == "image":
        call = storage.ensure_image(ImageSpec(id=source.image_id, pool=storage.pool, source=source))
    else:
        call = storage.ensure_volume(storage.volume(source=source))
    assert await refusal(call) == ("image_corrupt", "permanent")
    assert await _held(storage) == before


async def test_too_many_bytes_are_refused(storage: StorageRig) -> None:
    source = storage.library.add_image(uuid4().bytes * 64)
    short = source.model_copy(update={"size_bytes": 512})
    call = storage.ensure_image(ImageSpec(id=source.image_id, pool=storage.pool, source=short))
    assert await refusal(call) == ("image_corrupt", "permanent")
    assert ("image", str(source.image_id)) not in await _held(storage)


async def test_a_volume_survives_its_image_being_asked_for_again(storage: StorageRig) -> None:
    image = storage.image()
    clone = storage.volume(source=image.source)
    await storage.ensure_volume(clone)
    await storage.ensure_image(image, 3)
    await storage.remove("volume", clone.id, 2, Permit())
    held = await _held(storage)
    assert ("volume", str(clone.id)) not in held
    assert ("image", str(image.id)) in held


async def test_a_volume_must_hold_its_image(storage: StorageRig) -> None:
    image = storage.image()
    call = storage.ensure_volume(storage.volume(MEBIBYTE // 2, source=image.source))
    assert await refusal(call) == ("volume_too_small", "permanent")
    assert all(kind != "volume" for kind, _ in await _held(storage))


async def test_an_image_stays_while_a_clone_stands_on_it(storage: StorageRig) -> None:
    image = storage.image()
    clone = storage.volume(source=image.source)
    await storage.ensure_volume(clone)
    assert await refusal(storage.remove("image", image.id, 2)) == ("in_use", "transient")
    assert ("image", str(image.id)) in await _held(storage)
    await storage.remove("volume", clone.id, 2)
    assert not (await storage.remove("image", image.id, 2)).present
    assert await _held(storage) == set()
