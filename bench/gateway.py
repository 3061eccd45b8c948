"""Reading through the gateway among 1,000,000 resources: one machine, a page of 50, and what the authorization of it costs.

An installation of its own with the simulated data plane: one api, real PostgreSQL with fsync on, a real login. The database is
filled with a million resources of 100 organizations (with what: `bench/crowd.py`). The requests are those of one user who looks
at 8 of the projects, 5,000 machines each, and is viewer of their organizations. Load comes from a process of its own by
kept-alive connections, each sending its next request when the one before was answered. All on one machine.

- `get_one_rps`: authenticated GETs of one machine, chosen at random, answered in a second with 8 clients.
- `page_50_of_1m_p50_ms`, `_p99_ms`: from the sending of a GET of 50 machines of a project to its whole answer; one client, the
  project and the place where the page begins (the cursor) chosen at random.
- `page_50_of_1m_label_p50_ms`, `_p99_ms`: the same with a label that each tenth machine of the project has, in every page.
- `authorize_us`: what `identity.authorize` takes for such a page: the wall time of one call, with its round trip to PostgreSQL,
  the mean of many in this process, one after the other on one connection, a hundred in each transaction.
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import asyncpg
import uvloop
from bench import crowd
from bench.installation import PASSWORD, Installation, Project, installation
from bench.jobs import percentile
from bench.load import Fired, Get, Plan, fire
from bench.results import Figure

from groundplane.controlplane.identity import Actor, authorize
from groundplane.kernel.database import Database
from groundplane.kernel.ids import format_id, parse_id
from groundplane.processes.migrate import Credentials
from groundplane.sdk import Client

PAGE = 50
PROJECTS = 8
LABEL, VALUES = "shelf", 10
SEED = 20
PERMISSION = "compute.vm.list"
A_TRANSACTION = 100
"""How many decisions are timed in each transaction."""

_LOOKED_AT = "SELECT id, organization_id FROM resource WHERE kind = 'project' AND name LIKE 'crowd-%' ORDER BY id LIMIT $1"
_MACHINES = "SELECT id FROM resource WHERE kind = 'vm' AND project_id = $1 AND deleted_at IS NULL ORDER BY id"
_LABELLED = """
    WITH labelled AS (
        UPDATE resource SET labels = labels || jsonb_build_object($2::text, ((hashtext(id::text) & 1023) % $3::int)::text)
        WHERE kind = 'vm' AND project_id = ANY($1::uuid[]) RETURNING id, organization_id, kind, labels)
    INSERT INTO label (resource_id, organization_id, kind, key, value)
    SELECT id, organization_id, kind, $2, labels ->> $2 FROM labelled"""


@dataclass(frozen=True)
class Sizes:
    """How many resources there are, how many requests of each sort are sent, and how many decisions are made."""

    crowd: int = 1_000_000
    one: int = 16_000
    pages: int = 3_000
    warm: int = 400
    decisions: int = 20_000


@dataclass(frozen=True)
class Shelf:
    """A project that is looked at, and its machines, oldest first."""

    project_id: UUID
    organization_id: UUID
    machines: Sequence[UUID]

    @property
    def path(self) -> str:
        """Where its machines lie in the API."""
        return f"/api/tenant/v1/projects/{format_id('prj', self.project_id)}/vms"

    def one(self, chance: random.Random) -> str:
        """Any machine."""
        return f"{self.path}/{format_id('vm', chance.choice(self.machines))}"

    def page(self, chance: random.Random) -> str:
        """Any page that is full."""
        return self._page(chance, PAGE, "")

    def labelled(self, chance: random.Random) -> str:
        """Any page of those with some value of the label; it begins where as many come after as should fill it."""
        return self._page(chance, 2 * PAGE * VALUES, f"&label={LABEL}%3D{chance.randrange(VALUES)}")

    def _page(self, chance: random.Random, leave: int, more: str) -> str:
        after = self.machines[chance.randrange(max(1, len(self.machines) - leave))]
        return f"{self.path}?limit={PAGE}&cursor={format_id('vm', after)}{more}"


@dataclass(frozen=True)
class Library:
    """The installation, its reader, and what is read."""

    place: Installation
    reader: Project
    shelves: Sequence[Shelf]

    async def read(self, count: int, clients: int, what: Callable[[Shelf, random.Random], str]) -> Fired:
        """So many requests by so many clients. Raises RuntimeError when one is refused."""
        reader = self.place.log_in(self.reader)
        chance = random.Random(SEED)  # noqa: S311  # the same requests in each run
        requests = [Get(what(chance.choice(self.shelves), chance), reader.token) for _ in range(count)]
        fired = await fire(Plan(self.place.port, clients, [requests[number::clients] for number in range(clients)]))
        fired.expect(200)
        return fired


def run() -> list[Figure]:
    """Everything, at its full size."""
    return uvloop.run(measure(Sizes()))


async def measure(sizes: Sizes) -> list[Figure]:
    """All figures."""
    with installation(1) as place:
        (reader,) = place.furnish(1)
        library = Library(place, reader, await furnish(place, reader, sizes.crowd))
        for what in (Shelf.one, Shelf.page, Shelf.labelled):
            await library.read(sizes.warm, 8, what)
        rate = answered_per_second(await library.read(sizes.one, 8, Shelf.one))
        plain = full_pages(await library.read(sizes.pages, 1, Shelf.page))
        labelled = full_pages(await library.read(sizes.pages, 1, Shelf.labelled))
        cost = await authorize_us(place, library, sizes.decisions)
    print(f"{len(plain)} pages, {len(labelled)} by a label, {sizes.decisions} decisions", flush=True)
    return [
        Figure("get_one_rps", rate, "1/s", None, "higher"),
        Figure("page_50_of_1m_p50_ms", statistics.median(plain), "ms", None, "lower"),
        Figure("page_50_of_1m_p99_ms", percentile(plain, 99), "ms", 15, "lower"),
        Figure("page_50_of_1m_label_p50_ms", statistics.median(labelled), "ms", None, "lower"),
        Figure("page_50_of_1m_label_p99_ms", percentile(labelled, 99), "ms", 15, "lower"),
        Figure("authorize_us", cost, "us", None, "lower"),
    ]


async def furnish(place: Installation, reader: Project, resources: int) -> list[Shelf]:
    """Fill the database, label the machines of some projects, and make the reader a viewer of them."""
    superuser_url = place.endpoints.database_url.replace("//groundplane@", "//postgres@", 1)
    began = time.monotonic()
    await crowd.fill(superuser_url, resources)
    connection = await asyncpg.connect(superuser_url, server_settings={"session_replication_role": "replica"})
    try:
        projects = await connection.fetch(_LOOKED_AT, PROJECTS)
        await connection.execute(_LABELLED, [row["id"] for row in projects], LABEL, VALUES)
        await connection.execute("VACUUM (ANALYZE) resource, label")
        shelves = [
            Shelf(row["id"], row["organization_id"], [each["id"] for each in await connection.fetch(_MACHINES, row["id"])])
            for row in projects
        ]
    finally:
        await connection.close()
    told = Credentials.model_validate_json((place.layout.root / "admin.json").read_bytes())
    with Client(place.endpoints.api) as admin:
        admin.login(told.email, told.password)
        for shelf in shelves:
            admin.organization(format_id("org", shelf.organization_id)).role_bindings.create("viewer", user=reader.email)
    print(f"{resources:,} resources in {time.monotonic() - began:.0f} s", flush=True)
    return shelves


def answered_per_second(fired: Fired) -> float:
    """Answers by the time from the first request's sending to the last answer."""
    return len(fired.answers) / (max(answer.answered for answer in fired.answers) - fired.began)


