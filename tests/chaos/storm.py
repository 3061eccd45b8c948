"""One run: rounds of chaos, each followed by quiet, in which everything must come to rest where it should."""

import asyncio
import contextlib
import json
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import nats
from tests.chaos.house import House, logs_of, undertaker
from tests.chaos.load import Client, Ledger, Tenant, Wish, promises_of, refusals_of
from tests.chaos.schedule import Action, plan
from tests.cloud.installation import idle_image
from tests.invariants import audit_is_exact, refusals_made_nothing, unrest, violations

from groundplane.controlplane.resources.manager import CORRECTION
from groundplane.dataplane.providers.simulated import Injection
from groundplane.kernel.database import Database, Tx
from groundplane.sdk import Client as SdkClient

ROUND_SECONDS = 36.0
CLIENTS = 10
REST_SECONDS = 150.0
"""How long everything may take to come to rest when no fault strikes any more."""
PATIENCE_SECONDS = 12.0
"""After which waits that are long on purpose (back-off, brake, flapping) are made short."""
STEADY_SECONDS = 5.0
"""So long nothing may stir: longer than two looks."""

GOALS = {"kills": 150, "kills of each kind": 15, "faults": 2000}
"""Of a run of ten minutes."""
VICTIMS = ("api", "worker", "agent", "nats", "postgres", "supervisor")


@dataclass
class Tally:
    """What a run did, and what it found."""

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


async def storm(seed: int, seconds: float, say: Callable[[str], None], *, round_seconds: float = ROUND_SECONDS) -> Tally:
    """Rounds until `seconds` have passed or an invariant is violated."""
    base = Path(tempfile.mkdtemp(prefix="gpx-", dir="/tmp"))  # short, and the engines' users may pass through /tmp
    house = House(base, random.Random(f"{seed}/proxy"))  # noqa: S311 - chance, not secrecy
    tally = Tally(seed)
    with undertaker(base, house.layout.root):
        try:
            await house.start()
            run = _Run(house, tally, seed, say)
            await run.prepare()
            began = time.monotonic()
            while not tally.violations and time.monotonic() - began < seconds:
                await run.round(round_seconds)
            tally.seconds = time.monotonic() - began
            await run.close()
        finally:
            if tally.violations or not tally.rounds:
                tally.logs = _keep_logs(house, seed)
            await house.end()
            shutil.rmtree(base, ignore_errors=True)
    return tally


def _keep_logs(house: House, seed: int) -> Path:
    kept = Path(tempfile.mkdtemp(prefix=f"groundplane-chaos-{seed}-"))
    for name, path in logs_of(house).items():
        shutil.copy(path, kept / name)
    for extra in house.base.glob("*.json"):
        shutil.copy(extra, kept / extra.name)
    return kept


