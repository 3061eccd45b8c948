"""Creates of virtual machines through the whole platform: how many a second, how soon, how many at once, and among how many.

An installation of its own with the simulated data plane on 10 hosts: one api, worker and agent, PostgreSQL with fsync on, NATS,
8 projects with a user each, real logins, an idempotency key on each request. Load comes from a process of its own by kept-alive
connections, each sending its next request when the one before was answered. All on one machine.

- `plain_creates_per_second_8`, `_64`: a machine alone, on a volume that is there. Machines by the time from the first request's
  sending to the end of the last job, with so many clients; 5,000 machines in all.
- `full_creates_per_second_8`, `_64`: a machine with a new root volume from an image and a new port, made by one task. As many.
- `bare_sql_creates_per_second`: the bare SQL of the same plain creates and their reports, by one client on one connection of
  the same server (what it does: `bench/bare.py`). `share_of_sql_limit`: what the better of the two plain figures reaches of it.
- `idle_start_p50_ms`, `_p95_ms`: from before the request is sent until the agent begins with the task; plain creates, one at a
  time, each 50 ms after the answer to the one before.
- `burst_1000_p99_s`: 1,000 full creates sent over 64 connections as fast as they are answered; from the first's sending to the
  end of each one's job. `burst_1000_stuck`: those that are not active after a minute. `burst_1000_double`: machines, volumes
  and ports more than were asked for, in the database and in the engine.
- `growth_1k_to_1m`: the time that a plain create takes with 1,000,000 resources in the database, by what it takes with some
  thousand: 8 clients, batches in turn on two installations of which one was filled before (with what: `bench/crowd.py`); the
  median of the ratios pair by pair.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import sqlite3
import statistics
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import uvloop
from bench import bare, crowd
from bench.installation import IMAGE, NETWORK, Installation, Project, cpu_between, installation
from bench.load import Fired, Plan, Post, fire
from bench.profiles import sampled
from bench.results import Figure

from groundplane.kernel.ids import format_id, parse_id

PROJECTS, HOSTS = 8, 10
CLIENTS = (8, 64)
GOALS = {"plain": 500.0, "full": 250.0}
AT_ONCE = 1000
"""How many resources one request may ask for."""
PAUSE_SECONDS = 0.05
STUCK_SECONDS = 60.0
POLL_SECONDS = 0.05
SLOWEST_PER_SECOND = 20
"""What is slower than this is stuck."""
PHASES = ("plain", "full", "idle", "burst", "growth")

Spec = dict[str, Any]
_JOBS = "SELECT id FROM job WHERE resource_id = ANY($1::uuid[])"
_WHOSE = {
    "resource": "id = ANY($1::uuid[])",
    "link": "source_id = ANY($1::uuid[])",
    "idempotency_key": "EXISTS (SELECT FROM resource WHERE id = ANY($1::uuid[]) AND body LIKE '%\"name\":\"' || name || '\"%')",
    "job_event": f"job_id IN ({_JOBS})",
    "revision": f"entity_id IN (SELECT unnest($1::uuid[]) UNION {_JOBS})",
}
"""Which rows are a machine's in tables that do not say so by `resource_id`."""


@dataclass(frozen=True)
class Sizes:
    """How many machines are made: in all by the plain and full runs; by the others; by each of the batches of growth."""

    plain: int = 5000
    full: int = 5000
    warm: int = 160
    idle: int = 200
    burst: int = 1000
    batch: int = 250
    batches: int = 9
    crowd: int = 1_000_000


@dataclass(frozen=True)
class Run:
    """What a run of creates took: until the last job ended; each part's CPU seconds; requests and answers."""

    machines: int
    seconds: float
    cpu: Mapping[str, float]
    fired: Fired

    @property
    def per_second(self) -> float:
        """Machines made in a second."""
        return self.machines / self.seconds

    def told(self, name: str) -> str:
        """Two lines for whoever watches."""
        took = [1000 * (answer.answered - answer.sent) for answer in self.fired.answers]
        costs = {part: 1000 * seconds / self.machines for part, seconds in self.cpu.items()}
        parts = ", ".join(f"{part} {cost:.2f}" for part, cost in costs.items())
        return (
            f"{name}: {self.machines} in {self.seconds:.2f} s, {self.per_second:.0f}/s; "
            f"answers after {statistics.median(took):.1f} ms (p50), {percentile(took, 99):.1f} ms (p99)\n"
            f"  CPU ms a create: {parts}; together {sum(costs.values()):.2f}"
        )


