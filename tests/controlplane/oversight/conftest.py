"""The whole api, as the gateway's own tests have it."""

from tests.controlplane.gateway.conftest import api

__all__ = ["api"]
