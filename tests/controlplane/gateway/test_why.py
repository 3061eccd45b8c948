"""`GET …/{resource}/why` as a user reads it: what led to what, in order, from the request to the agent's receipt."""

import re
import time
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

import pytest
from tests.controlplane.cloud import KINDS_BY_NAME
from tests.controlplane.gateway.conftest import Api, Json
from tests.controlplane.scenes import prepare

from groundplane.contracts.reports import Call
from groundplane.controlplane.audit import AuditEntry, record
from groundplane.controlplane.gateway.evidence import gather
from groundplane.controlplane.gateway.timeline import Entry, in_order
from groundplane.controlplane.resources import timeline
from groundplane.dataplane.providers.simulated.injections import Injection
from groundplane.kernel.ids import new_id

MACHINE: Json = {
    "vcpus": 2,
    "memory_mib": 1024,
    "root_volume": {"image": "image", "size_gib": 3},
    "nics": [{"network": "lan"}],
}


async def why(api: Api, path: str, **query: int) -> Json:
    """The answer, whose times never go back."""
    answer = await api.call("GET", f"{api.project}{path}/why", params=query)
    assert answer.status_code == 200, answer.text
    body: Json = answer.json()
    times = [datetime.fromisoformat(entry["at"]) for entry in body["entries"]]
    assert times == sorted(times)
    return body


def whats(body: Json) -> list[str]:
    """The timeline in single words, each said once in a row."""
    return [what for what, _ in groupby(entry["what"] for entry in body["entries"])]


def only(body: Json, what: str) -> Json:
    """The one entry of this sort."""
    (entry,) = [entry for entry in body["entries"] if entry["what"] == what]
    found: Json = entry
    return found


async def test_a_machine_tells_all_from_the_request_to_the_receipt(api: Api) -> None:
    await prepare(api.cloud)
    await api.post("/vms", {"name": "web", "spec": MACHINE})
    waiting = await why(api, "/vms/web")
    assert waiting["summary"].startswith("creating: waits for the agent of host-0 since 0.")
    await api.cloud.run()

    body = await why(api, "/vms/web")
    assert whats(body) == [
        *("requested", "claimed", "created", "began", "entered", "asked"),  # the request's own transaction
        *("reported", "entered", "succeeded", "changed"),  # the report's
    ]
    assert body["resource"]["status"] == "active"
    job = body["entries"][3]["job_id"]
    assert body["summary"].startswith(f"active: {job} (vm.create) succeeded in 0.")
    assert not body["more"]
    requested = only(body, "requested")
    assert requested["who"].startswith("usr_")
    assert requested["job_id"] == job
    assert requested["detail"]["action"] == "compute.vm.create"
    assert requested["detail"]["address"] == "127.0.0.1"
    assert requested["detail"]["request_id"]
    assert requested["detail"]["trace_id"] == only(body, "began")["detail"]["trace_id"]


async def test_what_was_claimed_is_told_with_its_amounts(api: Api) -> None:
    await prepare(api.cloud)
    machine = await api.made("vms", "web", MACHINE)
    claimed = only(await why(api, "/vms/web"), "claimed")["detail"]
    assert claimed["quota"] == {"vms": 1, "vcpus": 2, "memory_mib": 1024}
    assert claimed["host_share"]["host"] == "host-0"
    assert claimed["host_share"]["memory_mib"] == 1024
    assert {(use["role"], use["name"]) for use in claimed["uses"]} == {("root", "web-root"), ("nic0", "web-nic0")}
    volume = only(await why(api, f"/volumes/{machine['spec']['disks'][0]['volume']}"), "claimed")
    assert volume["detail"]["pool_share"]["gib"] == 3
    assert volume["detail"]["pool_share"]["pool"] == "host-0-pool"
    port = only(await why(api, "/ports/web-nic0"), "claimed")
    assert port["detail"]["addresses"] == [(await api.get("/ports/web-nic0"))["spec"]["address"]]
    assert "10.0.0." in port["sentence"]


async def test_a_volume_that_came_with_a_machine_tells_the_machines_request_and_job(api: Api) -> None:
    await prepare(api.cloud)
    machine = await api.made("vms", "web", MACHINE)
    await api.made("vms", "another", MACHINE)
    body = await why(api, "/volumes/web-root")
    assert whats(body)[:5] == ["requested", "claimed", "created", "began", "entered"]
    assert only(body, "requested")["detail"]["action"] == "compute.vm.create"
    assert only(body, "began")["detail"]["resource_id"] == machine["id"]
    assert "(vm.create) succeeded" in body["summary"]