def run() -> list[Figure]:
    """Everything, at its full size."""
    return uvloop.run(measure(Sizes(), PHASES))


async def measure(sizes: Sizes, phases: Sequence[str], clients: Sequence[int] = CLIENTS) -> list[Figure]:
    """The figures of the named phases."""
    figures: list[Figure] = []
    if set(phases) & {"plain", "full", "idle", "burst"}:
        async with brought_up() as cloud:
            figures += await _measure_speed(cloud, sizes, phases, clients)
    if "growth" in phases:
        async with brought_up() as few, brought_up() as many:
            figures.append(Figure("growth_1k_to_1m", await growth(few, many, sizes), "ratio", 1.2, "lower"))
    return figures


async def _measure_speed(cloud: "Cloud", sizes: Sizes, phases: Sequence[str], clients: Sequence[int]) -> list[Figure]:
    figures: list[Figure] = []
    await cloud.warm_up(sizes.warm)
    for sort in ("plain", "full"):
        if sort in phases:
            machines = {"plain": sizes.plain, "full": sizes.full}[sort] // len(clients)
            runs = [await cloud.create(sort, machines, number) for number in clients]
            rates = [run.per_second for run in runs]
            names = [f"{sort}_creates_per_second_{number}" for number in clients]
            figures += [Figure(name, rate, "1/s", GOALS[sort], "higher") for name, rate in zip(names, rates, strict=True)]
            if sort == "plain":
                figures += await _share(cloud, sizes.plain, max(rates))
                rows = await cloud.rows_of(runs[0].fired)
                told = ", ".join(f"{table} {rows[table]:g}/{count}" for table, count in bare.ROWS.items())
                print(f"  rows a create, the platform's/bare: {told}", flush=True)
    if "idle" in phases:
        p50, p95 = await idle(cloud, sizes.idle)
        figures += [Figure("idle_start_p50_ms", p50, "ms", 10, "lower"), Figure("idle_start_p95_ms", p95, "ms", 20, "lower")]
    if "burst" in phases:
        figures += await burst(cloud, sizes.burst)
    return figures


async def _share(cloud: "Cloud", machines: int, reached: float) -> list[Figure]:
    limit = await bare.creates_per_second(cloud.superuser_url, machines)
    print(f"bare SQL, one client: {limit:.0f}/s; reached {reached / limit:.2f} of it", flush=True)
    return [
        Figure("share_of_sql_limit", reached / limit, "ratio", None, "higher"),
        Figure("bare_sql_creates_per_second", limit, "1/s", None, "higher"),
    ]


async def idle(cloud: "Cloud", samples: int) -> tuple[float, float]:
    """Median and 95th percentile of the milliseconds from the request to the agent's start, on an idle platform."""
    posts = await cloud.prepare("plain", samples, "idle")
    fired = await cloud.fire([posts], 1, pause=PAUSE_SECONDS)
    sent = dict(zip(machine_ids(fired), (answer.sent for answer in fired.answers), strict=True))
    starts = await cloud.starts(list(sent))
    took = [1000 * (starts[vm_id] - sent[vm_id]) for vm_id in sent]
    p50, p95 = statistics.median(took), percentile(took, 95)
    answered = statistics.median(1000 * (answer.answered - answer.sent) for answer in fired.answers)
    print(f"idle: agent starts after {p50:.1f} ms (p50), {p95:.1f} ms (p95); answers after {answered:.1f} ms", flush=True)
    return p50, p95


async def burst(cloud: "Cloud", machines: int) -> list[Figure]:
    """Everything at once: when the 99th of a hundred is there, how many never are, how many there are too many."""
    before, held = await cloud.counted(), engine_counted(cloud.place.engine)
    posts = await cloud.prepare("full", machines, "burst")
    fired = await cloud.fire(_by_project(posts), 64)
    ended = [seconds for seconds in await cloud.ended(fired) if seconds < STUCK_SECONDS]
    stuck = machines - len(ended)
    p99 = percentile([*ended, *[STUCK_SECONDS] * stuck], 99)
    double = more_than_asked(before, await cloud.counted(), machines)
    double += more_than_asked(held, engine_counted(cloud.place.engine), machines)
    print(f"burst of {machines}: p99 {p99:.2f} s, {stuck} stuck, {double} double", flush=True)
    return [
        Figure("burst_1000_p99_s", p99, "s", 8, "lower"),
        Figure("burst_1000_stuck", stuck, "machines", 0, "lower"),
        Figure("burst_1000_double", double, "resources", 0, "lower"),
    ]


