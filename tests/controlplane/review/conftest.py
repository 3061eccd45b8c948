"""The whole api, as the gateway's own tests see it."""

from tests.controlplane.gateway.conftest import api

__all__ = ["api"]