async def test_a_volume_whose_machine_went_before_it_was_made_tells_both_jobs(api: Api) -> None:
    await prepare(api.cloud)
    await api.post("/vms", {"name": "web", "spec": MACHINE})
    volume = await api.get("/volumes/web-root")
    await api.call("DELETE", f"{api.project}/vms/web")
    await api.cloud.settle()
    body = await why(api, f"/volumes/{volume['id']}")
    began = [entry["detail"]["workflow"] for entry in body["entries"] if entry["what"] == "began"]
    assert began == ["vm.create", "vm.delete"]


async def report_of_an_agent(api: Api) -> Json:
    """A machine whose task an agent carried out in 0.4 s, of which the machine itself took 312 ms."""
    await prepare(api.cloud)
    machine: Json = (await api.post("/vms", {"name": "web", "spec": MACHINE})).json()
    report = await api.cloud.carry_out(api.cloud.tasks.pop())
    call = Call(verb="ensure", kind="vm", id=KINDS_BY_NAME["vm"].uuid(machine["id"]), milliseconds=312.4)
    started = report.at - timedelta(seconds=0.4)
    await api.cloud.report(report.model_copy(update={"calls": (call,), "started_at": started}))
    return machine


async def test_an_agents_receipt_says_who_did_what_and_how_long_it_took(api: Api) -> None:
    machine = await report_of_an_agent(api)
    receipt = only(await why(api, "/vms/web"), "reported")
    agent = KINDS_BY_NAME["agent"].public_id(api.cloud.agent_id)
    assert receipt["step"] == "create"
    assert receipt["sentence"] == f"Agent {agent} reported: done after 0.40 s; ensure vm in 312 ms."
    assert receipt["detail"]["agent_id"] == agent
    assert receipt["detail"]["calls"] == [{"verb": "ensure", "kind": "vm", "id": machine["id"], "milliseconds": 312.4}]


async def test_a_tenant_reads_the_receipt_without_the_agent(api: Api) -> None:
    await report_of_an_agent(api)
    tenant = await api.as_("viewer", api.cloud.organization_id)
    receipt = only(await why(tenant, "/vms/web"), "reported")
    assert receipt["sentence"] == "An agent reported: done after 0.40 s; ensure vm in 312 ms."
    assert "agent_id" not in receipt["detail"]


async def test_a_retry_tells_the_fault_and_the_pause(api: Api) -> None:
    api.cloud.engine.injections.add(Injection("error", count=1, code="engine_busy", message="The engine is busy."))
    await api.post("/networks", {"name": "lan"})
    await api.cloud.run()
    body = await why(api, "/networks/lan")
    retrying = only(body, "retrying")
    assert "engine_busy (transient): The engine is busy." in retrying["sentence"]
    assert retrying["detail"]["fault"]["fault_class"] == "transient"
    assert retrying["detail"]["seconds"] >= 0
    assert "tries step ensure again at" in body["summary"]
    assert "engine_busy" in body["summary"]
    await api.cloud.settle()
    body = await why(api, "/networks/lan")
    assert whats(body).index("retrying") < whats(body).index("succeeded")
    assert body["summary"].startswith("active: job_")


async def test_an_agent_that_says_nothing_is_waited_for_in_the_summary(api: Api) -> None:
    await api.post("/networks", {"name": "lan"})
    api.cloud.tasks.clear()
    await api.cloud.pass_time(31)
    await api.cloud.resume()
    body = await why(api, "/networks/lan")
    assert "unanswered" in whats(body)
    assert body["summary"].startswith("creating: waits for an agent since 0.")
    assert "attempt 2" in body["summary"]


async def test_a_failure_tells_its_class_and_code(api: Api) -> None:
    api.cloud.engine.injections.add(
        Injection("error", count=1, fault_class="permanent", code="engine_refused", message="The name is too long for it.")
    )
    await api.post("/networks", {"name": "lan"})
    await api.cloud.run()
    body = await why(api, "/networks/lan")
    failed = only(body, "failed")
    assert failed["sentence"] == "network.ensure failed with engine_refused (permanent): The name is too long for it."
    assert failed["detail"]["fault"]["code"] == "engine_refused"
    assert body["summary"].startswith("error: job_")
    assert "engine_refused" in body["summary"]


