"""A platform of each test's own, and a client that is logged in to it."""

from collections.abc import Iterator

import pytest
from tests.sdk.platform import PASSWORD, Platform, serving

from groundplane.sdk import Client, Retries

QUICK = Retries(budget=2.0, first=0.01, most=0.05)


@pytest.fixture
def platform() -> Iterator[Platform]:
    """A served platform with nothing in it."""
    platform = Platform()
    with serving(platform):
        yield platform


@pytest.fixture
def client(platform: Platform) -> Iterator[Client]:
    """A client that is logged in."""
    with Client(platform.url, retries=QUICK) as client:
        client.login("a@example.org", PASSWORD)
        yield client
