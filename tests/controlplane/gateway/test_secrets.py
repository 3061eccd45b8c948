"""Secrets at the edge: values go in and come out on one road only, whose every use is audited."""

from typing import Any
from uuid import UUID

import pytest
from nats.aio.msg import Msg
from tests.controlplane.cloud import NOBODY, Cloud
from tests.controlplane.gateway.conftest import Api, Json
from tests.controlplane.gateway_frame.enrolled import agent_headers
from tests.controlplane.scenes import prepare

from groundplane.contracts.tasks import REPORTS_STREAM, REPORTS_SUBJECTS, TASKS_STREAM, TASKS_SUBJECTS, Task, report_subject
from groundplane.controlplane.identity import ROLES
from groundplane.controlplane.secrets.secret import MOST_BYTES, SECRET
from groundplane.kernel.bus import Bus
from groundplane.kernel.ids import new_id, parse_id
from groundplane.processes.catalog import BusOutbox

VALUE = "hunter2-correct-horse"


async def make(api: Api, value: str = VALUE, *, name: str = "db-password") -> Json:
    answer = await api.post("/secrets", {"name": name, "spec": {"value": value}})
    assert answer.status_code == 201, answer.text
    body: Json = answer.json()
    return body


async def reveal(api: Api, path: str = "/secrets/db-password/value") -> Any:
    return (await api.get(path))["value"]


async def test_a_value_is_written_and_read_on_its_own_road_alone(api: Api) -> None:
    made = await make(api)
    assert made["id"].startswith("scr_")
    assert (made["status"], made["spec"]) == ("active", {"version": 1})
    assert await api.get("/secrets/db-password/value") == {"version": 1, "value": VALUE}
    changed = await api.call("PATCH", f"{api.project}/secrets/db-password", json={"spec": {"value": "second"}})
    assert (changed.status_code, changed.json()["spec"]) == (200, {"version": 2})
    assert await reveal(api) == "second"
    assert await reveal(api, "/secrets/db-password/value?version=1") == VALUE
    renamed = await api.call("PATCH", f"{api.project}/secrets/db-password", json={"labels": {"env": "prod"}})
    assert renamed.json()["spec"] == {"version": 2}


async def test_versions_are_listed_and_old_ones_destroyed(api: Api) -> None:
    await make(api)
    await api.call("PATCH", f"{api.project}/secrets/db-password", json={"spec": {"value": "second"}})
    versions: Any = await api.get("/secrets/db-password/versions")
    assert [(each["version"], each["current"]) for each in versions] == [(1, False), (2, True)]
    answer = await api.call("DELETE", f"{api.project}/secrets/db-password/versions/1")
    assert (answer.status_code, [each["version"] for each in answer.json()]) == (200, [2])
    for version, status, code in ((1, 404, "secret_version_not_found"), (2, 409, "current_version")):
        answer = await api.call("DELETE", f"{api.project}/secrets/db-password/versions/{version}")
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    gone = await api.call("GET", f"{api.project}/secrets/db-password/value?version=1")
    assert gone.status_code == 404