def test_a_transaction_is_told_as_cause_and_effect_in_whatever_order_it_was_stamped() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    ranks = ("result", "event", "job", "wish", "claim", "request")
    written = [Entry(start + timedelta(microseconds=n), rank, "", rank, batch="7") for n, rank in enumerate(ranks)]
    between = Entry(start + timedelta(microseconds=3), "drifted", "", "drift")
    again = Entry(start + timedelta(seconds=30), "requested", "", "request", batch="7")  # a restored database's row
    told = in_order([again, between, *written])
    assert [entry.what for entry in told] == [*reversed(ranks), "drifted", "requested"]
    assert [entry.at for entry in told] == sorted(entry.at for entry in told)
    assert told[-1].at == again.at


async def test_drift_tells_both_sides_and_the_job_that_corrects_it(api: Api) -> None:
    await prepare(api.cloud)
    machine = await api.made("vms", "web", MACHINE)
    vm_id = KINDS_BY_NAME["vm"].uuid(machine["id"])
    api.cloud.engine.outside_destroy(vm_id)
    await api.cloud.sees("vm", vm_id)
    body = await why(api, "/vms/web")
    assert only(body, "drifted")["detail"]["fields"]["power"] == {"wanted": "running", "observed": "stopped"}
    assert "power should be running and is stopped" in body["summary"]

    assert await api.cloud.correct() == 1
    await api.cloud.run()
    await api.cloud.correct()
    body = await why(api, "/vms/web")
    drifted = only(body, "drifted")
    correction = next(entry for entry in body["entries"] if entry["what"] == "began" and entry["job_id"] == drifted["job_id"])
    assert correction["detail"]["reason"] == "drift correction"
    assert correction["who"] is None
    assert whats(body)[-1] == "resolved"
    assert body["summary"].startswith(f"active: {drifted['job_id']} (vm.ensure) succeeded")


async def test_a_superseding_delete_comes_before_what_it_ended(api: Api) -> None:
    await api.post("/networks", {"name": "lan"})
    await api.call("DELETE", f"{api.project}/networks/lan")
    body = await why(api, "/networks/lan")
    assert whats(body) == [
        *("requested", "claimed", "created", "began", "entered", "asked"),
        *("requested", "changed", "began", "failed", "entered", "asked"),
    ]
    assert "superseded" in only(body, "failed")["sentence"]
    assert body["summary"].startswith("deleting: waits for an agent")


async def test_what_was_deleted_is_still_told_of_by_its_id(api: Api) -> None:
    await prepare(api.cloud)
    machine = await api.made("vms", "web", MACHINE)
    await api.call("DELETE", f"{api.project}/vms/web")
    await api.cloud.run()
    assert (await api.call("GET", f"{api.project}/vms/{machine['id']}")).status_code == 404
    body = await why(api, f"/vms/{machine['id']}")
    assert body["resource"]["status"] == "deleted"
    assert body["resource"]["deleted_at"]
    assert whats(body)[-1] == "deleted"
    assert only(body, "claimed")["detail"]["quota"] == {"vms": 1, "vcpus": 2, "memory_mib": 1024}
    assert "(vm.delete) succeeded" in body["summary"]
    assert (await api.call("GET", f"{api.project}/vms/web/why")).status_code == 404


async def test_a_request_without_a_job_is_told_before_its_change(api: Api) -> None:
    await api.made("networks", "lan")
    await api.call("PATCH", f"{api.project}/networks/lan", json={"labels": {"env": "prod"}})
    await api.call("PATCH", f"{api.project}/networks/lan", json={"labels": {"env": "test"}})
    body = await why(api, "/networks/lan")
    assert whats(body)[-4:] == ["requested", "changed", "requested", "changed"]
    assert [entry["detail"]["state"]["labels"]["env"] for entry in body["entries"][-3::2]] == ["prod", "test"]


async def test_growth_tells_what_more_was_claimed(api: Api) -> None:
    await api.made("volumes", "data", {"size_gib": 3})
    await api.call("PATCH", f"{api.project}/volumes/data", json={"spec": {"size_gib": 8}})
    claims = [entry["detail"] for entry in (await why(api, "/volumes/data"))["entries"] if entry["what"] == "claimed"]
    assert [claim["quota"] for claim in claims] == [{"volumes": 1, "volume_gib": 3}, {"volume_gib": 5}]


