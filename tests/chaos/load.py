"""Clients that ask for everything a tenant may, insist on an answer, and write down what they were promised."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from tests.invariants import Promise

from groundplane.kernel.ids import parse_id

ANSWER_SECONDS = 4.0
INSIST_SECONDS = 75.0
"""How long a client tries for an answer; longer than anything here is away."""
OWNED_AT_MOST = 14

AGAIN = frozenset({"idempotency_in_flight"})
"""Refusals that only say: ask again."""

PREFIXES = {"vm": "vm", "volume": "vol", "network": "net", "port": "prt"}
PLURALS = {"vm": "vms", "volume": "volumes", "network": "networks", "port": "ports"}


@dataclass
class Wish:
    """One request as its client means it, whatever became of its attempts. `key` is its Idempotency-Key."""

    key: str
    verb: str
    kind: str
    name: str
    path: str
    method: str = "POST"
    body: dict[str, Any] | None = None
    attempts: int = 0
    status: int | None = None
    answer: dict[str, Any] = field(default_factory=dict)
    replayed: bool = False
    errors: list[str] = field(default_factory=list)

    @property
    def accepted(self) -> bool:
        """Was it promised?"""
        return self.status is not None and 200 <= self.status < 300

    @property
    def refused(self) -> bool:
        """Was it answered, and not promised?"""
        return self.status is not None and not self.accepted

    @property
    def code(self) -> str:
        """Of the refusal."""
        return str(self.answer.get("code", ""))

    def __str__(self) -> str:
        """As in a report."""
        return f"{self.verb} {self.kind} {self.name} (key {self.key}, {self.attempts} attempts, {self.status} {self.code})"


@dataclass
class Owned:
    """What a client made and believes to be there."""

    kind: str
    name: str
    id: str
    job: str | None
    attached: bool = False
    size_gib: int = 1


class Ledger:
    """All wishes of all clients."""

    def __init__(self, *, keys_honoured: bool) -> None:
        self.keys_honoured = keys_honoured
        self.wishes: list[Wish] = []
        self.unexpected: Counter[str] = Counter()
        """Answers that no client should get, such as 500."""

    def request_ids(self, wish: Wish) -> list[str]:
        """Of its attempts so far. Where keys are honoured all have one, since only one of them may do anything."""
        return [wish.key] if self.keys_honoured else [f"{wish.key}-{number}" for number in range(1, wish.attempts + 1)]


class Tenant:
    """One project's API for all clients, with one connection pool."""

    def __init__(self, http: httpx.AsyncClient, project: str, ledger: Ledger) -> None:
        self.http = http
        self.project = f"/api/tenant/v1/projects/{project}"
        self.ledger = ledger

    async def insist(self, wish: Wish) -> Wish:
        """Send it until an answer comes. Without one in the end, `status` stays None."""
        self.ledger.wishes.append(wish)
        deadline = time.monotonic() + INSIST_SECONDS
        while time.monotonic() < deadline:
            wish.attempts += 1
            response = await self._attempt(wish)
            if response is not None and not self._should_repeat(wish, response):
                wish.status = response.status_code
                wish.answer = response.json() if response.content else {}
                wish.replayed = response.headers.get("Idempotent-Replayed") == "true"
                if wish.refused and wish.verb == "create" and wish.attempts > 1 and not self.ledger.keys_honoured:
                    await self._recognise(wish)
                return wish
            await asyncio.sleep(min(0.05 * 2 ** min(wish.attempts, 5), 1.0))
        return wish

    async def _attempt(self, wish: Wish) -> httpx.Response | None:
        headers = {"Idempotency-Key": wish.key, "X-Request-Id": self.ledger.request_ids(wish)[-1]}
        try:
            return await self.http.request(
                wish.method, f"{self.project}{wish.path}", json=wish.body, headers=headers, timeout=ANSWER_SECONDS
            )
        except httpx.TransportError as error:
            wish.errors.append(type(error).__name__)
            return None

    def _should_repeat(self, wish: Wish, response: httpx.Response) -> bool:
        if response.status_code < 500 and response.status_code != 409:
            return False
        code = response.json().get("code", "") if response.content else ""
        if response.status_code == 409:
            return code in AGAIN
        wish.errors.append(f"{response.status_code} {code}")
        if response.status_code != 503:
            self.ledger.unexpected[f"{response.status_code} {code} to {wish.verb} {wish.kind}"] += 1
        return True

    async def _recognise(self, wish: Wish) -> None:
        """A refusal may be the work of an earlier attempt whose answer was lost: then the name is there, and it is ours."""
        while (response := await self._get(f"{wish.path}/{wish.name}")) is None:  # noqa: ASYNC110 - nobody sets an Event
            await asyncio.sleep(0.5)
        if response.status_code == 200:
            wish.status, wish.answer = 202, response.json()

    async def _get(self, path: str) -> httpx.Response | None:
        """Read; None when there is no answer worth having."""
        try:
            response = await self.http.get(f"{self.project}{path}", timeout=ANSWER_SECONDS)
        except httpx.TransportError:
            return None
        return response if response.status_code in {200, 404} else None