@pytest.mark.parametrize("value", ["", "x" * (MOST_BYTES + 1), "é" * (MOST_BYTES // 2 + 1), 7, None])
async def test_what_is_no_value_is_refused(api: Api, value: Any) -> None:
    answer = await api.post("/secrets", {"name": "it", "spec": {"value": value}})
    assert answer.status_code == 422
    assert len(answer.text) < 2000


async def test_half_a_character_is_refused(api: Api) -> None:
    body = b'{"name": "it", "spec": {"value": "\\ud800"}}'
    headers = api.headers | {"Content-Type": "application/json"}
    assert (await api.client.post(f"{api.project}/secrets", content=body, headers=headers)).status_code in {400, 422}


async def test_the_largest_value_fits(api: Api) -> None:
    await make(api, "é" * (MOST_BYTES // 2))
    assert await reveal(api) == "é" * (MOST_BYTES // 2)


async def audited(api: Api, action: str) -> list[tuple[str, Any]]:
    rows = await api.cloud.fetch("SELECT outcome, resource_id FROM audit_event WHERE action = $1 ORDER BY id", action)
    return [tuple(row) for row in rows]


async def test_each_reading_is_audited(api: Api) -> None:
    secret_id = parse_id(SECRET.prefix, (await make(api))["id"])
    await reveal(api)
    await reveal(api)
    assert await audited(api, "secrets.secret.reveal") == [("allowed", secret_id)] * 2


async def test_who_may_only_look_reads_no_value(api: Api) -> None:
    await make(api)
    viewer = await api.as_("viewer", api.cloud.organization_id)
    assert (await viewer.get("/secrets/db-password"))["spec"] == {"version": 1}
    assert len(await viewer.get("/secrets/db-password/versions")) == 1
    for method, path in (("GET", "value"), ("DELETE", "versions/1")):
        answer = await viewer.call(method, f"{api.project}/secrets/db-password/{path}")
        assert answer.status_code == 403
        assert VALUE not in answer.text
    assert await audited(api, "secrets.secret.reveal") == [("denied", None)]
    assert await reveal(await api.as_("owner", api.cloud.organization_id)) == VALUE


@pytest.mark.parametrize("permission", ["secrets.secret.reveal", "secrets.secret.destroy"])
def test_no_role_for_lookers_is_given_values(permission: str) -> None:
    lookers = [role for role in ROLES.values() if not role.permits("secrets.secret.update")]
    assert lookers
    assert not [role.name for role in lookers if role.permits(permission)]


async def machine_with_user_data(api: Api, user_data: str) -> UUID:
    """Answers the id of the stored secret, as the task names it."""
    await prepare(api.cloud)
    body = {"vcpus": 1, "memory_mib": 512, "root_volume": {"image": "image", "size_gib": 1}, "user_data": user_data}
    await api.made("vms", "it", body)
    secret_id: UUID = await api.cloud.value(
        "SELECT secret.id FROM secret JOIN resource ON resource.id = resource_id AND kind = 'vm'"
    )
    return secret_id


async def fetch(api: Api, cluster_id: UUID, secret_id: UUID) -> tuple[int, bytes]:
    """As an agent of this cluster."""
    headers = await agent_headers(api.services, cluster_id)
    answer = await api.client.get(f"/api/agent/v1/secrets/{secret_id}", headers=headers)
    return answer.status_code, answer.content


async def test_an_agent_is_given_what_its_own_cluster_needs_and_nothing_else(api: Api) -> None:
    cloud, mine = api.cloud, api.cloud.cluster_id
    secret_id = await machine_with_user_data(api, VALUE)
    await make(api)
    of_kind: UUID = await cloud.value(
        "SELECT secret.id FROM secret JOIN resource ON resource.id = resource_id AND kind = 'secret'"
    )
    assert await fetch(api, mine, secret_id) == (200, VALUE.encode())
    assert not await audited(api, "secrets.secret.fetch")
    vm_id = await cloud.value("SELECT resource_id FROM secret WHERE id = $1", secret_id)
    for cluster_id, asked, owner in ((new_id(), secret_id, vm_id), (mine, new_id(), None), (NOBODY, secret_id, vm_id)):
        status, content = await fetch(api, cluster_id, asked)
        assert (status, VALUE.encode() in content) == (404, False)
        assert (await audited(api, "secrets.secret.fetch"))[-1] == ("denied", owner)
    assert (await fetch(api, mine, of_kind))[0] == 404
    await cloud.delete(vm_id)  # nobody wants it any more, though it is there still
    assert (await fetch(api, mine, secret_id))[0] == 404
    assert len(await audited(api, "secrets.secret.fetch")) == 5


async def contents(cloud: Cloud) -> str:
    """Everything that the database holds, as text."""
    tables = await cloud.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    rows = [await cloud.fetch(f"SELECT to_jsonb(each)::text AS line FROM {table['tablename']} AS each") for table in tables]  # noqa: S608
    return "\n".join(row["line"] for table in rows for row in table)


class Wiretap:
    """Everything that goes over NATS: tasks are really sent."""

    def __init__(self, api: Api, bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bus, self.heard, self.sent = bus, [b""], 0
        cloud, ask, report = api.cloud, api.cloud.ask, api.cloud.report
        outbox = BusOutbox(bus)

        async def ask_and_send(task: Task) -> None:
            await ask(task)
            await outbox._send(task)
            self.sent += 1

        async def report_and_send(*reports: Any) -> None:
            for each in reports:
                await bus.publish(report_subject(cloud.cluster_id), each.model_dump_json().encode(), str(new_id()))
            await report(*reports)

        monkeypatch.setattr(cloud, "ask", ask_and_send)
        monkeypatch.setattr(cloud, "report", report_and_send)

    async def open(self) -> None:
        await self.bus.ensure_stream(TASKS_STREAM, TASKS_SUBJECTS)
        await self.bus.ensure_stream(REPORTS_STREAM, REPORTS_SUBJECTS)
        await self.bus.nats.subscribe(">", cb=self._hear)

    async def _hear(self, message: Msg) -> None:
        self.heard.append(message.data)


async def test_a_value_is_found_nowhere(
    api: Api, bus: Bus, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    tap = Wiretap(api, bus, monkeypatch)
    await tap.open()
    secret, user_data, answers = "value-of-a-secret-7f3a", "user-data-of-a-machine-91bc", []

    async def call(method: str, path: str, *, key: str | None = None, **more: Any) -> None:
        headers = api.headers | ({"Idempotency-Key": key} if key else {})
        answer = await api.client.request(method, api.project + path, headers=headers, **more)
        answers.append(answer.text)

    spec = {"value": secret}
    for _ in range(2):
        await call("POST", "/secrets", key="k1", json={"name": "it", "spec": spec})
    await call("POST", "/secrets?dry_run=true", json={"name": "other", "spec": spec})
    await call("POST", "/secrets", json={"name": "it", "spec": spec})  # the name is taken
    await call("POST", "/secrets", json={"name": "bad", "spec": {**spec, "size": 1}})
    await call("POST", "/secrets", json={"name": "bad", "spec": {"value": [secret]}})
    await call("PATCH", "/secrets/it", key="k2", json={"spec": spec})
    await call("PATCH", "/secrets/it?dry_run=true", json={"spec": spec})
    await machine_with_user_data(api, user_data)
    secret_id = await api.cloud.value("SELECT secret.id FROM secret JOIN resource ON resource.id = resource_id AND kind = 'vm'")
    assert await fetch(api, api.cloud.cluster_id, secret_id) == (200, user_data.encode())
    assert (await api.get("/secrets/it/value"))["value"] == secret
    for path in ("/secrets", "/secrets/it", "/secrets/it/history", "/secrets/it/why", "/secrets/it/versions", "/vms/it"):
        await call("GET", path)
    await call("GET", "/jobs")
    await call("GET", "/vms/it/why")
    await bus.nats.flush()
    assert tap.sent
    assert len(tap.heard) > tap.sent

    logged = "".join(capfd.readouterr())
    stored = await contents(api.cloud)
    assert '"version": 2' in stored
    for plain in (secret, user_data):
        for place in ("\n".join(answers), b"\n".join(tap.heard).decode(errors="replace"), logged, stored):
            assert plain not in place
            assert plain.encode().hex() not in place
