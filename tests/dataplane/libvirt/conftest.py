"""One private libvirtd for all tests here, and the two providers on it."""

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest
from tests.dataplane.libvirt.engine import PrivateLibvirt, private_libvirt

from groundplane.dataplane.providers.libvirt import LibvirtCompute, LibvirtStorage

GRACE_SECONDS = 0.5  # the guests of most tests are empty disks, which never answer


@pytest.fixture(scope="session")
def engine() -> Iterator[PrivateLibvirt]:
    """libvirtd in a namespace of its own."""
    with private_libvirt() as engine:
        yield engine


@pytest.fixture
async def storage(engine: PrivateLibvirt) -> AsyncIterator[LibvirtStorage]:
    """The engine's storage."""
    provider = LibvirtStorage(uuid4(), engine.uri, pools=engine.pools)
    yield provider
    await provider.close()


@pytest.fixture
async def compute(engine: PrivateLibvirt) -> AsyncIterator[LibvirtCompute]:
    """The engine's hypervisor."""
    provider = LibvirtCompute(
        uuid4(),
        engine.uri,
        pools=engine.pools,
        console_directory=engine.consoles,
        domain_type="qemu",
        grace_seconds=GRACE_SECONDS,
    )
    yield provider
    await provider.close()
