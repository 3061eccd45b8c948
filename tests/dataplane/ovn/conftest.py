"""Databases and providers for the tests of the OVN provider."""

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest
import pytest_asyncio
from tests.dataplane.ovn import engine
from tests.dataplane.ovn.hands import Hands

from groundplane.dataplane.providers.ovn import OvnNetwork


@pytest.fixture(scope="module")
def northbound() -> Iterator[engine.Northbound]:
    """A northbound database of this test module."""
    with engine.northbound() as database:
        yield database


@pytest_asyncio.fixture
async def hands(northbound: engine.Northbound) -> AsyncIterator[Hands]:
    """A provider for a cluster of this test alone."""
    provider = OvnNetwork(uuid4(), northbound.remote)
    yield Hands(provider)
    await provider.close()
