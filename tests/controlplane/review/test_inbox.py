"""Whatever an agent sends, the others' reports are applied."""

import json

import pytest
from tests.controlplane.cloud import Cloud

from groundplane.controlplane.network.network import NETWORK, NetworkSpec


@pytest.mark.parametrize(
    "payload", [b"\x00", b"\xff\xfe", b'{"type": "report\\u0000"}', b""], ids=["nul", "binary", "escaped", "empty"]
)
async def test_a_message_that_is_none_holds_up_nobody(cloud: Cloud, payload: bytes) -> None:
    network = (await cloud.make(NETWORK, NetworkSpec())).resource
    report = await cloud.carry_out(cloud.tasks.pop(0))
    await cloud.hear(payload, report.model_dump_json().encode())
    assert (await cloud.resource(network.id)).status == "active"
    assert await cloud.value("SELECT count(*) FROM report_set_aside") == 1


async def test_an_observation_that_the_database_cannot_hold(cloud: Cloud) -> None:
    """What a guest makes up travels in observations."""
    network = (await cloud.make(NETWORK, NetworkSpec())).resource
    report = await cloud.carry_out(cloud.tasks.pop(0))
    text = json.loads(report.model_dump_json())
    text["states"][0]["observed"] = {"name": "a\u0000b"}
    await cloud.hear(json.dumps(text).encode())
    assert await cloud.value("SELECT count(*) FROM report_set_aside") == 1
    assert (await cloud.last_job(network.id)).ended_at is None
