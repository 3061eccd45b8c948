"""What a person decides about drift goes before the reconciler's own decision, and ends with what it was about."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.controlplane.gateway.conftest import Api, Json
from tests.controlplane.scenes import boot_machine

from groundplane.controlplane.network.security_group import SECURITY_GROUP, SecurityGroupSpec
from groundplane.controlplane.reconciler import correction
from groundplane.controlplane.storage.volume import VOLUME, VolumeRequest
from groundplane.kernel.ids import format_id, new_id, parse_id

OPS = "/api/ops/v1"
WHY = "The customer knows."


async def _decide(api: Api, drift_id: str, decision: str, **more: Any) -> httpx.Response:
    body = {"decision": decision, "reason": WHY, **more}
    return await api.call("POST", f"{OPS}/drift/{drift_id}/decide", json=body)


async def _decided(api: Api, drift_id: str, decision: str, **more: Any) -> Json:
    answer = await _decide(api, drift_id, decision, **more)
    assert answer.status_code == 200, answer.text
    body: Json = answer.json()
    return body


async def _vanished_group(api: Api, name: str = "group") -> tuple[UUID, str]:
    """A security group that the engine has lost: the reconciler would make it anew. Its id, and the drift's."""
    group = await api.cloud.made(SECURITY_GROUP, SecurityGroupSpec(), name=name)
    api.cloud.engine.outside_delete("security_group", group.id)
    await api.cloud.look()
    return group.id, await _drift_of(api, SECURITY_GROUP.public_id(group.id))


async def _vanished_volume(api: Api) -> tuple[UUID, str]:
    """A volume with data that the engine has lost: the reconciler waits for a person."""
    volume = await api.cloud.made(VOLUME, VolumeRequest(size_gib=1), name="data")
    api.cloud.engine.outside_delete("volume", volume.id)
    await api.cloud.look()
    return volume.id, await _drift_of(api, VOLUME.public_id(volume.id))


async def _drift_of(api: Api, resource: str) -> str:
    (drift,) = (await api.call("GET", f"{OPS}/drift", params={"resource": resource})).json()["items"]
    drift_id: str = drift["id"]
    return drift_id


async def test_what_is_ignored_is_not_corrected_and_shown_as_such(api: Api) -> None:
    group, drift_id = await _vanished_group(api)
    assert (await api.get("/summary"))["drift_open"] == 1
    decided = await _decided(api, drift_id, "ignore")
    assert (await api.get("/summary"))["drift_open"] == 0
    me = (await api.call("GET", "/api/common/v1/me")).json()["user"]["id"]
    assert (decided["decision"], decided["decided_by"], decided["reason"], decided["until"]) == ("ignore", me, WHY, None)
    assert await api.cloud.correct() == 0
    await api.cloud.look()  # it is seen again, and is still the same
    assert await api.cloud.correct() == 0
    assert not api.cloud.holds("security_group", group)
    (told,) = (await api.get("/drift?decision=ignore"))["items"]
    assert (told["reason"], told["decided_by"]) == (WHY, None)  # tenants learn why, not who
    assert (await api.get("/drift?decision=correct"))["items"] == []
    why = await api.get("/security-groups/group/why")
    assert f"A person decided to ignore it: {WHY}" in {each["sentence"] for each in why["entries"]}
    assert f"it is ignored: {WHY}" in why["summary"]


async def test_what_is_ignored_for_a_while_is_corrected_after_it(api: Api) -> None:
    group, drift_id = await _vanished_group(api)
    until = datetime.now(UTC) + timedelta(hours=1)
    assert datetime.fromisoformat((await _decided(api, drift_id, "ignore", until=until.isoformat()))["until"]) == until
    assert await api.cloud.correct() == 0
    await api.cloud.execute("UPDATE drift SET ignored_until = now() - interval '1 s'")
    assert await api.cloud.correct() == 1
    await api.cloud.run()
    assert api.cloud.holds("security_group", group)


