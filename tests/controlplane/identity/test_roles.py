"""What roles permit, as a table."""

import pytest

from groundplane.controlplane.identity import ROLES


@pytest.mark.parametrize(
    ("role", "permission", "permitted"),
    [
        ("admin", "fleet.host.delete", True),
        ("owner", "compute.vm.console", True),
        ("viewer", "compute.vm.read", True),
        ("viewer", "compute.vm.list", True),
        ("viewer", "compute.vm.console", False),
        ("viewer", "compute.vm.readwrite", False),
        ("viewer", "compute.vm.delete", False),
    ],
)
def test_role_permits(role: str, permission: str, permitted: bool) -> None:
    assert ROLES[role].permits(permission) is permitted
