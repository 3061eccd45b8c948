"""A cloud of its own for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.conftest import MakeDatabase
from tests.controlplane.cloud import Cloud

from groundplane.kernel.database import Database


@pytest.fixture
async def cloud(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[Cloud]:
    """One project, one cluster, one host; and nothing that another test has left."""
    database = await Database.connect(await make_database())
    cloud = await Cloud.build(database, tmp_path)
    yield cloud
    cloud.close()
    await database.close()
