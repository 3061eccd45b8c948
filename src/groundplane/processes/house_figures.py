"""The gauges of whoever has the database: of all jobs, and of its own connections. Read when Prometheus asks."""

from collections.abc import Sequence

from prometheus_client.core import GaugeMetricFamily, Metric

from groundplane.controlplane.jobs import figures
from groundplane.controlplane.jobs import job as jobs
from groundplane.kernel.database import Database
from groundplane.kernel.metrics import Reading


def job_figures(database: Database) -> Reading:
    """All jobs of the house: the api tells of them, so that somebody does when no worker runs."""

    async def read() -> Sequence[Metric]:
        async with database.transaction() as tx:
            late, behind, counts = await jobs.past_deadline(tx), await figures.seconds_behind(tx), await figures.open_jobs(tx)
        by_state = GaugeMetricFamily("jobs_open", "Jobs that have not ended.", labels=("state", "kind"))
        for row in counts:
            by_state.add_metric((row["state"], row["kind"]), row["count"])
        return (
            GaugeMetricFamily("jobs_past_deadline", "Jobs that have not ended though their deadline has passed.", late),
            GaugeMetricFamily(
                "jobs_seconds_behind", "For how long the job that waits longest for a worker has been due.", behind
            ),
            by_state,
        )

    return read


def database_figures(database: Database) -> Reading:
    """The connections of this process."""

    async def read() -> Sequence[Metric]:
        family = GaugeMetricFamily("database_connections", "This process's connections to the database.", labels=("what",))
        for what, count in zip(("in_use", "open", "most"), database.connections, strict=True):
            family.add_metric((what,), count)
        return (family,)

    return read
