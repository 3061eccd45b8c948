"""A cloud of its own for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.conftest import Recycled
from tests.controlplane.cloud import Cloud

from groundplane.kernel.database import Database


@pytest.fixture
async def cloud(recycled: Recycled, tmp_path: Path) -> AsyncIterator[Cloud]:
    """One project, one cluster, one host; and nothing that another test has left."""
    async with recycled.lend() as url:
        database = await Database.connect(url)
        cloud = await Cloud.build(database, tmp_path)
        yield cloud
        cloud.close()
        await database.close()
