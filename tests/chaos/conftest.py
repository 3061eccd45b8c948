"""A cloud of its own for each test of the invariants, as the control plane's own tests have it."""

from tests.controlplane.conftest import cloud

__all__ = ["cloud"]