async def test_what_is_ignored_alerts_nobody(api: Api) -> None:
    await api.cloud.heartbeat()
    _, drift_id = await _vanished_volume(api)
    assert await api.cloud.incidents() == {"drift_alert"}
    await _decided(api, drift_id, "ignore", until=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    assert await api.cloud.incidents() == set()
    await api.cloud.execute("UPDATE drift SET ignored_until = now() - interval '1 s'")
    assert await api.cloud.incidents() == {"drift_alert"}


async def test_a_person_has_corrected_what_the_reconciler_would_not_touch(api: Api) -> None:
    await api.cloud.heartbeat()
    volume, drift_id = await _vanished_volume(api)
    assert await api.cloud.correct() == 0
    decided = await _decided(api, drift_id, "correct")
    job = await api.get(f"/jobs/{decided['job_id']}")
    me = (await api.call("GET", "/api/common/v1/me")).json()["user"]["id"]
    assert (job["verb"], job["requested_by"], job["resource_id"]) == ("correct", me, VOLUME.public_id(volume))
    assert (decided["decision"], decided["attempts"]) == ("correct", 1)
    await api.cloud.run()
    assert api.cloud.holds("volume", volume)
    await api.cloud.correct()
    assert await api.cloud.incidents() == set()
    over = await _decide(api, drift_id, "ignore")
    assert (over.status_code, over.json()["code"]) == (409, "drift_over")
    event = await api.cloud.fetch("SELECT * FROM audit_event WHERE action = 'reconciler.drift.decide' ORDER BY id")
    assert [(row["outcome"], row["code"]) for row in event] == [("allowed", None), ("failed", "drift_over")]
    assert (event[0]["resource_id"], event[0]["detail"]["decision"]) == (volume, "correct")


async def test_a_person_is_not_braked_and_takes_nothing_of_what_the_brake_allows(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(correction, "LOAD", correction.LOAD.replace(f"greatest({correction.BRAKE_FLOOR},", "greatest(1,"))
    drifts = [await _vanished_group(api, f"group-{number}") for number in range(3)]
    await _decided(api, drifts[2][1], "correct")
    assert await api.cloud.correct() == 1
    assert await api.cloud.correct() == 0
    await _decided(api, drifts[1][1], "correct")
    await api.cloud.run()
    assert all(api.cloud.holds("security_group", group) for group, _ in drifts)


async def test_a_decision_is_about_what_was_seen(api: Api) -> None:
    vm = await boot_machine(api.cloud)
    api.cloud.engine.outside_destroy(vm.id)
    await api.cloud.sees("vm", vm.id)
    drift_id = await _drift_of(api, format_id("vm", vm.id))
    await _decided(api, drift_id, "ignore")
    assert await api.cloud.correct() == 0
    api.cloud.engine.outside_delete("vm", vm.id)
    await api.cloud.look()
    (drift,) = (await api.get("/drift"))["items"]
    assert (drift["id"], drift["difference"]) == (drift_id, "missing")
    assert (drift["decision"], drift["reason"], drift["decided_at"]) == ("correct", None, None)
    assert await api.cloud.correct() == 1


async def test_what_no_job_can_correct_is_said(api: Api) -> None:
    await api.cloud.execute(
        """INSERT INTO drift (resource_id, kind, difference, fields, source, decision)
           VALUES ($1, 'vm', 'orphan', '{}', 'inventory', 'alert')""",
        new_id(),
    )
    (orphan,) = (await api.call("GET", f"{OPS}/drift")).json()["items"]
    refused = await _decide(api, orphan["id"], "correct")
    assert (refused.status_code, refused.json()["code"]) == (409, "drift_not_correctable")
    assert (await _decided(api, orphan["id"], "ignore"))["decision"] == "ignore"


async def test_two_jobs_never_change_one_resource(api: Api) -> None:
    _, drift_id = await _vanished_group(api)
    assert await api.cloud.correct() == 1
    refused = await _decide(api, drift_id, "correct")
    assert (refused.status_code, refused.json()["code"]) == (409, "change_in_progress")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"decision": "ignore", "until": "2020-01-01T00:00:00Z"}, "/until"),
        ({"decision": "correct", "until": "2099-01-01T00:00:00Z"}, "/until"),
        ({"decision": "ignore", "until": "2099-01-01T00:00:00"}, "/until"),
        ({"decision": "alert"}, "/decision"),
        ({"decision": "ignore", "reason": ""}, "/reason"),
        ({"decision": "ignore", "reason": "x\x00"}, "/reason"),
        ({"decision": "ignore", "forever": True}, "/forever"),
    ],
)
async def test_what_is_no_decision_is_refused(api: Api, body: Json, pointer: str) -> None:
    _, drift_id = await _vanished_group(api)
    answer = await api.call("POST", f"{OPS}/drift/{drift_id}/decide", json={"reason": WHY, **body})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    (drift,) = (await api.get("/drift"))["items"]
    assert drift["decided_at"] is None


async def test_drift_that_there_is_not(api: Api) -> None:
    for drift_id in (format_id("drf", new_id()), "drf_x", "group"):
        answer = await _decide(api, drift_id, "ignore")
        assert (answer.status_code, answer.json()["code"]) == (404, "drift_not_found")
    assert parse_id("drf", "drf_x") is None


async def test_tenants_and_auditors_decide_nothing(api: Api) -> None:
    _, drift_id = await _vanished_group(api)
    for role, place in (("owner", (api.cloud.organization_id,)), ("auditor", ())):
        somebody = await api.as_(role, *place)
        assert (await _decide(somebody, drift_id, "ignore")).status_code == 403
    operator = await api.as_("operator")
    assert (await _decided(operator, drift_id, "ignore"))["decision"] == "ignore"