class _Run:
    def __init__(self, house: House, tally: Tally, seed: int, say: Callable[[str], None]) -> None:
        self.house = house
        self.tally = tally
        self.seed = seed
        self.say = say
        self.chance = random.Random(f"{seed}/hands")  # noqa: S311 - chance, not secrecy
        self.injected: dict[int, str] = {}
        self.remaining: dict[int, int] = {}
        self.crashes = 0
        self.http = httpx.AsyncClient(base_url=house.api, trust_env=False)

    async def prepare(self) -> None:
        """A project with an image and a network; and whether the server honours idempotency keys."""
        project, token = await asyncio.to_thread(self._furnish)
        self.http.headers["Authorization"] = f"Bearer {token}"
        self.ledger = Ledger(keys_honoured=await self._keys_honoured(project))
        self.tenant = Tenant(self.http, project, self.ledger)
        self.clients = [
            Client(self.tenant, number, random.Random(f"{self.seed}/client/{number}"))  # noqa: S311 - chance, not secrecy
            for number in range(CLIENTS)
        ]
        url = f"nats://chaos:chaos@127.0.0.1:{self.house.nats_port}"
        self.nats = await nats.connect(url, max_reconnect_attempts=-1, reconnect_time_wait=0.2, error_cb=_ignore)

    def _furnish(self) -> tuple[str, str]:
        told = self.house.credentials
        with SdkClient(self.house.api) as admin:
            admin.login(told.email, told.password)
            organization = admin.common.organizations.create("chaos").id
            project = admin.common.projects(organization).create("chaos").id
            tenant = admin.tenant(project)
            idle_image(tenant, self.house.base)
            tenant.networks.create("lan", wait=True)
            tenant.subnets.create("lan-a", {"network": "lan", "cidr": "10.30.0.0/18"}, wait=True)
        answer = httpx.post(
            f"{self.house.api}/api/common/v1/auth/login",
            json={"email": told.email, "password": told.password}, trust_env=False,
        )  # fmt: skip
        return project, answer.json()["access_token"]

    async def _keys_honoured(self, project: str) -> bool:
        """The same key twice: a server that honours it gives the first answer again."""
        for _ in range(2):
            answer = await self.http.post(
                f"/api/tenant/v1/projects/{project}/networks",
                json={"name": "probe", "spec": {}}, headers={"Idempotency-Key": f"{self.seed:032x}"},
            )  # fmt: skip
        return bool(answer.headers.get("Idempotent-Replayed") == "true")

    async def close(self) -> None:
        """Let go of what it holds of the house."""
        await self.nats.close()
        await self.http.aclose()

    # -- one round ---------------------------------------------------------------------------------

    async def round(self, seconds: float) -> None:
        """Chaos, quiet, judgement."""
        number = self.tally.rounds
        self.tally.rounds += 1
        began = time.monotonic()
        stopping = asyncio.Event()
        before = len(self.ledger.wishes)
        clients = [asyncio.create_task(client.run(stopping)) for client in self.clients]
        await self._chaos(plan(self.seed, number, seconds), seconds)
        stopping.set()
        chaos = time.monotonic() - began
        try:
            await self.house.make_whole()
            await asyncio.gather(*clients)
            async with self.house.database() as database:
                await self._judge(database)
        except TimeoutError as error:
            self.tally.violations.append(f"a part did not get ready again: {error!r}")
        finally:
            for client in clients:
                client.cancel()
        self._count(before)
        self.say(
            f"round {number}: {chaos:.0f} s of chaos, {time.monotonic() - began - chaos:.0f} s to rest; so far "
            f"{self.tally.kills.total()} kills, {self.tally.faults} faults, {self.tally.requests.total()} requests, "
            f"{len(self.tally.violations)} violations"
        )

    async def _chaos(self, actions: list[Action], seconds: float) -> None:
        began = time.monotonic()
        self.house.proxy.on = True
        watch = asyncio.create_task(self._watch())
        doing = []
        for action in actions:
            await asyncio.sleep(max(0.0, began + action.at - time.monotonic()))
            doing.append(asyncio.create_task(self._do(action)))
        await asyncio.sleep(max(0.0, began + seconds - time.monotonic()))
        await asyncio.gather(*doing)
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        self.house.proxy.on = False
        self._count_strikes()
        self.house.engine.injections.clear()
        self.injected.clear()

    async def _watch(self) -> None:
        """Count what struck while it strikes."""
        while True:
            await asyncio.sleep(0.2)
            self._count_strikes()

    async def _do(self, action: Action) -> None:
        arguments = action.arguments
        deeds: dict[str, Callable[..., Awaitable[object]]] = {
            "kill": self.house.kill,
            "restart_nats": self.house.restart_nats,
            "twin": self.house.start_twin,
            "freeze": self.house.freeze,
            "late": self._late,
            "inject": self._inject,
            "tamper": self._tamper,
        }
        parts = {"victim" if key == "part" else key: value for key, value in arguments.items()}
        done = await deeds[action.what](**parts)
        if action.what not in {"kill", "inject"} and done is not False:
            self.tally.beside[_DEEDS[action.what]] += 1

    async def _late(self, age: float) -> bool:
        found = self.house.proxy.memory.late(self.chance, age)
        if found is None:
            return False
        with contextlib.suppress(Exception):  # the broker may be away: then it was not late but lost
            await self.nats.publish(*found)
            await self.nats.flush(2)
            return True
        return False

    async def _inject(self, effect: Any, **more: Any) -> None:
        number = self.house.engine.injections.add(Injection(effect, **more))
        name = f"{effect} {more['fault_class']}" if "fault_class" in more else effect
        self.injected[number] = f"{name} at {more['verb']}" if more.get("verb") == "observe" else name
        self.remaining[number] = more["count"]

    def _count_strikes(self) -> None:
        rows = self.house.engine.injections.remaining()
        for number, name in self.injected.items():
            left = rows.get(number) or 0
            struck = self.remaining[number] - left
            self.remaining[number] = left
            if struck:
                self.tally.provider[name] += struck
                self.crashes += struck if name.startswith("crash") else 0
        died = min(self.house.note_agents(), self.crashes)
        self.crashes -= died
        self.house.kills["agent"] += died

    async def _tamper(self, how: str) -> bool:
        machines = [row.key.id for row in self.house.engine.resources(kind="vm")]
        if not machines:
            return False
        with contextlib.suppress(LookupError):
            getattr(self.house.engine, f"outside_{how}")(self.chance.choice(machines))
        return True

    # -- quiet and judgement -----------------------------------------------------------------------

    async def _judge(self, database: Database) -> None:
        unanswered = [str(wish) for wish in self.ledger.wishes if wish.status is None]
        found = [f"no answer came to {wish}: {self._errors(wish)}" for wish in unanswered]
        found += await self._rest(database)
        async with database.transaction() as tx:
            found += await violations(tx, self.house.engine, promises_of(self.ledger))
            found += await refusals_made_nothing(tx, refusals_of(self.ledger))
            accepted = {str(wish): self._ids(wish) for wish in self.ledger.wishes if wish.accepted}
            refused = {
                str(wish): self._ids(wish) for wish in self.ledger.wishes if wish.status is not None and not wish.accepted
            }
            found += await audit_is_exact(tx, accepted, refused, once=self.ledger.keys_honoured)
        if found:
            self.tally.violations += found
            await self._explain(database)

    def _errors(self, text: str) -> list[str]:
        return next((wish.errors[-8:] for wish in self.ledger.wishes if str(wish) == text), [])

    def _ids(self, wish: Wish) -> list[str]:
        if self.ledger.keys_honoured:
            return [wish.key]
        return [f"{wish.key}-{number}" for number in range(1, wish.attempts + 1)]

    async def _rest(self, database: Database) -> list[str]:
        """Wait until nothing stirs; answers what still does when the time is up."""
        began = time.monotonic()
        quiet_since: float | None = None
        hurried = 0
        while True:
            async with database.transaction() as tx:
                stirring = await unrest(tx)
            now = time.monotonic()
            quiet_since = None if stirring else quiet_since or now
            if quiet_since is not None and now - quiet_since > STEADY_SECONDS:
                return []
            if now - began > REST_SECONDS:
                return [f"not at rest after {REST_SECONDS:.0f} s: {each}" for each in stirring]
            if stirring and now - began > PATIENCE_SECONDS * (hurried + 1):
                hurried += 1
                await self._hurry(database)
            await asyncio.sleep(0.5)

    async def _hurry(self, database: Database) -> None:
        """Waits that get longer with each failure, and the brake's minute, are over at once: nobody has an hour here."""
        async with database.transaction() as tx:
            await tx.execute("UPDATE drift SET next_at = now() WHERE resolved_at IS NULL AND next_at > now()")
            await tx.execute(
                """UPDATE job SET created_at = created_at - interval '1 minute'
                   WHERE ended_at > now() - interval '2 minutes' AND reason = $1
                     AND created_at > now() - interval '1 minute'
                     AND NOT EXISTS (SELECT FROM drift WHERE drift.resource_id = job.resource_id AND resolved_at IS NULL)""",
                CORRECTION,
            )

    async def _explain(self, database: Database) -> None:
        """Leave beside the logs what a person needs to understand a violation."""
        tables = ("job", "job_event", "resource", "drift", "incident", "report_set_aside")
        async with database.transaction() as tx:
            told = {table: await self._rows(tx, table) for table in tables}
        (self.house.base / "tables.json").write_text(json.dumps(told, default=str, indent=1))
        wishes = [vars(wish) for wish in self.ledger.wishes]
        (self.house.base / "requests.json").write_text(json.dumps(wishes, default=str, indent=1))
        schedule = [str(action) for action in plan(self.seed, self.tally.rounds - 1, ROUND_SECONDS)]
        (self.house.base / "schedule.json").write_text(json.dumps(schedule, indent=1))

    async def _rows(self, tx: Tx, table: str) -> list[dict[str, Any]]:
        return [dict(row) for row in await tx.fetch(f"SELECT * FROM {table} ORDER BY 1")]  # noqa: S608 - our own tables

    def _count(self, before: int) -> None:
        self.tally.kills = self.house.kills
        self.tally.messages = self.house.proxy.struck
        self.tally.unexpected = self.ledger.unexpected
        for wish in self.ledger.wishes[before:]:
            outcome = "accepted" if wish.accepted else f"refused {wish.code}" if wish.status else "unanswered"
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


async def _ignore(_error: Exception) -> None:
    """The broker is killed on purpose."""
