"""Odd things that people send: each is refused in words, or taken; none ends as an internal error."""

import asyncio
import json
from typing import Any

import pytest
from tests.controlplane.gateway.conftest import Api

HUGE = 10**30
READS = [
    "/networks?name=%00",
    "/networks?label=env%3D%00",
    "/networks?label=%00%3Dx",
    "/networks?label==",
    "/networks?label=a=b=c",
    "/networks?label=%F0%9F%92%A9=x",
    f"/networks?limit={HUGE}",
    "/networks?limit=-1",
    "/networks?cursor=%00",
    "/networks?cursor=net_zzzzzzzzzzzzzzzzzzzzzzzzzz",
    "/networks/%00",
    "/networks/" + "a" * 81,
    "/jobs?resource=%00",
    "/jobs?cursor=job_zzzzzzzzzzzzzzzzzzzzzzzzzz",
    "/jobs/%00",
    f"/jobs/job_00000000000000000000000000?seen={HUGE}",
    "/drift?cursor=%00",
    f"/vms/web/console-log?offset={HUGE}",
]


@pytest.mark.parametrize("path", READS)
async def test_odd_reads(api: Api, path: str) -> None:
    answer = await api.call("GET", api.project + path)
    assert answer.status_code < 500, answer.text


@pytest.mark.parametrize("wait", ["nan", "inf", "-inf", "1e400", "31", "-1"])
async def test_a_wait_that_is_no_time_is_refused(api: Api, wait: str) -> None:
    made = (await api.post("/networks", {"name": "lan"})).json()
    async with asyncio.timeout(5):
        answer = await api.call("GET", f"{made['job']['href']}?wait={wait}")
    assert answer.status_code == 422


BODIES: list[tuple[str, Any]] = [
    ("/networks", {"name": "lan", "\ud800": 1}),
    ("/networks", {"name": "\ud800"}),
    ("/networks", {"name": "lan", "labels": {"\ud800": "x"}}),
    ("/networks", {"name": "lan", "labels": {"a": "\ud800"}}),
    ("/networks", {"name": "lan", "labels": {"env": "prod\n"}}),
    ("/networks", {"name": "lan", "labels": {"env\n": "prod"}}),
    ("/networks", {"name": "lan\n"}),
    ("/networks", {"name": "lan", "labels": {f"k{number}": "v" for number in range(33)}}),
    ("/networks", {"name": "lan", "spec": {"mtu": HUGE}}),
    ("/networks", {"name": "lan", "spec": {"mtu": 1442.5}}),
    ("/networks", {"name": "lan", "spec": None}),
    ("/networks", []),
    ("/networks", None),
    ("/volumes", {"name": "vol", "spec": {"size_gib": HUGE}}),
    ("/volumes", {"name": "vol", "spec": {"size_gib": 1, "image": "\u0000"}}),
    ("/volumes", {"name": "vol", "spec": {"size_gib": 1, "image": ""}}),
    ("/subnets", {"name": "sub", "spec": {"network": "lan", "cidr": "10.0.0.0/24\n"}}),
    ("/subnets", {"name": "sub", "spec": {"network": "lan", "cidr": "0.0.0.0/8"}}),
    ("/subnets", {"name": "sub", "spec": {"network": "lan", "cidr": "10.0.0.0/24", "gateway": "::1"}}),
    ("/ssh-keys", {"name": "key", "spec": {"public_key": "ssh-ed25519 " + "A" * 60}}),
    ("/ssh-keys", {"name": "key", "spec": {"public_key": "ssh-dss AAAAB3NzaC1kc3M= somebody@there"}}),
    ("/ssh-keys", {"name": "key", "spec": {"public_key": "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAA== x"}}),
    ("/ssh-keys", {"name": "key", "spec": {"public_key": "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY="}}),
    (
        "/security-groups",
        {"name": "sg", "spec": {"rules": [{"direction": "ingress", "protocol": "tcp", "remote": "10.0.0.1/8"}]}},
    ),
    ("/security-groups", {"name": "sg", "spec": {"rules": [{"direction": "ingress"}] * 101}}),
    ("/ports", {"name": "port", "spec": {"network": "nowhere"}}),
]


@pytest.mark.parametrize(("path", "body"), BODIES)
async def test_odd_bodies_are_refused(api: Api, path: str, body: Any) -> None:
    headers = {**api.headers, "Content-Type": "application/json"}
    answer = await api.client.post(api.project + path, content=json.dumps(body), headers=headers)
    assert 400 <= answer.status_code < 500, answer.text
    assert len(answer.json()["detail"]) > 10
