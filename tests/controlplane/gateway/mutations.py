"""A request to every mutating route of the public applications, and what must be there before it. One list for all laws.

The routes of kinds follow from their declarations; a new kind needs only an example of its spec in `SPECS`.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pyotp
from tests.controlplane.cloud import KINDS_BY_NAME
from tests.controlplane.gateway.conftest import Api, Json
from tests.controlplane.kinds.scenarios import PREPARATIONS, nothing

from groundplane.contracts.faults import Fault
from groundplane.controlplane.fleet.agent import AGENT
from groundplane.controlplane.gateway.kinds import scope_path
from groundplane.controlplane.resources.kind import Kind
from groundplane.controlplane.storage.image import IMAGE
from groundplane.kernel.ids import format_id, new_id, parse_id

EXEMPT = {
    *(("POST", f"/api/common/v1/auth/{step}") for step in ("login", "totp", "refresh", "device", "device/token")),
    ("POST", "/api/common/v1/auth/logout"),
    ("POST", "/api/common/v1/me/totp/disable"),
    ("POST", "/api/common/v1/me/password"),
    ("POST", "/api/common/v1/access/check"),
    ("POST", "/api/common/v1/invitations/join"),
}
"""Routes that take no key: what they answer is a token, which is not kept; after a logout nobody is there who could ask again;
who takes the second factor away, or changes the password, proves who they are before anything else is looked at; a check only
asks; an invitation is good once."""

NAMESPACES = {"tenant": "/api/tenant/v1", "ops": "/api/ops/v1", "common": "/api/common/v1"}
SSH_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPbnbRiXzEFm4uXGvdLGIx0dg0b3z8iN0QF3lUYc9Yw ann"
DISK = (b"\0" * 510 + b"\x55\xaa").ljust(1 << 20, b"\1")
ROOT = {"image": "image", "size_gib": 1}

SPECS: Mapping[str, Json] = {
    "organization": {},
    "project": {},
    "cluster": {},
    "provider": {"cluster": "it", "service": "compute", "driver": "simulated"},
    "agent": {"cluster": "it"},
    "host": {"cluster": "it", "vcpus": 4, "memory_mib": 4096},
    "pool": {"host": "host-0", "engine_name": "second", "gib": 10},
    "volume": {"size_gib": 1, "image": "image"},
    "network": {},
    "subnet": {"network": "lan", "cidr": "10.0.0.0/24"},
    "security_group": {"rules": [{"direction": "ingress", "protocol": "tcp", "port_min": 22}]},
    "port": {"network": "lan", "security_groups": ["web"]},
    "ssh_key": {"public_key": SSH_KEY},
    "secret": {"value": "hunter2"},
    "vm": {"vcpus": 1, "memory_mib": 512, "root_volume": ROOT, "nics": [{"network": "lan"}]},
}
"""A spec for a create request of each kind, whose references `prepare` makes."""

UPDATES: Mapping[str, Json] = {
    "host": {"open": False},
    "volume": {"size_gib": 2},
    "security_group": {"rules": []},
    "port": {"security_groups": []},
    "vm": {"power": "stopped"},
    "secret": {"value": "hunter3"},
}
"""A spec for an update of each kind that has one."""

Prepare = Callable[[Api], Awaitable[dict[str, str]]]


@dataclass(frozen=True)
class Mutation:
    """`prepare` makes what the request needs, and answers what stands in its path or body in braces."""

    method: str
    path: str
    prepare: Prepare
    body: Json | None = None
    query: str = ""
    content: bytes | None = None
    told_once: tuple[str, ...] = ()
    """Fields of the answer that a repetition does not have: secrets, which are not kept."""

    @property
    def route(self) -> tuple[str, str]:
        """As in the OpenAPI documents."""
        return self.method, self.path

    @property
    def name(self) -> str:
        """As in the reports of a run."""
        return f"{self.method} {self.path.removeprefix('/api/')}"


@dataclass(frozen=True)
class Prepared:
    """A mutation that may be sent, again and again."""

    api: Api
    mutation: Mutation
    known: Mapping[str, str]

    async def send(self, *, key: str | None = None, dry_run: bool = False, other: bool = False) -> httpx.Response:
        """The request; `other`: one that says something else."""
        path = self._filled(self.mutation.path)
        query = "&".join(part for part in (self.mutation.query, "dry_run=true" if dry_run else "") if part)
        return await self.api.client.request(
            self.mutation.method,
            path + (f"?{query}" if query else ""),
            headers=self.api.headers | ({"Idempotency-Key": key} if key is not None else {}),
            **self._body(other=other),
        )

    def _filled(self, text: str) -> str:
        for name, value in self.known.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    def _body(self, *, other: bool) -> dict[str, Any]:
        if self.mutation.content is not None:
            return {"content": self.mutation.content + (bytes(512) if other else b"")}
        if self.mutation.body is None:
            return {"content": b" "} if other else {}
        body = {name: self._filled(value) if isinstance(value, str) else value for name, value in self.mutation.body.items()}
        if not other:
            return {"json": body}
        if "labels" in body or "spec" in body:
            return {"json": body | {"labels": {"other": "yes"}}}
        for told in ("reason", "description"):
            if told in body:
                return {"json": body | {told: "Another one."}}
        return {"json": {name: value + 1 if isinstance(value, int) else f"{value}x" for name, value in body.items()}}


async def prepared(api: Api, mutation: Mutation) -> Prepared:
    """All that the request needs is there."""
    known = {"organization_id": api.organization.rpartition("/")[2], "project_id": api.project.rpartition("/")[2]}
    return Prepared(api, mutation, known | await mutation.prepare(api))


def _collection(kind: Kind) -> str:
    return f"{NAMESPACES[kind.namespace]}{scope_path(kind)}/{kind.plural}"


def _before(kind: Kind) -> Prepare:
    async def prepare(api: Api) -> dict[str, str]:
        await PREPARATIONS.get(kind.name, nothing)(api.cloud)
        return {}

    return prepare


def _after(kind: Kind) -> Prepare:
    """There is one of the kind, named `fresh`."""

    async def prepare(api: Api) -> dict[str, str]:
        if kind is IMAGE:
            await api.cloud.image("fresh")
        else:
            create = await prepared(api, Mutation("POST", _collection(kind), _before(kind), _new(kind)))
            answer = await create.send()
            assert answer.status_code in {201, 202}, answer.text
            await api.cloud.run()
        return {"reference": "fresh"}

    return prepare


def _new(kind: Kind) -> Json:
    return {"name": "fresh", "spec": SPECS[kind.name]}


def _of_kind(kind: Kind) -> list[Mutation]:
    item = f"{_collection(kind)}/{{reference}}"
    change: Json = {"labels": {"env": "prod"}} | ({"spec": UPDATES[kind.name]} if kind.update is not None else {})
    found = [Mutation("PATCH", item, _after(kind), change), Mutation("DELETE", item, _after(kind))]
    found += [Mutation("POST", f"{item}/{action.verb}", _after(kind)) for action in kind.actions]
    if kind.create is not None:
        found.append(Mutation("POST", _collection(kind), _before(kind), _new(kind)))
    return found


async def _running_job(api: Api) -> dict[str, str]:
    return {"job_id": (await api.post("/networks", {"name": "lan"})).json()["job"]["id"]}


async def _failed_job(api: Api) -> dict[str, str]:
    known = await _running_job(api)
    refused = Fault(code="engine_refused", fault_class="permanent", message="Refused.")
    await api.cloud.report(api.cloud.answer(api.cloud.tasks.pop(), fault=refused))
    return known


async def _nothing(_api: Api) -> dict[str, str]:
    return {}


async def _user(api: Api) -> dict[str, str]:
    body = {"email": "ann@example.org", "name": "Ann", "password": "correct horse battery"}
    return {"user_id": (await api.call("POST", "/api/common/v1/users", json=body)).json()["id"]}


def _binding(path: str, role: str) -> Prepare:
    async def prepare(api: Api) -> dict[str, str]:
        known = await _user(api)
        answer = await api.call("POST", _in_tenant(api, path), json={"user": known["user_id"], "role": role})
        return {"binding_id": answer.json()["id"]}

    return prepare


def _in_tenant(api: Api, path: str) -> str:
    organization, project = api.organization.rpartition("/")[2], api.project.rpartition("/")[2]
    return path.replace("{organization_id}", organization).replace("{project_id}", project)


async def _role(api: Api) -> dict[str, str]:
    body = {"name": "deployer", "permissions": ["compute.vm.*"]}
    return {"role_id": (await api.call("POST", _in_tenant(api, _ROLES), json=body)).json()["id"]}


async def _group(api: Api) -> dict[str, str]:
    known = await _user(api)
    made = await api.call("POST", _in_tenant(api, _GROUPS), json={"name": "developers"})
    return known | {"group_id": made.json()["id"]}


async def _member(api: Api) -> dict[str, str]:
    known = await _group(api)
    await api.call("POST", f"{_in_tenant(api, _GROUPS)}/{known['group_id']}/members", json={"user": known["user_id"]})
    return known


async def _service_account(api: Api) -> dict[str, str]:
    made = await api.call("POST", _in_tenant(api, _SERVICE_ACCOUNTS), json={"name": "ci"})
    return {"service_account_id": made.json()["id"]}


async def _invitation(api: Api) -> dict[str, str]:
    """For the one who asks."""
    email = (await api.call("GET", "/api/common/v1/me")).json()["user"]["email"]
    made = (await api.call("POST", _in_tenant(api, _INVITATIONS), json={"email": email, "role": "viewer"})).json()
    return {"invitation_id": made["id"], "token": made["token"]}


async def _soon(_api: Api) -> dict[str, str]:
    return {"expires_at": (datetime.now(UTC) + timedelta(days=1)).isoformat()}


async def _rule(api: Api) -> dict[str, str]:
    body = _RULE | await _soon(api)
    return {"rule_id": (await api.call("POST", _RULES, json=body)).json()["id"]}


async def _drift(api: Api) -> dict[str, str]:
    """A network that vanished."""
    lan = parse_id("net", (await api.made("networks", "vanished"))["id"])
    assert lan is not None
    api.cloud.engine.outside_delete("network", lan)
    await api.cloud.look()
    return {"drift_id": (await api.get("/drift"))["items"][0]["id"]}


async def _two_versions(api: Api) -> dict[str, str]:
    await api.made("secrets", "fresh", {"value": "hunter2"})
    await api.call("PATCH", f"{api.project}/secrets/fresh", json={"spec": {"value": "hunter3"}})
    return {"reference": "fresh", "version": "1"}


def _jobs(where: str) -> list[Mutation]:
    return [
        Mutation("POST", f"{where}/jobs/{{job_id}}/cancel", _running_job),
        Mutation("POST", f"{where}/jobs/{{job_id}}/retry", _failed_job),
    ]


async def _deleted_project(api: Api) -> dict[str, str]:
    made = await api.call("POST", f"{api.organization}/projects", json={"name": "fresh", "labels": {"env": "prod"}})
    answer = await api.call("DELETE", f"{api.organization}/projects/fresh")
    assert answer.status_code == 200, answer.text
    return {"reference": made.json()["id"]}


async def _of_projects(_api: Api) -> dict[str, str]:
    return {"of": "projects"}


_QUOTAS = (
    "/api/ops/v1/projects/{project_id}/quota",
    "/api/ops/v1/organizations/{organization_id}/quota",
    "/api/ops/v1/quota-defaults/{of}",
)
_USERS = "/api/common/v1/users"
_BINDINGS = "/api/common/v1/role-bindings"
_ORGANIZATION_BINDINGS = "/api/common/v1/organizations/{organization_id}/role-bindings"
_PROJECT_BINDINGS = "/api/common/v1/organizations/{organization_id}/projects/{project_id}/role-bindings"
_ROLES = "/api/common/v1/organizations/{organization_id}/roles"
_GROUPS = "/api/common/v1/organizations/{organization_id}/groups"
_SERVICE_ACCOUNTS = "/api/common/v1/organizations/{organization_id}/service-accounts"
_INVITATIONS = "/api/common/v1/organizations/{organization_id}/invitations"
_RULES = "/api/ops/v1/traffic-rules"
_AGENTS = "/api/ops/v1/agents"
_RULE: Json = {"action": "pause", "reason": "Maintenance."}
_IMAGES = "/api/tenant/v1/projects/{project_id}/images"

_ME = "/api/common/v1/me"
_KEYS = "/api/common/v1/organizations/{organization_id}/service-accounts/{service_account_id}/api-keys"
PASSWORD = "correct horse battery"


async def _session(api: Api) -> dict[str, str]:
    """One more session of whoever asks."""
    email = (await api.call("GET", _ME)).json()["user"]["email"]
    login = await api.client.post("/api/common/v1/auth/login", json={"email": email, "password": PASSWORD})
    return {"session_id": login.json()["session_id"]}


async def _enrolled(api: Api) -> dict[str, str]:
    secret = (await api.call("POST", f"{_ME}/totp")).json()["secret"]
    return {"code": pyotp.TOTP(secret).now()}


async def _user_with_code(api: Api) -> dict[str, str]:
    known = await _user(api)
    async with api.cloud.database.transaction() as tx:
        user_id = parse_id("usr", known["user_id"])
        await tx.execute("INSERT INTO totp (user_id, envelope, confirmed_at) VALUES ($1, 'sealed', now())", user_id)
    return known


async def _own_key(api: Api) -> dict[str, str]:
    return {"key_id": (await api.call("POST", f"{_ME}/api-keys", json={"name": "ci"})).json()["id"]}


async def service_account(api: Api) -> dict[str, str]:
    """A service account of the tenant's organization."""
    account_id = new_id()
    async with api.cloud.database.transaction() as tx:
        await tx.execute(
            """INSERT INTO service_account (id, organization_id, name, description, created_at)
               VALUES ($1, $2, 'robot', '', now())""",
            account_id,
            api.cloud.organization_id,
        )
    return {"service_account_id": format_id("sa", account_id)}


