"""One run: rounds of chaos, each followed by quiet, in which everything must come to rest where it should."""

import asyncio
import contextlib
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import nats
from nats.aio.client import Client as NatsClient
from tests.chaos.engine_faults import EngineFaults
from tests.chaos.house import House, undertaker
from tests.chaos.judgement import explain, judge
from tests.chaos.load import Client, Ledger, Tenant, Wish
from tests.chaos.schedule import Action, plan
from tests.cloud.installation import idle_image

from groundplane.dataplane.providers.simulated import Injection
from groundplane.sdk import Client as SdkClient

ROUND_SECONDS = 36.0
CLIENTS = 10

GOALS = {"kills": 150, "kills of each kind": 15, "faults": 2000}
"""Of a run of ten minutes."""
VICTIMS = ("api", "worker", "agent", "nats", "postgres", "supervisor")

Say = Callable[[str], None]


@dataclass
class Tally:
    """What a run did, and what it found. `logs` is where a person looks further when it found something."""

    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)
    provider: Counter[str] = field(default_factory=Counter)
    beside: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    unexpected: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    rounds: int = 0
    seconds: float = 0.0
    logs: Path | None = None

    @property
    def faults(self) -> int:
        """Of messages and of providers, together."""
        return self.messages.total() + self.provider.total()


async def storm(seed: int, seconds: float, say: Say, *, round_seconds: float = ROUND_SECONDS) -> Tally:
    """Rounds until `seconds` have passed or an invariant is violated."""
    tally = Tally(seed)
    async with _house(seed, say) as house, _furnished(house, seed) as furniture:
        run = _Run(house, furniture, tally, say)
        began = time.monotonic()
        while not tally.violations and time.monotonic() - began < seconds:
            await run.round(round_seconds)
        tally.seconds = time.monotonic() - began
        if tally.violations:
            tally.logs = _keep_logs(house, seed)
    return tally


@asynccontextmanager
async def _house(seed: int, say: Say) -> AsyncIterator[House]:
    """A house that runs, and is taken away whatever happens. What breaks the harness itself leaves the logs too."""
    base = Path(tempfile.mkdtemp(prefix="gpx-", dir="/tmp"))  # short, and the engines' users may pass through /tmp
    house = House(base, _chance(seed, "proxy"))
    with undertaker(base, house.layout.root):
        try:
            await house.start()
            yield house
        except BaseException:
            say(f"broken off; logs: {_keep_logs(house, seed)}")
            raise
        finally:
            await house.end()
            shutil.rmtree(base, ignore_errors=True)


def _keep_logs(house: House, seed: int) -> Path:
    kept = Path(tempfile.mkdtemp(prefix=f"groundplane-chaos-{seed}-"))
    for path in (*house.layout.logs.glob("*.log*"), *house.base.glob("*.log"), *house.base.glob("*.json")):
        shutil.copy(path, kept / path.name)
    return kept


def _chance(seed: int, what: str) -> random.Random:
    return random.Random(f"{seed}/{what}")  # noqa: S311 - chance, not secrecy


@dataclass(frozen=True)
class _Furniture:
    """What stands in the house: its clients with their ledger, and a connection to the broker past the proxy."""

    ledger: Ledger
    clients: list[Client]
    broker: NatsClient


@asynccontextmanager
async def _furnished(house: House, seed: int) -> AsyncIterator[_Furniture]:
    """A project with an image and a network, and the clients that will use it."""
    project, token = await asyncio.to_thread(_make_project, house)
    async with httpx.AsyncClient(base_url=house.api, trust_env=False, headers={"Authorization": f"Bearer {token}"}) as http:
        ledger = Ledger(keys_honoured=await _keys_are_honoured(http, project, seed))
        tenant = Tenant(http, project, ledger)
        clients = [Client(tenant, number, _chance(seed, f"client/{number}")) for number in range(CLIENTS)]
        broker = await nats.connect(house.broker, max_reconnect_attempts=-1, reconnect_time_wait=0.2, error_cb=_ignore)
        yield _Furniture(ledger, clients, broker)
        await broker.close()


async def _ignore(_error: Exception) -> None:
    """The broker is killed on purpose."""


def _make_project(house: House) -> tuple[str, str]:
    """The id of a project, and a token that lasts."""
    told = house.credentials
    with SdkClient(house.api) as admin:
        admin.login(told.email, told.password)
        organization = admin.common.organizations.create("chaos").id
        project = admin.organization(organization).projects.create("chaos").id
        tenant = admin.tenant(project)
        idle_image(tenant, house.base)
        tenant.networks.create("lan", wait=True)
        tenant.subnets.create("lan-a", {"network": "lan", "cidr": "10.30.0.0/18"}, wait=True)
    answer = httpx.post(f"{house.api}/api/common/v1/auth/login", json=told.model_dump(), trust_env=False)
    return project, str(answer.json()["access_token"])


