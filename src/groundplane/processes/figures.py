"""The gauges of whoever reads from the bus: what waits there, and what is being worked at. Read when Prometheus asks."""

from collections.abc import Callable, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric

from groundplane.kernel.bus import Bus
from groundplane.kernel.metrics import Reading


def queue_figures(bus: Bus, stream: str, consumer: str) -> Reading:
    """What waits in the bus for the readers of a consumer, and what they have not acknowledged."""

    async def read() -> Sequence[Metric]:
        info = await bus.js.consumer_info(stream, consumer)
        family = GaugeMetricFamily("queue_messages", "Messages that are not done with.", labels=("stream", "what"))
        family.add_metric((stream, "waiting"), info.num_pending or 0)
        family.add_metric((stream, "unacknowledged"), info.num_ack_pending or 0)
        return (family,)

    return read


def work_figures(in_flight: Callable[[], int]) -> Reading:
    """What an agent is at."""

    async def read() -> Sequence[Metric]:
        return (GaugeMetricFamily("agent_tasks_in_flight", "Tasks that are here now.", in_flight()),)

    return read
