"""The gauges of whoever reads from the bus: what waits there, and what is being worked at. Read when Prometheus asks."""

from collections.abc import Callable, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric

from groundplane.kernel.bus import Bus
from groundplane.kernel.metrics import Reading


def queue_figures(bus: Bus, *streams: str) -> Reading:
    """What waits in the bus for the readers of each consumer of these streams, and what they have not acknowledged."""

    async def read() -> Sequence[Metric]:
        family = GaugeMetricFamily("queue_messages", "Messages that are not done with.", labels=("stream", "consumer", "what"))
        for stream in streams:
            for queue in await bus.queues(stream):
                family.add_metric((stream, queue.consumer, "waiting"), queue.waiting)
                family.add_metric((stream, queue.consumer, "unacknowledged"), queue.in_flight)
        return (family,)

    return read


def work_figures(in_flight: Callable[[], int]) -> Reading:
    """What an agent is at."""

    async def read() -> Sequence[Metric]:
        return (GaugeMetricFamily("agent_tasks_in_flight", "Tasks that are here now.", in_flight()),)

    return read