async def _accounts_key(api: Api) -> dict[str, str]:
    known = await service_account(api)
    path = f"{api.organization}/service-accounts/{known['service_account_id']}/api-keys"
    return known | {"key_id": (await api.call("POST", path, json={"name": "ci"})).json()["id"]}


async def _device(api: Api) -> dict[str, str]:
    return {"user_code": (await api.client.post("/api/common/v1/auth/device", json={})).json()["user_code"]}


_CREDENTIALS = (
    Mutation("DELETE", f"{_ME}/sessions", _session),
    Mutation("DELETE", f"{_ME}/sessions/{{session_id}}", _session),
    Mutation("DELETE", f"{_USERS}/{{user_id}}/sessions", _user),
    Mutation("POST", f"{_ME}/totp", _nothing, told_once=("secret", "uri")),
    Mutation("POST", f"{_ME}/totp/confirm", _enrolled, {"code": "{code}"}, told_once=("recovery_codes",)),
    Mutation("DELETE", f"{_USERS}/{{user_id}}/totp", _user_with_code),
    Mutation("POST", f"{_ME}/api-keys", _nothing, {"name": "ci"}, told_once=("token",)),
    Mutation("DELETE", f"{_ME}/api-keys/{{key_id}}", _own_key),
    Mutation("POST", _KEYS, service_account, {"name": "ci"}, told_once=("token",)),
    Mutation("DELETE", f"{_KEYS}/{{key_id}}", _accounts_key),
    Mutation("POST", "/api/common/v1/auth/device/approve", _device, {"user_code": "{user_code}"}),
    Mutation("POST", "/api/common/v1/auth/device/deny", _device, {"user_code": "{user_code}"}),
)