async def growth(few: "Cloud", many: "Cloud", sizes: Sizes) -> float:
    """What a create costs among very many resources, by what it costs among few: in turn, so that noise falls on both."""
    began = time.monotonic()
    await crowd.fill(many.superuser_url, sizes.crowd)
    print(f"{sizes.crowd:,} resources more in {time.monotonic() - began:.0f} s", flush=True)
    clouds = {"few": few, "many": many}
    batches = {name: await _batches(cloud, sizes, name) for name, cloud in clouds.items()}
    pairs = []
    for number in range(sizes.batches + 1):
        order = ("few", "many") if number % 2 else ("many", "few")
        runs = {name: await clouds[name].carry_out(batches[name][number], 8, f"{name} {number}") for name in order}
        pairs.append((runs["few"], runs["many"]))
    del pairs[0]  # it warms up
    seconds = statistics.median(many.seconds / few.seconds for few, many in pairs)
    cpu = statistics.median(sum(many.cpu.values()) / sum(few.cpu.values()) for few, many in pairs)
    print(f"growth: {seconds:.2f} times the time, {cpu:.2f} times the CPU", flush=True)
    return seconds


async def _batches(cloud: "Cloud", sizes: Sizes, name: str) -> list[list[Post]]:
    posts = await cloud.prepare("plain", sizes.batch * (sizes.batches + 1), name)
    return [posts[begin : begin + sizes.batch] for begin in range(0, len(posts), sizes.batch)]


