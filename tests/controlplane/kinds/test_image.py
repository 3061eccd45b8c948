"""Images: a copy in each pool that holds volumes of it, and gone only when the last copy is."""

import pytest
from tests.controlplane.cloud import Cloud
from tests.controlplane.kinds.scenarios import SCENARIOS

from groundplane.controlplane.resources.problems import InUseError
from groundplane.controlplane.storage.image import IMAGE
from groundplane.controlplane.storage.volume import VOLUME, ImageTooLargeError, VolumeRequest


async def test_an_image_is_there_until_its_last_copy_is_gone(cloud: Cloud) -> None:
    (scenario,) = (scenario for scenario in SCENARIOS if scenario.name == "image-delete")
    await scenario.prepare(cloud)
    outcome = await scenario.ask(cloud)
    await cloud.report(await cloud.carry_out(cloud.tasks.pop()))

    half = await cloud.resource(outcome.resource.id)
    assert (half.status, half.deleted_at) == ("deleting", None)
    assert await cloud.value("SELECT count(*) FROM image_copy") == 1
    assert (await cloud.used()).get("images") == 1
    await cloud.run()
    assert (await cloud.resource(outcome.resource.id)).status == "deleted"
    assert "images" not in await cloud.used()


async def test_an_image_that_volumes_stand_on_stays(cloud: Cloud) -> None:
    image = await cloud.image()
    await cloud.made(VOLUME, VolumeRequest(size_gib=1, image="image"))
    with pytest.raises(InUseError, match="volume it"):
        await cloud.delete(image.id)


async def test_an_image_without_copies_goes_at_once(cloud: Cloud) -> None:
    image = await cloud.image()
    await cloud.delete(image.id)
    assert not cloud.tasks
    assert (await cloud.resource(image.id)).status == "deleted"


async def test_a_volume_is_no_smaller_than_its_image(cloud: Cloud) -> None:
    await cloud.image(virtual_size_bytes=(1 << 30) + 1)
    with pytest.raises(ImageTooLargeError, match="needs 2 GiB"):
        await cloud.make(VOLUME, VolumeRequest(size_gib=1, image="image"))
    await cloud.made(VOLUME, VolumeRequest(size_gib=2, image=IMAGE.public_id((await cloud.named(IMAGE, "image")).id)))
