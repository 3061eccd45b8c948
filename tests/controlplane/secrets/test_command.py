"""`groundplane secrets rotate` as an operator runs it, and as it is killed."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.conftest import MakeDatabase
from tests.controlplane.cloud import Cloud

from groundplane.controlplane.secrets import SecretStore
from groundplane.kernel.database import Database
from groundplane.kernel.keyring import KeyRing
from groundplane.kernel.secrets import SecretBox

COUNT = 1000


@dataclass
class House:
    """A database and a data directory, with COUNT secrets."""

    cloud: Cloud
    environment: dict[str, str]

    async def start(self, *arguments: str) -> Process:
        command = (sys.executable, "-m", "groundplane.processes.main", "secrets", "rotate", *arguments)
        return await asyncio.create_subprocess_exec(*command, env=self.environment, stdout=PIPE, stderr=PIPE)

    async def run(self, *arguments: str) -> str:
        process = await self.start(*arguments)
        output, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        return output.decode()

    async def assert_readable(self) -> None:
        store = SecretStore(SecretBox(KeyRing(self.cloud.settings.key_directory)))
        async with self.cloud.database.transaction() as tx:
            for version in (1, COUNT // 2, COUNT):
                found = await store.of_resource(tx, self.cloud.project_id, version)
                assert await store.open(found) == f"value {version}".encode()


@pytest.fixture
async def house(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[House]:
    url = await make_database()
    database = await Database.connect(url)
    cloud = await Cloud.build(database, tmp_path)
    async with database.transaction() as tx:
        store = SecretStore(cloud.platform.box)
        for version in range(1, COUNT + 1):
            plain = f"value {version}".encode()
            await store.keep(tx, cloud.project_id, cloud.organization_id, plain, version=version)
    yield House(cloud, {**os.environ, "GROUNDPLANE_DATABASE_URL": url, "GROUNDPLANE_DATA_DIR": str(tmp_path)})
    cloud.close()
    await database.close()


async def test_progress_is_shown_and_both_keys_are_new(house: House) -> None:
    told = await house.run()
    assert f"secrets: 200 of {COUNT:,}" in told
    assert f"secrets: {COUNT:,} of {COUNT:,}" in told
    assert await house.cloud.value("SELECT version FROM data_key") == 2
    told = await house.run("--key-encryption-key")
    assert "data keys: 1 of 1" in told
    assert KeyRing(house.cloud.settings.key_directory).sealing().id in told
    assert [path.name for path in house.cloud.settings.key_directory.glob("*.key")] == ["encryption-2.key"]
    await house.assert_readable()


async def test_killed_in_the_middle_it_is_run_again(house: House) -> None:
    process = await house.start()
    assert process.stdout is not None
    while b"secrets: 200 of" not in await process.stdout.readline():
        assert process.returncode is None
    process.kill()
    await process.wait()
    left = await house.cloud.value(
        "SELECT count(*) FROM secret JOIN data_key ON data_key.id = data_key_id WHERE retired_at IS NOT NULL"
    )
    assert 0 < left < COUNT
    await house.assert_readable()
    assert "begun before is complete" in await house.run()
    assert await house.cloud.value("SELECT version FROM data_key") == 2
    await house.assert_readable()


async def test_without_an_installation_it_says_what_to_do(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GROUNDPLANE_")}
    process = await House(None, environment).start("--data-dir", str(tmp_path))  # type: ignore[arg-type]  # there is none
    _, errors = await process.communicate()
    assert process.returncode == 4
    assert b"--data-dir" in errors
    assert b"Traceback" not in errors