MUTATIONS: tuple[Mutation, ...] = (
    *(mutation for kind in KINDS_BY_NAME.values() for mutation in _of_kind(kind)),
    *_CREDENTIALS,
    Mutation("POST", _IMAGES, _nothing, query="name=fresh", content=DISK),
    Mutation("DELETE", "/api/tenant/v1/projects/{project_id}/secrets/{reference}/versions/{version}", _two_versions),
    *_jobs("/api/tenant/v1/projects/{project_id}"),
    *_jobs("/api/ops/v1"),
    *(Mutation(method, path, _of_projects, {"vms": 5}) for method in ("PUT", "PATCH") for path in _QUOTAS),
    Mutation("POST", "/api/common/v1/organizations/{organization_id}/projects/{reference}/restore", _deleted_project),
    Mutation("POST", _RULES, _soon, _RULE | {"expires_at": "{expires_at}"}),
    Mutation("PATCH", f"{_RULES}/{{rule_id}}", _rule, {"reason": "Still maintenance."}),
    Mutation("DELETE", f"{_RULES}/{{rule_id}}", _rule),
    Mutation("POST", "/api/ops/v1/drift/{drift_id}/decide", _drift, {"decision": "correct", "reason": "It was us."}),
    Mutation("POST", f"{_AGENTS}/{{reference}}/enrolment", _after(AGENT), {"expires_in": 600}),
    Mutation("POST", f"{_AGENTS}/{{reference}}/revoke", _after(AGENT)),
    Mutation("POST", _USERS, _nothing, {"email": "ann@example.org", "name": "Ann", "password": "correct horse battery"}),
    Mutation("POST", f"{_USERS}/{{user_id}}/disable", _user),
    Mutation("POST", _BINDINGS, _user, {"user": "{user_id}", "role": "admin"}),
    Mutation("DELETE", f"{_BINDINGS}/{{binding_id}}", _binding(_BINDINGS, "admin")),
    *(
        mutation
        for path in (_ORGANIZATION_BINDINGS, _PROJECT_BINDINGS)
        for mutation in (
            Mutation("POST", path, _user, {"user": "{user_id}", "role": "viewer"}),
            Mutation("DELETE", f"{path}/{{binding_id}}", _binding(path, "viewer")),
        )
    ),
    Mutation("POST", _ROLES, _nothing, {"name": "deployer", "permissions": ["compute.vm.*"], "description": "It deploys."}),
    Mutation("PATCH", f"{_ROLES}/{{role_id}}", _role, {"description": "It deploys more."}),
    Mutation("DELETE", f"{_ROLES}/{{role_id}}", _role),
    Mutation("POST", _GROUPS, _nothing, {"name": "developers"}),
    Mutation("DELETE", f"{_GROUPS}/{{group_id}}", _group),
    Mutation("POST", f"{_GROUPS}/{{group_id}}/members", _group, {"user": "{user_id}"}),
    Mutation("DELETE", f"{_GROUPS}/{{group_id}}/members/{{user_id}}", _member),
    Mutation("POST", _SERVICE_ACCOUNTS, _nothing, {"name": "ci"}),
    Mutation("POST", f"{_SERVICE_ACCOUNTS}/{{service_account_id}}/disable", _service_account),
    Mutation("POST", f"{_SERVICE_ACCOUNTS}/{{service_account_id}}/enable", _service_account),
    Mutation("DELETE", f"{_SERVICE_ACCOUNTS}/{{service_account_id}}", _service_account),
    Mutation("POST", _INVITATIONS, _nothing, {"email": "ann@example.org", "role": "viewer"}),
    Mutation("DELETE", f"{_INVITATIONS}/{{invitation_id}}", _invitation),
    Mutation("POST", "/api/common/v1/invitations/accept", _invitation, {"token": "{token}"}),
)
