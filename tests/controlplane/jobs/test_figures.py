"""The figures of all jobs, as the api tells them to Prometheus."""

from tests.controlplane.cloud import Cloud

from groundplane.controlplane.network.network import NETWORK, NetworkSpec
from groundplane.processes.house_figures import database_figures, job_figures


async def _figures(cloud: Cloud) -> dict[tuple[str, ...], float]:
    families = await job_figures(cloud.database)()
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


async def test_a_house_at_rest_has_no_open_and_no_late_job(cloud: Cloud) -> None:
    await cloud.settle()
    assert await _figures(cloud) == {("jobs_past_deadline",): 0, ("jobs_seconds_behind",): 0}


async def test_open_jobs_are_told_by_state_and_kind_and_late_ones_by_number(cloud: Cloud) -> None:
    await cloud.make(NETWORK, NetworkSpec())
    figures = await _figures(cloud)
    assert figures["jobs_open", "RUNNING", "network"] == 1
    assert figures["jobs_past_deadline",] == 0
    await cloud.pass_time(40)
    assert 9 <= (await _figures(cloud))["jobs_seconds_behind",] <= 41
    await cloud.pass_time(86_400)
    assert (await _figures(cloud))["jobs_past_deadline",] == 1


async def test_connections_in_use_are_told(cloud: Cloud) -> None:
    async with cloud.database.transaction():
        (family,) = await database_figures(cloud.database)()
    told = {sample.labels["what"]: sample.value for sample in family.samples}
    assert told["in_use"] == 1
    assert told["in_use"] <= told["open"] <= told["most"]
