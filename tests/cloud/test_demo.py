"""The demo's whole story, on the real data plane and on the simulated one."""

import pytest
from tests.cloud.installation import Installation, installation

from groundplane.processes.demo.screen import Screen
from groundplane.processes.demo.story import tell


def test_the_demo_passes_on_the_real_data_plane(cloud: Installation, capfd: pytest.CaptureFixture[str]) -> None:
    before = cloud.guests()
    tell(Screen(), simulated=False, layout=cloud.layout)
    told = capfd.readouterr().out
    for promise in (
        "it booted from its own volume, is called web, got 10.77.0.",
        "from a port on the same network: this is web",
        "after the reboot the mark",
        "noticed by event",
        "after the repair the mark",
        "libvirt itself says: nothing of it is left",
        "OVN itself says: nothing of it is left",
        "the storage pool itself says: nothing of it is left",
        "What took how long",
        f"down --all --yes --data-dir {cloud.layout.root}",
    ):
        assert promise in told
    assert cloud.guests() == before


def test_the_demo_passes_on_the_simulated_data_plane(capfd: pytest.CaptureFixture[str]) -> None:
    with installation() as made:
        tell(Screen(), simulated=True, layout=made.layout)
    told = capfd.readouterr().out
    assert "the guest is simulated" in told
    assert "noticed by event" in told
    assert "the simulated engine itself says: nothing of it is left" in told