NUMBERS: Json = {
    "asked": {"vcpus": 200, "memory_mib": 512, "volume_gib": 1},
    "most_free_on_one_host": {"vcpus": 64, "memory_mib": 262144, "volume_gib": 1000},
    "open_hosts": 1,
    "hosts": 1,
}


async def refuse(api: Api, name: str) -> None:
    """What a request that no host had room for leaves in the audit log."""
    async with api.cloud.database.transaction() as tx:
        record(
            tx,
            AuditEntry(
                action="compute.vm.create",
                outcome="failed",
                actor_id=new_id(),
                actor_kind="user",
                organization_id=api.cloud.organization_id,
                project_id=api.cloud.project_id,
                code="no_capacity",
                detail={"name": name, "detail": "No host has 200 vCPUs free.", "context": NUMBERS},
            ),
        )


async def test_a_rejected_placement_tells_the_numbers_that_failed(api: Api) -> None:
    await refuse(api, "big")
    body = await why(api, "/vms/big")
    assert body["resource"] is None
    assert "no_capacity: No host has 200 vCPUs free." in body["summary"]
    refused = only(body, "refused")
    assert refused["detail"]["context"] == NUMBERS
    assert refused["detail"]["code"] == "no_capacity"


async def test_what_came_about_in_the_end_tells_of_the_refusals_before(api: Api) -> None:
    await prepare(api.cloud)
    await refuse(api, "web")
    await api.made("vms", "web", MACHINE)
    await refuse(api, "web")  # a later attempt is about another one of the same name
    body = await why(api, "/vms/web")
    assert whats(body)[:3] == ["refused", "requested", "claimed"]
    assert whats(body).count("refused") == 1


async def test_a_name_that_nobody_asked_for_is_not_found(api: Api) -> None:
    await refuse(api, "big")
    for path in ("/vms/small", "/volumes/big", "/vms/vm_00000000000000000000000000"):
        answer = await api.call("GET", f"{api.project}{path}/why")
        assert answer.status_code == 404
        assert answer.json()["code"] == "not_found"


@pytest.mark.parametrize("role", ["owner", "viewer"])
async def test_who_may_read_may_ask_why_but_does_not_learn_where(api: Api, role: str) -> None:
    await prepare(api.cloud)
    machine = await api.made("vms", "web", MACHINE)
    tenant = await api.as_(role, api.cloud.organization_id)
    answer = await tenant.call("GET", f"{api.project}/vms/web/why")
    assert answer.status_code == 200
    body = answer.json()
    assert body["resource"]["id"] == machine["id"]
    assert only(body, "claimed")["detail"]["host_share"] == {"vcpus": 2, "memory_mib": 1024}
    assert "host-0" not in answer.text
    assert "agt_" not in answer.text
    host = await api.cloud.value("SELECT host_id FROM placement")
    assert str(host) not in answer.text
    assert KINDS_BY_NAME["host"].public_id(host) not in answer.text
    assert body["resource"]["host_id"] is None


async def test_a_stranger_learns_nothing(api: Api) -> None:
    await api.made("networks", "lan")
    await refuse(api, "big")
    stranger = await api.as_("owner", await other_organization(api))
    for path in ("/networks/lan", "/vms/big", "/vms/none"):
        assert (await stranger.call("GET", f"{api.project}{path}/why")).status_code == 404


async def other_organization(api: Api) -> UUID:
    """Another tenant."""
    answer = await api.call("POST", "/api/common/v1/organizations", json={"name": "other"})
    return KINDS_BY_NAME["organization"].uuid(answer.json()["id"])


async def test_another_project_of_the_same_tenant_does_not_show_it(api: Api) -> None:
    lan = await api.made("networks", "lan")
    await refuse(api, "big")
    other = (await api.call("POST", f"{api.organization}/projects", json={"name": "other"})).json()["id"]
    for path in (f"networks/{lan['id']}", "networks/lan", "vms/big"):
        assert (await api.call("GET", f"/api/tenant/v1/projects/{other}/{path}/why")).status_code == 404


async def test_every_namespace_answers_why(api: Api) -> None:
    for path in (api.organization, f"{api.organization}/projects/it", "/api/ops/v1/hosts/host-0", "/api/ops/v1/clusters/it"):
        answer = await api.call("GET", f"{path}/why")
        assert answer.status_code == 200, answer.text
        assert answer.json()["summary"] == "active: done in the request itself, without a job."


