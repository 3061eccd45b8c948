"""A cloud whose processes die, beside the one that all tests of the control plane have."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.conftest import MakeDatabase
from tests.controlplane.kinds.mortal import Boundaries, MortalCloud, MortalDatabase


@pytest.fixture
async def mortal(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[MortalCloud]:
    """One cluster, one host, and a new project for each run."""
    database = await MortalDatabase.connect(await make_database())
    database.boundaries = Boundaries()
    cloud = await MortalCloud.build(database, tmp_path)
    yield cloud
    cloud.close()
    await database.close()
