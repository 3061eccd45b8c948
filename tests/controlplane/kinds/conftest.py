"""A cloud whose processes die, beside the one that all tests of the control plane have."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.conftest import Recycled
from tests.controlplane.kinds.mortal import Boundaries, MortalCloud, MortalDatabase


@pytest.fixture
async def mortal(recycled: Recycled, tmp_path: Path) -> AsyncIterator[MortalCloud]:
    """One cluster, one host, and a new project for each run."""
    async with recycled.lend() as url:
        database = await MortalDatabase.connect(url)
        database.boundaries = Boundaries()
        cloud = await MortalCloud.build(database, tmp_path)
        yield cloud
        cloud.close()
        await database.close()