LONG_LIFE = """
    DO $$ BEGIN
        FOR n IN 1..3000 LOOP
            UPDATE resource SET observed = jsonb_build_object('n', n), reason = 'seen' WHERE kind = 'network';
        END LOOP;
    END $$
"""


async def test_a_long_life_is_told_from_its_end_and_quickly(api: Api) -> None:
    lan = await api.made("networks", "lan")
    await api.cloud.execute(LONG_LIFE)
    await api.cloud.execute("ANALYZE")
    before = time.perf_counter()
    body = await why(api, "/networks/lan")
    took = time.perf_counter() - before
    assert len(body["entries"]) == 500
    assert body["more"]
    assert body["entries"][-1]["detail"]["revision"] == 3000 + lan["revision"]
    assert took < 10
    short = await why(api, "/networks/lan", limit=3)
    assert short["entries"] == body["entries"][-3:]
    assert (await api.call("GET", f"{api.project}/networks/lan/why", params={"limit": 501})).status_code == 422


OTHERS = (
    """INSERT INTO revision (entity, entity_id, kind, revision, reason, state, transaction_id)
       SELECT 'job', gen_random_uuid(), 'network', n, 'x', '{}', (n + 100000)::text::xid8
       FROM generate_series(1, 20000) AS n""",
    """INSERT INTO job (id, workflow, version, verb, resource_id, resource_kind, state, step, deadline, reason)
       SELECT uuidv7(), 'network.ensure', 1, 'update', gen_random_uuid(), 'network', 'RUNNING', 'ensure', now(), 'x'
       FROM generate_series(1, 20000)""",
    "INSERT INTO job_event (job_id, step, attempt, what) SELECT id, 'ensure', 1, 'entered' FROM job, generate_series(1, 2)",
    """INSERT INTO drift (resource_id, kind, difference, fields, source, decision)
       SELECT gen_random_uuid(), 'network', 'modified', '{}', 'event', 'correct' FROM generate_series(1, 20000)""",
    """INSERT INTO audit_event (project_id, actor_kind, action, outcome, resource_id, detail)
       SELECT project_id, 'user', 'network.network.create', CASE WHEN n % 10 = 0 THEN 'failed' ELSE 'allowed' END,
              gen_random_uuid(), jsonb_build_object('name', 'n' || n)
       FROM generate_series(1, 20000) AS n, (SELECT id AS project_id FROM resource WHERE kind = 'project') AS project""",
)
"""What everybody else does meanwhile."""
GROWING = {"revision", "job", "job_event", "drift", "audit_event"}


class Planner:
    """A connection that notes which tables its queries read from end to end."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.scanned: set[str] = set()
        self.asked = 0

    async def fetch(self, sql: str, *values: object) -> Any:
        """Plan, then fetch."""
        await self._plan(sql, *values)
        return await self.connection.fetch(sql, *values)

    async def fetchrow(self, sql: str, *values: object) -> Any:
        """Plan, then fetch."""
        await self._plan(sql, *values)
        return await self.connection.fetchrow(sql, *values)

    async def fetchval(self, sql: str, *values: object) -> Any:
        """Plan, then fetch."""
        await self._plan(sql, *values)
        return await self.connection.fetchval(sql, *values)

    async def _plan(self, sql: str, *values: object) -> None:
        self.asked += 1
        lines = await self.connection.fetch(f"EXPLAIN {sql}", *values)
        self.scanned |= {found[1] for line in lines if (found := re.search(r"Seq Scan on (\w+)", line[0]))}


async def test_no_table_that_grows_is_read_from_end_to_end(api: Api) -> None:
    network = KINDS_BY_NAME["network"]
    lan = await api.made("networks", "lan")
    for sql in OTHERS:
        await api.cloud.execute(sql)
    await api.cloud.execute("ANALYZE")
    async with api.cloud.database.transaction() as tx:
        planner = tx.connection = Planner(tx.connection)
        found = await timeline.find_ever(tx, network, api.cloud.project_id, lan["id"])
        assert found is not None
        evidence = await gather(tx, network, found, limit=500)
    assert len(evidence.jobs) == 1
    assert planner.asked > 10
    assert not planner.scanned & GROWING