async def _keys_are_honoured(http: httpx.AsyncClient, project: str, seed: int) -> bool:
    """The same Idempotency-Key twice: a server that honours it gives the first answer again."""
    answers = [
        await http.post(
            f"/api/tenant/v1/projects/{project}/networks",
            json={"name": "probe", "spec": {}},
            headers={"Idempotency-Key": f"{seed:032x}"},
        )
        for _ in range(2)
    ]
    return bool(answers[1].headers.get("Idempotent-Replayed") == "true")


class _Run:
    """The rounds of one run."""

    def __init__(self, house: House, furniture: _Furniture, tally: Tally, say: Say) -> None:
        self.house = house
        self.furniture = furniture
        self.ledger = furniture.ledger
        self.tally = tally
        self.say = say
        self.faults = EngineFaults(house, _chance(tally.seed, "tamper"))
        self.late = _chance(tally.seed, "late")
        tally.kills, tally.messages, tally.provider = house.kills, house.proxy.struck, self.faults.struck
        tally.unexpected = self.ledger.unexpected

    async def round(self, seconds: float) -> None:
        """Chaos, quiet, judgement."""
        number, before = self.tally.rounds, len(self.ledger.wishes)
        actions = plan(self.tally.seed, number, seconds)
        (self.house.base / "schedule.log").write_text("\n".join(map(str, actions)))
        self.tally.rounds += 1
        began = time.monotonic()
        stopping = asyncio.Event()
        clients = [asyncio.create_task(client.run(stopping)) for client in self.furniture.clients]
        try:
            await self._chaos(actions, seconds)
            chaos = time.monotonic() - began
            stopping.set()
            await self._quiet(clients)
        finally:
            for client in clients:
                client.cancel()
        self._count(self.ledger.wishes[before:])
        self.say(
            f"round {number}: {chaos:.0f} s of chaos, {time.monotonic() - began - chaos:.0f} s to rest; so far "
            f"{self.tally.kills.total()} kills, {self.tally.faults} faults, {self.tally.requests.total()} requests, "
            f"{len(self.tally.violations)} violations"
        )

    async def _chaos(self, actions: list[Action], seconds: float) -> None:
        """Do each action at its time, whatever becomes of the ones before; wait until all are done."""
        began = time.monotonic()
        self.house.proxy.on = True
        watch = asyncio.create_task(self._watch())
        try:
            async with asyncio.TaskGroup() as doing:
                for action in actions:
                    await asyncio.sleep(max(0.0, began + action.at - time.monotonic()))
                    doing.create_task(self._do(action))
                await asyncio.sleep(max(0.0, began + seconds - time.monotonic()))
        finally:
            watch.cancel()
            self.house.proxy.on = False
        self.faults.clear()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(0.2)
            self.faults.count()

    async def _do(self, action: Action) -> None:
        done = await self._deed(action.what, action.arguments)
        if done and action.what in _DEEDS:
            self.tally.beside[_DEEDS[action.what]] += 1

    async def _deed(self, what: str, arguments: Mapping[str, Any]) -> bool:
        """Do it; was there anything to do it to?"""
        match what:
            case "kill":
                return await self.house.kill(**arguments)
            case "freeze":
                return await self.house.freeze(**arguments)
            case "restart_nats":
                await self.house.restart_nats(**arguments)
            case "twin":
                await self.house.start_twin()
            case "late":
                return await self._send_late(**arguments)
            case "inject":
                self.faults.order(Injection(**arguments))
            case "tamper":
                return self.faults.tamper(**arguments)
        return True

    async def _send_late(self, age: float) -> bool:
        found = self.house.proxy.memory.late(self.late, age)
        if found is None:
            return False
        with contextlib.suppress(nats.errors.Error, TimeoutError):  # the broker is away: then it is lost, not late
            await self.furniture.broker.publish(*found)
            await self.furniture.broker.flush(2)
            return True
        return False

    async def _quiet(self, clients: list[asyncio.Task[None]]) -> None:
        """Everything is made whole, every client gets its answer, everything comes to rest: then it is judged."""
        try:
            await self.house.make_whole()
        except TimeoutError:
            self.tally.violations.append("a part did not get ready again after the last kill")
            return
        await asyncio.gather(*clients)
        async with self.house.database() as database:
            self.tally.violations += await judge(database, self.house.engine, self.ledger)
            if self.tally.violations:
                await explain(database, self.ledger, self.house.base)

    def _count(self, wishes: list[Wish]) -> None:
        for wish in wishes:
            outcome = "accepted" if wish.accepted else f"refused {wish.code}" if wish.refused else "unanswered"
            self.tally.requests[outcome] += 1
            self.tally.beside["requests sent again"] += wish.attempts > 1
            self.tally.beside["answers replayed"] += wish.replayed


_DEEDS = {
    "restart_nats": "graceful restarts of the broker",
    "twin": "second agents started",
    "freeze": "agents stopped past their lease",
    "late": "old tasks sent after a removal",
    "tamper": "machines tampered with",
}
"""What is counted beside kills and faults."""
