"""Rotation of both keys: a secret opens before, during and after; writers go on; a rotation that was killed is ended later."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from tests.controlplane.cloud import Cloud
from tests.controlplane.secrets.test_store import keep, reveal
from tests.kernel.test_secrets import KEY, OLD_ENVELOPE, OLD_ID, OLD_PLAIN

from groundplane.controlplane.secrets import Progress, Rotation, SecretStore
from groundplane.controlplane.secrets.secret import SecretRequest
from groundplane.kernel.keyring import KeyRing
from groundplane.kernel.secrets import SecretBox

Rotate = Callable[[Rotation, Callable[[Progress], None]], Awaitable[bool]]
BOTH = pytest.mark.parametrize("rotate", [Rotation.rotate_data_keys, Rotation.rotate_key_encryption_key])


class KilledError(Exception):
    """The process is gone."""


def rotation_of(cloud: Cloud, *, batch: int = 1) -> Rotation:
    """As a process of its own would make it."""
    return Rotation(cloud.database, SecretBox(KeyRing(cloud.settings.key_directory)), batch=batch)


async def some(cloud: Cloud, count: int = 3) -> dict[UUID, str]:
    """Secrets with two versions each, and their current values."""
    values: dict[UUID, str] = {}
    for number in range(count):
        secret = await keep(cloud, "before", name=f"s-{number}")
        await cloud.change(secret.id, SecretRequest(value=SecretStr(f"value {number}")))
        values[secret.id] = f"value {number}"
    return values


async def assert_readable(cloud: Cloud, values: dict[UUID, str], *, box: SecretBox | None = None) -> None:
    assert {each: await reveal(cloud, each, box=box) for each in values} == values


async def assert_rotated(cloud: Cloud, rotate: Rotate) -> None:
    """What the rotation was for is true of everything."""
    if rotate is Rotation.rotate_data_keys:
        assert await cloud.value("SELECT min(version) FROM data_key") == 2
        assert await cloud.value("SELECT count(*) FROM data_key") == 1
    else:
        ring = KeyRing(cloud.settings.key_directory)
        assert ring.sealing().id == await cloud.value("SELECT DISTINCT key_encryption_key_id FROM data_key")
        assert [path.name for path in cloud.settings.key_directory.glob("*.key")] == ["encryption-2.key"]


@BOTH
async def test_a_secret_opens_before_during_and_after(cloud: Cloud, rotate: Rotate) -> None:
    values, replica = await some(cloud), SecretBox(KeyRing(cloud.settings.key_directory))
    await assert_readable(cloud, values, box=replica)
    told: list[Progress] = []
    readings: list[asyncio.Task[None]] = []

    def tell(progress: Progress) -> None:
        told.append(progress)
        readings.append(asyncio.ensure_future(assert_readable(cloud, values, box=replica)))

    assert await rotate(rotation_of(cloud), tell)
    await asyncio.gather(*readings)
    await assert_readable(cloud, values, box=replica)
    await assert_readable(cloud, values)
    await assert_rotated(cloud, rotate)
    assert (told[-1].done, told[-1].total) == ((6, 6) if rotate is Rotation.rotate_data_keys else (1, 1))


@BOTH
@pytest.mark.parametrize("moment", range(4))
async def test_killed_between_two_transactions_it_goes_on(cloud: Cloud, rotate: Rotate, moment: int) -> None:
    values, left = await some(cloud), moment

    def die(_progress: Progress) -> None:
        nonlocal left
        if not left:
            raise KilledError
        left -= 1

    killed = False
    try:
        await rotate(rotation_of(cloud), die)
    except KilledError:
        killed = True
    await assert_readable(cloud, values)
    if killed:
        assert not await rotate(rotation_of(cloud), lambda _: None)
    await assert_rotated(cloud, rotate)
    await assert_readable(cloud, values)


async def test_killed_within_a_transaction_it_goes_on(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    values, reseal, calls = await some(cloud), SecretStore.reseal, 0

    async def dies_at_the_fourth(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KilledError
        return await reseal(*arguments)

    monkeypatch.setattr(SecretStore, "reseal", dies_at_the_fourth)
    with pytest.raises(KilledError):
        await rotation_of(cloud, batch=2).rotate_data_keys(lambda _: None)
    assert (
        await cloud.value("SELECT count(*) FROM secret JOIN data_key ON data_key_id = data_key.id WHERE retired_at IS NULL")
        == 2
    )
    await assert_readable(cloud, values)
    assert not await rotation_of(cloud).rotate_data_keys(lambda _: None)
    await assert_rotated(cloud, Rotation.rotate_data_keys)
    await assert_readable(cloud, values)


@BOTH
async def test_writers_go_on(cloud: Cloud, rotate: Rotate) -> None:
    values, over = await some(cloud), False

    async def write(secret_id: UUID) -> None:
        number = 0
        while not over or number < 3:
            number += 1
            values[secret_id] = f"written {number}"
            await cloud.change(secret_id, SecretRequest(value=SecretStr(values[secret_id])))
            assert await reveal(cloud, secret_id, box=cloud.platform.box) == values[secret_id]

    async def make() -> None:
        number = 0
        while not over or number < 3:
            number += 1
            made = await keep(cloud, f"made {number}", name=f"new-{number}")
            values[made.id] = f"made {number}"

    writers = asyncio.gather(*(write(each) for each in list(values)), make())
    assert await rotate(rotation_of(cloud), lambda _: None)
    over = True
    await writers
    await assert_rotated(cloud, rotate)
    await assert_readable(cloud, values)


async def test_a_key_is_not_retired_under_the_hands_of_who_seals_with_it(cloud: Cloud) -> None:
    values = await some(cloud, 1)
    (secret_id,) = values
    async with cloud.database.transaction() as tx:
        await cloud.manager.lock(tx, secret_id)
        await SecretStore(cloud.platform.box).keep_next(tx, secret_id, cloud.organization_id, b"late")
        rotation = asyncio.ensure_future(rotation_of(cloud).rotate_data_keys(lambda _: None))
        done, _ = await asyncio.wait({rotation}, timeout=0.5)
        assert not done
    await rotation
    await assert_rotated(cloud, Rotation.rotate_data_keys)
    await assert_readable(cloud, {secret_id: "late"})


async def test_two_rotations_at_once_do_no_harm(cloud: Cloud) -> None:
    values = await some(cloud)
    await asyncio.gather(*(rotation_of(cloud).rotate_data_keys(lambda _: None) for _ in range(2)))
    await asyncio.gather(*(rotation_of(cloud).rotate_key_encryption_key(lambda _: None) for _ in range(2)))
    await assert_readable(cloud, values)
    assert await cloud.value("SELECT count(*) FROM data_key WHERE retired_at IS NOT NULL") == 0


async def test_both_keys_rotate_again_and_again(cloud: Cloud) -> None:
    values, replica = await some(cloud, 1), SecretBox(KeyRing(cloud.settings.key_directory))
    for _ in range(2):
        assert await rotation_of(cloud).rotate_key_encryption_key(lambda _: None)
        assert await rotation_of(cloud).rotate_data_keys(lambda _: None)
        await assert_readable(cloud, values, box=replica)
    assert await cloud.value("SELECT version FROM data_key") == 3


@BOTH
async def test_secrets_of_before_move_under_the_organizations_key(cloud: Cloud, rotate: Rotate) -> None:
    cloud.settings.key_directory.mkdir(exist_ok=True)
    (cloud.settings.key_directory / "encryption.key").write_text(KEY)
    await cloud.execute(
        "INSERT INTO secret (id, resource_id, envelope, version) VALUES ($1, $2, $3, 1)", OLD_ID, cloud.project_id, OLD_ENVELOPE
    )
    await rotate(rotation_of(cloud), lambda _: None)
    assert await cloud.value("SELECT count(*) FROM secret WHERE data_key_id IS NULL") == 0
    (cloud.settings.key_directory / "retired" / "encryption.key").unlink(missing_ok=True)  # nothing needs it any more
    await assert_readable(cloud, {cloud.project_id: OLD_PLAIN.decode()})


async def test_a_key_of_the_environment_takes_over_from_a_file(cloud: Cloud) -> None:
    values, folder = await some(cloud), cloud.settings.key_directory
    of_environment = SecretBox(KeyRing(folder, KEY))
    await Rotation(cloud.database, of_environment).rotate_key_encryption_key(lambda _: None)
    assert not list(folder.glob("*.key"))
    await assert_readable(cloud, values, box=SecretBox(KeyRing(folder.parent / "nowhere", KEY)))
