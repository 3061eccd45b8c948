"""What the supervisor is told to run: each process has a port for its figures, and keeps it."""

import socket
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from groundplane.processes.layout import Installation, Layout
from groundplane.processes.parts import Composition, compose
from groundplane.processes.supervisor import Service

WISH = Installation(data_plane="simulated", simulated_hosts=1)


@pytest.fixture(autouse=True)
def servers_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Database and bus are said to be there already."""
    monkeypatch.setenv("GROUNDPLANE_DATABASE_URL", "postgresql://elsewhere/it")
    monkeypatch.setenv("GROUNDPLANE_NATS_URL", "nats://elsewhere")


def _ports(composition: Composition) -> dict[str, str]:
    services = [part for part in composition.parts if isinstance(part, Service)]
    return {each.name: (each.env or {})["GROUNDPLANE_METRICS_PORT"] for each in services}


def test_each_process_has_a_port_of_its_own_and_endpoints_tell_it(layout: Layout) -> None:
    composed = compose(layout, WISH)
    ports = _ports(composed)
    assert sorted(ports) == ["agent", "api", "worker"]
    assert len(set(ports.values())) == 3
    assert composed.endpoints.metrics == {name: f"http://127.0.0.1:{port}/metrics" for name, port in ports.items()}


def test_the_ports_stay_from_one_up_to_the_next_unless_somebody_took_one(layout: Layout) -> None:
    first = compose(layout, WISH)
    first.endpoints.save(layout)
    assert compose(layout, WISH).endpoints.metrics == first.endpoints.metrics
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", urlsplit(first.endpoints.metrics["api"]).port or 0))
        taken.listen()
        second = compose(layout, WISH).endpoints.metrics
    assert second["api"] != first.endpoints.metrics["api"]
    assert second["worker"] == first.endpoints.metrics["worker"]


def test_endpoints_of_a_release_without_figures_are_read(layout: Layout) -> None:
    before = replace(compose(layout, WISH).endpoints, metrics={})
    before.save(layout)
    assert set(compose(layout, WISH).endpoints.metrics) == {"api", "worker", "agent"}
