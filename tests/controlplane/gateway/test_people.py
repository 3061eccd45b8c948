"""Whoever did something is told by the right kind of id and by a name, wherever it is told."""

from typing import Any

from tests.controlplane.gateway.conftest import Api


async def _key_of(api: Api, name: str) -> tuple[str, Api]:
    """A service account that operates the project, and the api as it sees it."""
    account = (await api.call("POST", f"{api.organization}/service-accounts", json={"name": name})).json()["id"]
    project_id = api.project.rpartition("/")[2]
    bound = await api.call(
        "POST",
        f"{api.organization}/projects/{project_id}/role-bindings",
        json={"service_account": account, "role": "project_operator"},
    )
    assert bound.status_code == 201, bound.text
    key = await api.call("POST", f"{api.organization}/service-accounts/{account}/api-keys", json={"name": "it"})
    headers = {"Authorization": f"Bearer {key.json()['token']}"}
    return account, Api(api.app, api.cloud, api.services, api.client, headers)


async def _told_of(api: Api, name: str) -> dict[str, Any]:
    """What the organization's owner learns of a network: its history, why, job and audit events."""
    owner = await api.as_("owner", api.cloud.organization_id)
    (job,) = (await owner.get("/jobs?kind=network&verb=create"))["items"]
    (event,) = (await owner.get("/audit-events?action=network.network.create"))["items"]
    return {
        "history": await owner.get(f"/networks/{name}/history"),
        "why": (await owner.get(f"/networks/{name}/why"))["entries"],
        "job": job,
        "single": await owner.get(f"/jobs/{job['id']}"),
        "audit": event,
    }


async def test_a_user_is_told_by_their_address(api: Api) -> None:
    maker = await api.as_("owner", api.cloud.organization_id)
    me = (await maker.call("GET", "/api/common/v1/me")).json()["user"]
    await maker.made("networks", "lan")
    told = await _told_of(api, "lan")
    first = told["history"][0]
    assert (first["changed_by"], first["changed_by_name"]) == (me["id"], me["email"])
    for job in (told["job"], told["single"]):
        assert (job["requested_by"], job["requested_by_name"]) == (me["id"], me["email"])
    assert (told["audit"]["actor_id"], told["audit"]["actor_name"]) == (me["id"], me["email"])
    asked = [entry for entry in told["why"] if entry["what"] == "requested"]
    assert [(entry["who"], entry["who_name"]) for entry in asked] == [(me["id"], me["email"])]
    assert asked[0]["sentence"].startswith(f"{me['email']} asked for network.network.create")


async def test_a_service_account_is_told_as_one(api: Api) -> None:
    account, machine = await _key_of(api, "deployer")
    assert account.startswith("sa_")
    await machine.made("networks", "lan")
    told = await _told_of(api, "lan")
    assert {(row["changed_by"], row["changed_by_name"]) for row in told["history"]} == {(account, "deployer")}
    assert (told["job"]["requested_by"], told["job"]["requested_by_name"]) == (account, "deployer")
    assert (told["audit"]["actor_id"], told["audit"]["actor_name"]) == (account, "deployer")
    assert {entry["who"] for entry in told["why"] if entry["who"]} == {account}
    assert any(entry["sentence"].startswith("deployer asked for") for entry in told["why"])


async def test_what_nobody_asked_for_names_nobody(api: Api) -> None:
    await api.made("networks", "lan")
    entries = (await api.get("/networks/lan/why"))["entries"]
    assert all((entry["who"] is None) == (entry["who_name"] is None) for entry in entries)
    nobodys = [entry for entry in entries if entry["who"] is None]
    assert nobodys