class Client:
    """Asks for one thing after another, of its own resources only, until `stopping`."""

    def __init__(self, tenant: Tenant, number: int, chance: random.Random) -> None:
        self.tenant = tenant
        self.number = number
        self.chance = chance
        self.owned: list[Owned] = []
        self.made = 0
        self.jobs: list[str] = []
        self.no_job_verbs: set[str] = set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Until told to stop; then it still sees its last request through."""
        while not stopping.is_set():
            await self._step()
            await asyncio.sleep(self.chance.uniform(0.0, 0.25))

    async def _step(self) -> None:
        room = len(self.owned) < OWNED_AT_MOST
        moves = [
            (5 if room else 0, self._create_full_vm),
            (3 if room else 0, self._create_plain_vm),
            (3 if room else 0, self._create_volume),
            (1 if room else 0, self._create_network),
            (1 if room else 0, self._create_port),
            (5 if room else 12, self._delete),
            (4, self._act),
            (2, self._grow),
            (1, self._cancel),
            (1, self._retry),
        ]
        (move,) = self.chance.choices([move for _, move in moves], weights=[weight for weight, _ in moves])
        await move()

    # -- making --------------------------------------------------------------------------------------

    async def _create_full_vm(self) -> None:
        await self._create(
            "vm",
            {
                "vcpus": 1,
                "memory_mib": 128,
                "root_volume": {"image": "idle", "size_gib": 1},
                "nics": [{"network": "lan"}],
            },
        )

    async def _create_plain_vm(self) -> None:
        volumes = [each for each in self.owned if each.kind == "volume" and not each.attached]
        if not volumes:
            await self._create_volume()
            return
        volume = self.chance.choice(volumes)
        made = await self._create("vm", {"vcpus": 1, "memory_mib": 128, "root_volume": {"volume": volume.id}})
        volume.attached = made is not None

    async def _create_volume(self) -> None:
        body = {"size_gib": 1, **({"image": "idle"} if self.chance.random() < 0.7 else {})}
        await self._create("volume", body)

    async def _create_network(self) -> None:
        await self._create("network", {})

    async def _create_port(self) -> None:
        await self._create("port", {"network": "lan"})

    async def _create(self, kind: str, spec: Mapping[str, Any]) -> Owned | None:
        self.made += 1
        name = f"c{self.number}-{self.made}"
        body = {"name": name, "spec": dict(spec)}
        wish = await self.tenant.insist(self._wish("create", kind, name, f"/{PLURALS[kind]}", body=body))
        if not wish.accepted:
            return None
        made = Owned(kind, name, wish.answer["id"], self._job_of(wish))
        self.owned.append(made)
        return made

    # -- changing ------------------------------------------------------------------------------------

    async def _act(self) -> None:
        if vm := self._any("vm"):
            verb = self.chance.choice(["start", "stop", "reboot"])
            await self._change(vm, verb, f"/vms/{vm.id}/{verb}")

    async def _grow(self) -> None:
        if volume := self._any("volume"):
            wish = await self._change(
                volume, "grow", f"/volumes/{volume.id}", "PATCH", {"spec": {"size_gib": volume.size_gib + 1}}
            )
            volume.size_gib += wish.accepted

    async def _delete(self) -> None:
        if not self.owned:
            return
        doomed = self.chance.choice(self.owned)
        wish = await self._change(doomed, "delete", f"/{PLURALS[doomed.kind]}/{doomed.id}", "DELETE")
        if wish.accepted or wish.status == 404 or wish.code == "being_deleted":
            self.owned.remove(doomed)
            if doomed.kind == "vm":
                for each in self.owned:
                    each.attached = False  # of those that are, the platform says so

    async def _change(self, owned: Owned, verb: str, path: str, method: str = "POST", body: Any = None) -> Wish:
        wish = await self.tenant.insist(self._wish(verb, owned.kind, owned.name, path, method=method, body=body))
        if wish.status == 404 and owned in self.owned and verb != "delete":
            self.owned.remove(owned)  # cancelled before it was there
        if wish.accepted:
            self._job_of(wish)
        return wish

    async def _cancel(self) -> None:
        await self._job_verb("cancel")

    async def _retry(self) -> None:
        await self._job_verb("retry")

    async def _job_verb(self, verb: str) -> None:
        """Of a job of ours; a platform that has no such route is asked once."""
        if not self.jobs or verb in self.no_job_verbs:
            return
        job = self.jobs[-1] if verb == "cancel" else self.chance.choice(self.jobs[-10:])
        wish = await self.tenant.insist(self._wish(verb, "job", job, f"/jobs/{job}/{verb}"))
        if wish.code == "route_not_found":
            self.no_job_verbs.add(verb)
            self.tenant.ledger.wishes.remove(wish)

    def _any(self, kind: str) -> Owned | None:
        found = [each for each in self.owned if each.kind == kind]
        return self.chance.choice(found) if found else None

    def _job_of(self, wish: Wish) -> str | None:
        job = (wish.answer.get("job") or {}).get("id")
        if job is not None:
            self.jobs.append(job)
        return job

    def _wish(self, verb: str, kind: str, name: str, path: str, *, method: str = "POST", body: Any = None) -> Wish:
        return Wish(f"{self.chance.getrandbits(128):032x}", verb, kind, name, path, method, body)


def promises_of(ledger: Ledger) -> list[Promise]:
    """Every wish that was accepted."""
    return [_promise(wish) for wish in ledger.wishes if wish.accepted]


def refusals_of(ledger: Ledger) -> list[Promise]:
    """Every create that was refused, and so must have made nothing: names are used once."""
    return [
        Promise(str(wish), wish.verb, wish.kind, wish.name, None, None)
        for wish in ledger.wishes
        if wish.refused and wish.verb == "create"
    ]


def _promise(wish: Wish) -> Promise:
    job = wish.answer.get("job") or (wish.answer if wish.kind == "job" else {})
    return Promise(
        request=str(wish),
        verb=wish.verb,
        kind=wish.kind,
        name=wish.name,
        resource_id=None if wish.kind == "job" else parse_id(PREFIXES[wish.kind], wish.answer["id"]),
        job_id=parse_id("job", job["id"]) if job.get("id") else None,
    )