@dataclass(frozen=True)
class Cloud:
    """An installation that is ready to be asked, and a look into its database, read only."""

    place: Installation
    projects: Sequence[Project]
    database: Any

    @property
    def superuser_url(self) -> str:
        """The database's address for PostgreSQL's own superuser, which past the platform may do anything."""
        return self.place.endpoints.database_url.replace("//groundplane@", "//postgres@", 1)

    async def warm_up(self, machines: int) -> None:
        """Every statement prepared, every path gone once."""
        for sort in ("plain", "full"):
            await self.create(sort, machines, 8, f"warm-{sort}")

    async def create(self, sort: str, machines: int, clients: int, name: str = "") -> Run:
        """So many machines, as `carry_out`; what they need is made first."""
        name = name or f"{sort}-{clients}"
        return await self.carry_out(await self.prepare(sort, machines, name), clients, name)

    async def carry_out(self, posts: Sequence[Post], clients: int, name: str) -> Run:
        """Creates of machines, by so many clients. Raises RuntimeError when one is refused, or is not active in time."""
        before = self.place.cpu()
        fired = await self.fire(_by_project(posts), clients)
        after = self.place.cpu()
        ended = await self.ended(fired)
        if len(ended) != len(posts):
            raise RuntimeError(f"{len(ended)} of {len(posts)} machines are active")
        made = Run(len(posts), max(ended), {**cpu_between(before, after), "load": fired.cpu}, fired)
        print(made.told(name), flush=True)
        return made

    async def volumes(self, name: str, count: int) -> list[str]:
        """New empty volumes, shared out among the projects in turn: their public ids."""
        each = -(-count // len(self.projects))
        began = time.monotonic()
        if not await self._volumes_in_bulk(name, each):
            queues = [[_volume(project, f"{name}-{n}") for n in range(each)] for project in self.projects]
            await self.fire(queues, 2 * len(queues))
        rows = await self.database.fetch(
            """SELECT id, project_id FROM resource WHERE kind = 'volume' AND project_id = ANY($1::uuid[]) AND status = 'active'
               AND name LIKE $2 AND deleted_at IS NULL ORDER BY id""",
            [project.id for project in self.projects],
            f"{name}-%",
        )
        found = [[format_id("vol", row["id"]) for row in rows if row["project_id"] == project.id] for project in self.projects]
        if any(len(ids) != each for ids in found):
            raise RuntimeError(f"there are {len(rows)} volumes, {each} were asked for in each project")
        print(f"{each * len(self.projects)} volumes for {name} in {time.monotonic() - began:.1f} s", flush=True)
        return [ids[n] for n in range(each) for ids in found][:count]

    async def _volumes_in_bulk(self, name: str, each: int) -> bool:
        """By a few requests, if the platform has such; whether it has."""
        sizes = [min(AT_ONCE, each - done) for done in range(0, each, AT_ONCE)]
        queues = [
            [_volume(project, f"{name}-{part}", count=size) for part, size in enumerate(sizes)] for project in self.projects
        ]
        fired = await fire(Plan(self.place.port, len(queues), queues))
        if all(answer.status == 422 for answer in fired.answers):
            return False
        fired.expect(202)
        await self.settle(STUCK_SECONDS + each * len(queues) / SLOWEST_PER_SECOND)  # answered at once, made afterwards
        return True

    async def prepare(self, sort: str, machines: int, name: str) -> list[Post]:
        """Creates of machines, in each project in turn; the volumes of plain ones are made now."""
        if sort == "plain":
            specs = [plain_spec(volume) for volume in await self.volumes(name, machines)]
        else:
            specs = [full_spec()] * machines
        projects = itertools.cycle(self.projects)
        return [
            Post(f"{project.path}/vms", project.token, {"name": f"{name}-{number}", "spec": spec})
            for number, (project, spec) in enumerate(zip(projects, specs, strict=False))
        ]

    async def fire(self, queues: Sequence[Sequence[Post]], clients: int, *, pause: float = 0.0) -> Fired:
        """Send everything and wait until all jobs have ended, or for a minute. Raises RuntimeError for a refusal."""
        fired = await fire(Plan(self.place.port, clients, queues, pause))
        fired.expect(202)
        await self.settle()
        return fired

    async def settle(self, seconds: float = STUCK_SECONDS) -> None:
        """Wait until no job is under way; so long at most."""
        deadline = time.monotonic() + seconds
        sql = "SELECT id FROM job WHERE ended_at IS NULL ORDER BY next_at LIMIT 1"
        while await self.database.fetchval(sql) and time.monotonic() < deadline:  # noqa: ASYNC110 - it is in another process
            await asyncio.sleep(POLL_SECONDS)

    async def ended(self, fired: Fired) -> list[float]:
        """When the jobs that made these machines ended, in seconds after the first request; of those that are active."""
        rows = await self.database.fetch(
            """SELECT extract(epoch FROM min(job.ended_at))::float8 AS ended
               FROM resource JOIN job ON job.resource_id = resource.id AND job.state = 'SUCCEEDED'
               WHERE resource.id = ANY($1::uuid[]) AND resource.status = 'active' GROUP BY resource.id""",
            machine_ids(fired),
        )
        return [row["ended"] - fired.began for row in rows]

    async def starts(self, vm_ids: Sequence[UUID]) -> dict[UUID, float]:
        """When the agent began with each machine, in seconds since the epoch.

        As its report says; from a platform whose reports do not, when the engine held the machine, which is a little later.
        """
        rows = await self.database.fetch(
            """SELECT resource_id, detail::text::json ->> 'started_at' AS started FROM job JOIN job_event ON job_id = job.id
               WHERE resource_id = ANY($1::uuid[]) AND what = 'reported'""",
            list(vm_ids),
        )
        told = {row["resource_id"]: datetime.fromisoformat(row["started"]).timestamp() for row in rows if row["started"]}
        if not told:
            print("idle: reports do not say when they began; taken is when the engine held the machine", flush=True)
        return told or engine_changed(self.place.engine, vm_ids)

    async def rows_of(self, fired: Fired) -> dict[str, float]:
        """How many rows a machine has in each table that `bare.ROWS` names: the average of some of these machines."""
        ids = machine_ids(fired)[:100]
        counted = {}
        for table in bare.ROWS:
            where = _WHOSE.get(table, "resource_id = ANY($1::uuid[])")
            counted[table] = await self.database.fetchval(f"SELECT count(*) FROM {table} WHERE {where}", ids) / len(ids)  # noqa: S608
        return counted

    async def counted(self) -> dict[str, int]:
        """Machines, volumes and ports in the projects."""
        rows = await self.database.fetch(
            """SELECT kind, count(*) FROM resource WHERE project_id = ANY($1::uuid[]) AND deleted_at IS NULL
               AND kind IN ('vm', 'volume', 'port') GROUP BY kind""",
            [project.id for project in self.projects],
        )
        return {row["kind"]: row["count"] for row in rows}


@contextlib.asynccontextmanager
async def brought_up() -> AsyncIterator[Cloud]:
    """An installation with everything that machines need around them."""
    began = time.monotonic()
    with installation(HOSTS) as place:
        projects = place.furnish(PROJECTS)
        reading = {"default_transaction_read_only": "on", "enable_seqscan": "off"}
        database = await asyncpg.connect(place.endpoints.database_url, server_settings=reading)
        print(f"up and furnished in {time.monotonic() - began:.1f} s", flush=True)
        try:
            yield Cloud(place, projects, database)
        finally:
            await database.close()


def plain_spec(volume: str) -> Spec:
    """A machine alone, on a volume that is there."""
    return {"vcpus": 1, "memory_mib": 64, "root_volume": {"volume": volume}}


def full_spec() -> Spec:
    """A machine with a new root volume and a new port."""
    return {"vcpus": 1, "memory_mib": 64, "root_volume": {"image": IMAGE, "size_gib": 1}, "nics": [{"network": NETWORK}]}


def _volume(project: Project, name: str, count: int | None = None) -> Post:
    many = {} if count is None else {"count": count}
    return Post(f"{project.path}/volumes", project.token, {"name": name, "spec": {"size_gib": 1}, **many})


def _by_project(posts: Sequence[Post]) -> list[list[Post]]:
    """The posts of each project by themselves, so that each client asks in one project."""
    return [list(posts[number::PROJECTS]) for number in range(PROJECTS)]


def percentile(values: Iterable[float], percent: float) -> float:
    """The smallest value that so many percent do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, -int(-len(ordered) * percent // 100) - 1)]


def more_than_asked(before: Mapping[str, int], after: Mapping[str, int], asked: int) -> int:
    """How many more of each kind there came than were asked for, together."""
    return sum(max(0, count - before.get(kind, 0) - asked) for kind, count in after.items())


def engine_counted(path: Path) -> dict[str, int]:
    """Machines, volumes and ports that the simulated engine holds, in whatever place."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as engine:
        return dict(
            engine.execute(
                "SELECT kind, count(*) FROM resource WHERE present = 1 AND kind IN ('vm', 'volume', 'port') GROUP BY kind"
            )
        )


def engine_changed(path: Path, vm_ids: Sequence[UUID]) -> dict[UUID, float]:
    """When the simulated engine last changed each machine, in seconds since the epoch."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as engine:
        rows = engine.execute("SELECT id, changed_at FROM resource WHERE kind = 'vm' AND present = 1")
        changed = {UUID(text): at for text, at in rows}
    return {vm_id: changed[vm_id] for vm_id in vm_ids}


def machine_ids(fired: Fired) -> list[UUID]:
    """The ids of the machines that were answered, in the order of the answers."""
    found = [parse_id("vm", json.loads(answer.body)["id"]) for answer in fired.answers]
    return [each for each in found if each is not None]


async def profile(sort: str, sizes: Sizes, clients: int, folder: Path) -> None:
    """One run with py-spy beside api, worker and agent."""
    async with brought_up() as cloud:
        await cloud.warm_up(sizes.warm)
        posts = await cloud.prepare(sort, {"plain": sizes.plain, "full": sizes.full}[sort], "profiled")
        python = {name: pid for name, pid in cloud.place.pids().items() if name not in {"postgres", "nats"}}
        with sampled(python, folder):
            await cloud.carry_out(posts, clients, "profiled")
    print(f"Where the time went: {folder}/*.txt")


def main() -> None:
    """Some of it, in some size, for whoever works on the platform's speed. Keeps no result."""
    parser = argparse.ArgumentParser(prog="python -m bench.jobs", description="Measure some of the figures; keep none.")
    parser.add_argument("--only", nargs="+", choices=PHASES, default=PHASES, metavar="PHASE", help=", ".join(PHASES))
    parser.add_argument("--vms", type=int, help="machines in all of the plain, and of the full runs")
    parser.add_argument("--clients", type=int, nargs="+", default=CLIENTS)
    parser.add_argument("--crowd", type=int, default=Sizes.crowd, help="resources that growth fills in")
    parser.add_argument("--profile", choices=("plain", "full"), help="only one run, with py-spy beside api, worker and agent")
    parser.add_argument("--out", type=Path, default=Path("profile"), help="folder for what py-spy saw")
    asked = parser.parse_args()
    sizes = replace(Sizes(), crowd=asked.crowd)
    if asked.vms:
        sizes = replace(sizes, plain=asked.vms, full=asked.vms)
    if asked.profile:
        uvloop.run(profile(asked.profile, sizes, asked.clients[0], asked.out))
        return
    for figure in uvloop.run(measure(sizes, asked.only, asked.clients)):
        print(figure)


if __name__ == "__main__":
    main()
