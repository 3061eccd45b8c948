"""How agents are invited, enrolled, renewed and revoked: by the routes, without a bus."""

import asyncio
import base64
import time
from typing import Any

import httpx
import pytest
from tests.controlplane.gateway.conftest import Api

from groundplane.contracts.enrolment import AgentCredential, renewal_statement
from groundplane.controlplane.fleet import enrolment
from groundplane.controlplane.fleet.accounts import BusKeys
from groundplane.controlplane.fleet.agent import AGENT, AgentSpec
from groundplane.controlplane.fleet.cluster import CLUSTER
from groundplane.dataplane.agent.enrolment import AgentFolder, ControlPlaneUnreachableError, Enrolment, NotEnrolledError
from groundplane.kernel.nats_tokens import Nkey, claims_of

OPS, AGENTS = "/api/ops/v1/agents", "/api/agent/v1"


@pytest.fixture
async def agent(api: Api) -> str:
    """The public id of a new agent."""
    spec = AgentSpec(cluster=CLUSTER.public_id(api.cloud.cluster_id))
    made = await api.cloud.make(AGENT, spec, name="agent-1", project=False, organization=False)
    return AGENT.public_id(made.resource.id)


async def _invite(api: Api, agent: str, **body: Any) -> str:
    answer = await api.call("POST", f"{OPS}/{agent}/enrolment", json=body)
    assert answer.status_code == 201, answer.text
    token: str = answer.json()["token"]
    return token


async def _enrol(api: Api, token: str, key: Nkey) -> httpx.Response:
    return await api.client.post(f"{AGENTS}/enrol", json={"token": token, "nkey": key.public})


async def _renew(api: Api, key: Nkey, *, at: int | None = None, signer: Nkey | None = None) -> httpx.Response:
    at = at or time.time_ns() // 1_000_000
    signature = base64.b64encode((signer or key).sign(renewal_statement(key.public, at))).decode()
    return await api.client.post(f"{AGENTS}/renew", json={"nkey": key.public, "at": at, "signature": signature})


async def _opens(api: Api, credential: AgentCredential) -> bool:
    """Does the token open the agents' API? What is asked for there is not there."""
    headers = {"Authorization": f"Bearer {credential.http_token}"}
    answer = await api.client.get(f"{AGENTS}/secrets/{credential.agent_id}", headers=headers)
    assert answer.status_code in {401, 404}
    return answer.status_code == 404


async def _enrolled(api: Api, agent: str, key: Nkey) -> AgentCredential:
    answer = await _enrol(api, await _invite(api, agent), key)
    assert answer.status_code == 200, answer.text
    return AgentCredential.model_validate_json(answer.content)


async def test_an_agent_is_told_who_it_is_and_what_it_serves(api: Api, agent: str) -> None:
    object.__setattr__(api.services, "bus_keys", keys := BusKeys.of_directory(api.services.settings.key_directory))
    key = Nkey.generate("user")
    credential = await _enrolled(api, agent, key)
    assert (AGENT.public_id(credential.agent_id), credential.cluster_id) == (agent, api.cloud.cluster_id)
    assert {host.id for host in credential.hosts} == set(api.cloud.hosts)
    assert (credential.hosts[0].vcpus, credential.hosts[0].memory_mib) == (64, 262_144)
    assert await _opens(api, credential)
    assert credential.bus is not None
    said = claims_of(credential.bus.token)
    assert (said["sub"], said["iss"]) == (key.public, keys.cluster(api.cloud.cluster_id).public)
    assert said["exp"] - said["iat"] <= api.services.settings.agent_credential_seconds
    rows = await api.cloud.fetch(
        "SELECT action, outcome, actor_id FROM audit_event WHERE action LIKE 'fleet.agent.%' ORDER BY id"
    )
    assert [(row["action"], row["outcome"]) for row in rows[-2:]] == [("fleet.agent.enrol", "allowed")] * 2
    assert rows[-1]["actor_id"] == credential.agent_id


async def test_an_invitation_is_good_once_even_in_a_race(api: Api, agent: str) -> None:
    token = await _invite(api, agent)
    answers = await asyncio.gather(*(_enrol(api, token, Nkey.generate("user")) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7
    assert {answer.json()["code"] for answer in answers if answer.status_code == 401} == {"enrolment_refused"}
    assert await api.cloud.value("SELECT count(*) FROM agent_credential WHERE revoked_at IS NULL") == 1
    refused = "SELECT count(*) FROM audit_event WHERE action = 'fleet.agent.enrol' AND outcome = 'denied'"
    assert await api.cloud.value(refused) == 7


async def test_an_invitation_is_kept_as_a_hash_expires_and_is_replaced(api: Api, agent: str) -> None:
    first = await _invite(api, agent)
    second = await _invite(api, agent, expires_in=60)
    stored = await api.cloud.fetch("SELECT * FROM agent_enrolment")
    assert len(stored) == 1
    assert second not in str(dict(stored[0]))
    assert (await _enrol(api, first, Nkey.generate("user"))).status_code == 401
    await api.cloud.execute("UPDATE agent_enrolment SET expires_at = now() - interval '1 second'")
    assert (await _enrol(api, second, Nkey.generate("user"))).status_code == 401
    assert await api.cloud.value("SELECT count(*) FROM agent_credential") == 0


async def test_a_repeated_request_tells_the_same_token_which_is_stored_nowhere(api: Api, agent: str) -> None:
    api.headers = {**api.headers, "Idempotency-Key": "once"}
    first, again = [await _invite(api, agent) for _ in range(2)]
    assert first == again
    assert first not in str([dict(row) for row in await api.cloud.fetch("SELECT * FROM idempotency_key")])
    assert first not in str([dict(row) for row in await api.cloud.fetch("SELECT * FROM audit_event")])


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"token": "gpe_x"},
        {"token": "gpe_x", "nkey": "U" * 56},
        {"token": "gpe_x", "nkey": Nkey.generate("account").public},
        {"token": "x" * 101, "nkey": Nkey.generate("user").public},
        {"token": "gpe_x", "nkey": Nkey.generate("user").public, "agent_id": "mine"},
    ],
)
async def test_what_is_no_enrolment_is_refused(api: Api, body: dict[str, str]) -> None:
    assert (await api.client.post(f"{AGENTS}/enrol", json=body)).status_code == 422


