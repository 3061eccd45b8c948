"""The port that Prometheus reads: it serves what answers, and never costs its process more than the figures."""

import asyncio
import socket
from collections.abc import Sequence

import httpx
import pytest
from prometheus_client.core import GaugeMetricFamily, Metric

from groundplane.kernel import metrics
from groundplane.kernel.metrics import Reading, metrics_served, observe_request


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _gauge(name: str, value: float) -> Reading:
    async def read() -> Sequence[Metric]:
        return (GaugeMetricFamily(name, "Of a test.", value),)

    return read


async def _page(port: int) -> str:
    async with httpx.AsyncClient() as client:
        return (await client.get(f"http://127.0.0.1:{port}/metrics")).text


async def test_what_is_counted_and_what_is_read_are_on_one_page() -> None:
    port = _free_port()
    observe_request("/things/{id}", "GET", 200, 0.004)
    observe_request(None, "BREW", 404, 0.004)
    with metrics_served("127.0.0.1", port, (_gauge("of_a_test", 7),)):
        page = await _page(port)
    assert "of_a_test 7.0" in page
    assert 'http_request_seconds_bucket{le="0.005",method="GET",route="/things/{id}",status="200"} 1.0' in page
    assert 'http_request_seconds_count{method="other",route="none",status="404"} 1.0' in page
    with pytest.raises(httpx.ConnectError):
        await _page(port)


async def test_who_does_not_answer_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang() -> Sequence[Metric]:
        await asyncio.sleep(60)
        return ()

    async def fail() -> Sequence[Metric]:
        raise OSError("the database is away")

    monkeypatch.setattr(metrics, "ASK_SECONDS", 0.1)
    port = _free_port()
    with metrics_served("127.0.0.1", port, (hang, fail, _gauge("of_a_test", 7))):
        assert "of_a_test 7.0" in await _page(port)


async def test_a_port_that_is_taken_costs_the_figures_alone() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with metrics_served("127.0.0.1", taken.getsockname()[1]):
            pass


async def test_nothing_is_served_unless_a_port_is_set() -> None:
    with metrics_served("127.0.0.1", 0, (_gauge("of_a_test", 7),)):
        pass