def full_pages(fired: Fired) -> list[float]:
    """The milliseconds of each answer. Raises RuntimeError for a page with too few in it: it would be cheaper."""
    for answer in fired.answers:
        if (found := len(json.loads(answer.body)["items"])) != PAGE:
            raise RuntimeError(f"a page of {found} instead of {PAGE}")
    return [1000 * (answer.answered - answer.sent) for answer in fired.answers]


async def authorize_us(place: Installation, library: Library, decisions: int) -> float:
    """Microseconds of one decision."""
    actor = _actor(place, library.reader)
    chance = random.Random(SEED)  # noqa: S311  # the same decisions in each run
    database = await Database.connect(place.endpoints.database_url, size=1)
    try:
        seconds = [
            await _decide(database, actor, chance.choices(library.shelves, k=A_TRANSACTION))
            for _ in range(max(2, decisions // A_TRANSACTION))
        ]
    finally:
        await database.close()
    return 1e6 * statistics.mean(seconds[1:]) / A_TRANSACTION  # the first prepares the statement


async def _decide(database: Database, actor: Actor, shelves: Sequence[Shelf]) -> float:
    async with database.transaction() as tx:
        began = time.perf_counter()
        for shelf in shelves:
            await authorize(tx, actor, PERMISSION, organization_id=None, project_id=shelf.project_id)
        return time.perf_counter() - began


def _actor(place: Installation, reader: Project) -> Actor:
    with Client(place.endpoints.api) as client:
        client.login(reader.email, PASSWORD)
        me = client.common.me.get().user
    user_id = parse_id("usr", me.id) if me else None
    if me is None or user_id is None:
        raise ValueError(me)
    return Actor(user_id, "user", me.email)


def main() -> None:
    """Among fewer, for whoever works on the gateway's speed. Keeps no result."""
    parser = argparse.ArgumentParser(prog="python -m bench.gateway", description="Measure the figures; keep none.")
    parser.add_argument("--crowd", type=int, default=Sizes.crowd, help="resources that are filled in; 300000 at least")
    parser.add_argument("--pages", type=int, default=Sizes.pages, help="pages that are read, with and without a label")
    asked = parser.parse_args()
    for figure in uvloop.run(measure(replace(Sizes(), crowd=asked.crowd, pages=asked.pages))):
        print(figure)


if __name__ == "__main__":
    main()