async def test_a_credential_is_renewed_by_a_proof_that_counts_once(api: Api, agent: str) -> None:
    key = Nkey.generate("user")
    await _enrolled(api, agent, key)
    at = time.time_ns() // 1_000_000
    renewed = await _renew(api, key, at=at)
    assert renewed.status_code == 200, renewed.text
    assert await _opens(api, AgentCredential.model_validate_json(renewed.content))
    for answer, code in (
        (await _renew(api, key, at=at), "proof_refused"),  # heard on the way, and sent again
        (await _renew(api, key, at=at - 1), "proof_refused"),
        (await _renew(api, key, signer=Nkey.generate("user")), "proof_refused"),
        (await _renew(api, key, at=at + 3_600_000), "proof_refused"),
        (await _renew(api, Nkey.generate("user")), "agent_not_enrolled"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert (await _renew(api, key)).status_code == 200


async def test_a_revoked_agent_is_refused_at_once(api: Api, agent: str) -> None:
    key = Nkey.generate("user")
    credential = await _enrolled(api, agent, key)
    revoked = await api.call("POST", f"{OPS}/{agent}/revoke")
    assert revoked.json() == {"agent_id": agent, "was_enrolled": True}
    assert not await _opens(api, credential)
    assert (await _renew(api, key)).json()["code"] == "agent_not_enrolled"
    async with api.cloud.database.transaction() as tx:
        void = await enrolment.void_keys(tx, lifetime_seconds=600)
        assert set(void[api.cloud.cluster_id]) == {key.public}
        assert void[api.cloud.cluster_id][key.public] >= time.time() + 590  # nothing issued meanwhile is spared
    await api.cloud.execute("UPDATE agent_credential SET revoked_at = now() - interval '601 seconds'")
    async with api.cloud.database.transaction() as tx:
        assert (await enrolment.void_keys(tx, lifetime_seconds=600))[api.cloud.cluster_id] == {}
    assert (await api.call("POST", f"{OPS}/{agent}/revoke")).json()["was_enrolled"] is False
    audited = "SELECT count(*) FROM audit_event WHERE action = 'fleet.agent.revoke' AND outcome = 'allowed'"
    assert await api.cloud.value(audited) == 2


async def test_revoking_makes_an_open_invitation_void(api: Api, agent: str) -> None:
    token = await _invite(api, agent)
    await api.call("POST", f"{OPS}/{agent}/revoke")
    assert (await _enrol(api, token, Nkey.generate("user"))).status_code == 401


async def test_a_deleted_agent_is_refused(api: Api, agent: str) -> None:
    key = Nkey.generate("user")
    credential = await _enrolled(api, agent, key)
    token = await _invite(api, agent)
    assert (await api.call("DELETE", f"{OPS}/{agent}")).status_code == 200
    assert not await _opens(api, credential)
    assert (await _renew(api, key)).status_code == 401
    assert (await _enrol(api, token, Nkey.generate("user"))).status_code == 401
    async with api.cloud.database.transaction() as tx:
        assert key.public in (await enrolment.void_keys(tx, lifetime_seconds=600))[api.cloud.cluster_id]


async def test_who_enrols_anew_makes_the_earlier_key_void(api: Api, agent: str) -> None:
    first, second = Nkey.generate("user"), Nkey.generate("user")
    await _enrolled(api, agent, first)
    await _enrolled(api, agent, second)
    assert (await _renew(api, first)).status_code == 401
    assert (await _renew(api, second)).status_code == 200
    assert (await _enrol(api, await _invite(api, agent), second)).status_code == 401, "a key is never used twice"


async def test_an_agent_survives_lost_answers_and_keeps_its_seed_to_itself(api: Api, agent: str, tmp_path: Any) -> None:
    sent: list[bytes] = []

    class Lossy(httpx.ASGITransport):
        lose = True

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            sent.append(await request.aread())
            answer = await super().handle_async_request(request)
            if self.lose:
                self.lose = False
                raise httpx.ReadError("lost")
            return answer

    folder = AgentFolder(tmp_path / "agent")
    client = Enrolment(folder, "http://api", transport=Lossy(api.app))
    with pytest.raises(NotEnrolledError, match="enrolment"):
        await client.begin()
    folder.invite(await _invite(api, agent))
    with pytest.raises(ControlPlaneUnreachableError):
        await client.begin()
    credential = await client.begin()  # the token is used up by now, by this very key
    assert await _opens(api, credential)
    assert folder.invitation() is None
    assert folder.credential() == credential
    key = folder.key()
    assert key is not None
    assert all(key.seed not in each for each in sent)
    assert {path.stat().st_mode & 0o777 for path in folder.path.iterdir()} == {0o600}
    folder.invite("gpe_no_good")
    assert (await client.begin()).agent_id == credential.agent_id, "a bad invitation costs nothing"
    await client.close()
