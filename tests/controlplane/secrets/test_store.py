"""Where secrets lie: what a ciphertext is bound to, how many versions are kept, and who may seal with which key."""

import asyncio
from uuid import UUID

import pytest
from pydantic import SecretStr
from tests.controlplane.cloud import Cloud
from tests.kernel.test_secrets import KEY, OLD_ENVELOPE, OLD_ID, OLD_PLAIN

from groundplane.controlplane.resources.resource import Resource
from groundplane.controlplane.secrets import CurrentVersionError, SecretStore, SecretVersionNotFoundError
from groundplane.controlplane.secrets.secret import SECRET, SecretRequest, SecretSpec
from groundplane.controlplane.secrets.store import MOST_VERSIONS
from groundplane.kernel.keyring import KeyRing, SecretUnreadableError
from groundplane.kernel.secrets import SecretBox


async def keep(cloud: Cloud, value: str, *, name: str = "it") -> Resource:
    return await cloud.made(SECRET, SecretRequest(value=SecretStr(value)), name=name)


async def reveal(cloud: Cloud, resource_id: UUID, version: int | None = None, *, box: SecretBox | None = None) -> str:
    """The value, as a replica with these keys opens it; a fresh one, if none is said."""
    store = SecretStore(box or SecretBox(KeyRing(cloud.settings.key_directory)))
    async with cloud.database.transaction() as tx:
        return (await store.open(await store.of_resource(tx, resource_id, version))).decode()


async def test_what_was_kept_is_read_again_by_any_replica(cloud: Cloud) -> None:
    secret = await keep(cloud, "hunter2 – ✓")
    assert await reveal(cloud, secret.id) == "hunter2 – ✓"
    assert secret.spec == {"version": 1}


async def test_organizations_have_keys_of_their_own_and_each_only_one(cloud: Cloud) -> None:
    await asyncio.gather(*(keep(cloud, "x", name=f"of-{number}") for number in range(4)))
    first = cloud.organization_id
    async with cloud.database.transaction() as tx:
        secret = await cloud.named(SECRET, "of-0")
        await SecretStore(cloud.platform.box).keep(tx, secret.id, None, b"the platform's", version=2)
    rows = await cloud.fetch("SELECT organization_id, version FROM data_key ORDER BY created_at")
    assert [tuple(row) for row in rows] == [(first, 1), (None, 1)]


@pytest.mark.parametrize(
    "move",
    [
        "UPDATE secret SET envelope = (SELECT envelope FROM secret WHERE resource_id = $2) WHERE resource_id = $1",
        "UPDATE secret SET version = 7 WHERE resource_id = $1 AND $2::uuid IS NOT NULL",
        "UPDATE secret SET organization_id = NULL WHERE resource_id = $1 AND $2::uuid IS NOT NULL",
        "UPDATE secret SET id = gen_random_uuid() WHERE resource_id = $1 AND $2::uuid IS NOT NULL",
        """WITH gone AS (DELETE FROM secret WHERE resource_id = $1 RETURNING 1)
           UPDATE secret SET resource_id = $1, version = 2 WHERE resource_id = $2 AND EXISTS (SELECT FROM gone)""",
        "UPDATE data_key SET version = 7 WHERE $1::uuid <> $2::uuid",
        "UPDATE data_key SET organization_id = NULL WHERE $1::uuid <> $2::uuid",
    ],
)
async def test_a_ciphertext_that_was_moved_does_not_open(cloud: Cloud, move: str) -> None:
    mine, other = await keep(cloud, "mine"), await keep(cloud, "other", name="other")
    assert await cloud.execute(move, mine.id, other.id) == 1
    with pytest.raises(SecretUnreadableError):
        await reveal(cloud, mine.id)


async def test_a_new_value_is_a_new_version_and_old_ones_go_in_time(cloud: Cloud) -> None:
    secret = await keep(cloud, "value 1")
    for number in range(2, MOST_VERSIONS + 3):
        changed = await cloud.change(secret.id, SecretRequest(value=SecretStr(f"value {number}")))
        assert SecretSpec.model_validate(changed.resource.spec).version == number
        assert await reveal(cloud, secret.id) == f"value {number}"
    async with cloud.database.transaction() as tx:
        kept = await SecretStore(cloud.platform.box).versions(tx, secret.id)
    assert [each.version for each in kept] == list(range(3, MOST_VERSIONS + 3))
    assert await reveal(cloud, secret.id, 3) == "value 3"
    with pytest.raises(SecretVersionNotFoundError):
        await reveal(cloud, secret.id, 2)


async def test_an_old_version_is_destroyed_and_the_current_one_never(cloud: Cloud) -> None:
    store = SecretStore(cloud.platform.box)
    secret = await keep(cloud, "old")
    await cloud.change(secret.id, SecretRequest(value=SecretStr("new")))
    async with cloud.database.transaction() as tx:
        with pytest.raises(CurrentVersionError):
            await store.destroy(tx, secret.id, 2)
        await store.destroy(tx, secret.id, 1)
        with pytest.raises(SecretVersionNotFoundError):
            await store.destroy(tx, secret.id, 1)
    assert await reveal(cloud, secret.id) == "new"
    assert await cloud.value("SELECT count(*) FROM secret") == 1


async def test_a_deleted_secret_leaves_nothing(cloud: Cloud) -> None:
    secret = await keep(cloud, "gone")
    await cloud.deleted(secret.id)
    assert await cloud.value("SELECT count(*) FROM secret") == 0


async def test_a_key_that_was_rolled_back_seals_nothing(cloud: Cloud) -> None:
    async def lose() -> None:
        async with cloud.database.transaction() as tx:
            await cloud.manager.secrets.keep(tx, cloud.project_id, cloud.organization_id, b"lost")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await lose()
    secret = await keep(cloud, "kept")
    assert await reveal(cloud, secret.id) == "kept"


async def test_an_installation_of_before_keeps_opening_its_secrets(cloud: Cloud) -> None:
    cloud.settings.key_directory.mkdir(exist_ok=True)
    (cloud.settings.key_directory / "encryption.key").write_text(KEY)
    await cloud.execute(
        "INSERT INTO secret (id, resource_id, envelope, version) VALUES ($1, $2, $3, 1)", OLD_ID, cloud.project_id, OLD_ENVELOPE
    )
    assert await reveal(cloud, cloud.project_id) == OLD_PLAIN.decode()
