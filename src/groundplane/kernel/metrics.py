"""What each process counts, and the port that Prometheus reads it from. Loopback unless a setting says otherwise."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import TimeoutError as ConcurrentTimeoutError
from contextlib import contextmanager
from functools import lru_cache

import structlog
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, disable_created_metrics, start_http_server
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

log = structlog.get_logger()

ASK_SECONDS = 2.0
"""How long a reading may take before it is left out of the page."""

disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for each, which nobody reads

HTTP_SECONDS = Histogram(
    "http_request_seconds",
    "How long requests took, by route, method and status.",
    ("route", "method", "status"),
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0),
)
REPORTS_APPLIED = Counter("reports_applied", "Agents' reports that ended or moved a task of a job, by outcome.", ("outcome",))
MESSAGES_RECEIVED = Counter("messages_received", "Messages of agents that were taken from the bus.")
SPANS_DROPPED = Counter("spans_dropped", "Spans that nobody will see: too many at once, or the database did not take them.")

Reading = Callable[[], Awaitable[Sequence[Metric]]]
"""Reads gauges at the moment that somebody asks for them."""


def observe_request(route: str | None, method: str, status: int, seconds: float) -> None:
    """Count a request that was answered. `route` is its template; None is what no route was found for."""
    _http(route or "none", method if method in _METHODS else "other", status).observe(seconds)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@lru_cache(maxsize=4096)
def _http(route: str, method: str, status: int) -> Histogram:
    return HTTP_SECONDS.labels(route, method, str(status))


class Readings(Collector):
    """Asks the process's loop for gauges, from the thread that serves the page. Who does not answer in time is left out."""

    def __init__(self, loop: asyncio.AbstractEventLoop, readings: Sequence[Reading]) -> None:
        self._loop = loop
        self._readings = readings

    def describe(self) -> Sequence[Metric]:
        """Nothing is asked at registration."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All that answer."""
        for reading in self._readings:
            try:
                yield from asyncio.run_coroutine_threadsafe(_within_time(reading), self._loop).result(ASK_SECONDS + 1)
            except (Exception, ConcurrentTimeoutError) as error:  # a page without it is better than none
                log.warning("metrics.not_read", error=repr(error))


async def _within_time(reading: Reading) -> Sequence[Metric]:
    async with asyncio.timeout(ASK_SECONDS):
        return await reading()


@contextmanager
def metrics_served(host: str, port: int, readings: Sequence[Reading] = ()) -> Iterator[None]:
    """Serve `/metrics` on a port of its own from a thread; port 0: do not. A port that is taken costs the metrics, no more."""
    if not port:
        yield
        return
    own = CollectorRegistry()
    own.register(Readings(asyncio.get_running_loop(), readings))
    try:
        server, thread = start_http_server(port, host, _Both(REGISTRY, own))
    except OSError as error:
        log.error("metrics.not_served", host=host, port=port, error=repr(error))  # noqa: TRY400  # the trace tells no more
        yield
        return
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Both(CollectorRegistry):
    """What is counted all the time, and what is read when asked for."""

    def __init__(self, *registries: CollectorRegistry) -> None:
        super().__init__()
        self._registries = registries

    def collect(self) -> Iterator[Metric]:
        """Everything of each."""
        for registry in self._registries:
            yield from registry.collect()
