"""A cloud whose processes die: every place where one may be killed is counted while it works, and one of them is chosen.

The places: each side of every commit, after each publish, after each operation of an agent, and before each acknowledgement.
Messages stay until they are acknowledged, as in a stream.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from tests.controlplane.cloud import Cloud
from tests.controlplane.kinds.scenarios import Scenario

from groundplane.contracts.reports import Report, State
from groundplane.contracts.tasks import Operation, Stop, Task
from groundplane.kernel.database import Database, Tx

BEFORE_COMMIT, AFTER_COMMIT = "before the commit", "after the commit, before what follows it"
PUBLISHED, STOP_PUBLISHED = "after the publish of a task", "after the publish of a stop"
OPERATED, REPORTED, APPLIED = "after an operation", "reported, task not acknowledged", "applied, report not acknowledged"
PLACES = frozenset({BEFORE_COMMIT, AFTER_COMMIT, PUBLISHED, OPERATED, REPORTED, APPLIED})
"""Those that every job comes past."""

Deed = Callable[[str], Awaitable[None]]


class KilledError(BaseException):
    """Stands for SIGKILL: nobody catches it but the test."""


@dataclass
class Boundaries:
    """Counts places as they are passed, and does the deed at one of them."""

    chosen: int = -1
    deed: Deed | None = None
    skipped: Collection[str] = ()
    passed: list[str] = field(default_factory=list)

    async def reach(self, place: str) -> None:
        """Work has come to a place."""
        if self.deed is None or place in self.skipped:
            return
        self.passed.append(place)
        if len(self.passed) - 1 == self.chosen:
            await self.deed(place)

    @property
    def done(self) -> bool:
        """Was the chosen place reached?"""
        return 0 <= self.chosen < len(self.passed)

    @contextmanager
    def unseen(self) -> Iterator[None]:
        """What happens inside does not count."""
        deed, self.deed = self.deed, None
        try:
            yield
        finally:
            self.deed = deed


async def die(place: str) -> None:
    """A deed: the process is gone."""
    raise KilledError(place)


class MortalDatabase(Database):
    """Passes a place on each side of every commit that changes something."""

    boundaries: Boundaries

    @asynccontextmanager
    async def transaction(self, *, haste: bool = False) -> AsyncIterator[Tx]:
        """See Database."""
        async with super().transaction(haste=haste) as tx:
            yield tx
            await tx.finish()
            if self.boundaries.deed is not None and await tx.value("SELECT pg_current_xact_id_if_assigned() IS NOT NULL"):
                tx.after_commit.insert(0, lambda: self.boundaries.reach(AFTER_COMMIT))
                await self.boundaries.reach(BEFORE_COMMIT)


@dataclass
class MortalCloud(Cloud):
    """Whoever dies is started again, and goes on from what is stored: the database, and messages not acknowledged."""

    mail: list[Report] = field(default_factory=list)
    boundaries: Boundaries = field(default_factory=Boundaries)

    def expect(self, boundaries: Boundaries) -> None:
        """From now on these boundaries count."""
        assert isinstance(self.database, MortalDatabase)
        self.boundaries = self.database.boundaries = boundaries

    async def begin(self, scenario: Scenario) -> UUID:
        """Somebody asks, and asks again if the api died before it had done anything. The job."""
        before, contents = await self.newest_job(), await self._told()
        try:
            await scenario.ask(self)
        except KilledError:
            if await self.newest_job() == before:
                assert await self._told() == contents
                await scenario.ask(self)
        job_id = await self.newest_job()
        assert job_id is not None
        assert job_id != before
        return job_id

    async def newest_job(self) -> UUID | None:
        """The job of the last request."""
        job_id: UUID | None = await self.value("SELECT id FROM job WHERE parent_id IS NULL ORDER BY id DESC LIMIT 1")
        return job_id

    async def finish(self) -> None:
        """Everybody works until no job runs and no message is left."""
        for _ in range(400):
            if self.mail:
                await self._live(self._work)
            elif self.tasks:
                await self._live(self._serve)
            elif await self.value("SELECT count(*) FROM job WHERE ended_at IS NULL"):
                with self.boundaries.unseen():
                    await self.pass_time(61)
                await self._live(self._look_at_jobs)
            else:
                return
        raise AssertionError("it does not come to an end")

    async def _live(self, step: Callable[[], Awaitable[None]]) -> None:
        contents = await self._told()
        try:
            await step()
        except KilledError as death:
            if death.args[0] == BEFORE_COMMIT:
                assert await self._told() == contents

    async def _told(self) -> object:
        """What is stored and what went out."""
        with self.boundaries.unseen():
            return await self.contents(), list(self.tasks), list(self.stops)

    async def _work(self) -> None:
        report = self.mail[0]
        await self.report(report)
        await self.boundaries.reach(APPLIED)
        self.mail.remove(report)

    async def _serve(self) -> None:
        task = self.tasks[0]
        self.mail.append(await self.carry_out(task))
        await self.boundaries.reach(REPORTED)
        self.tasks.remove(task)

    async def _look_at_jobs(self) -> None:
        await self.resume()

    async def operate(self, task: Task, operation: Operation) -> State:
        """See Cloud."""
        state = await super().operate(task, operation)
        await self.boundaries.reach(OPERATED)
        return state

    async def ask(self, task: Task) -> None:
        """See Cloud."""
        await super().ask(task)
        await self.boundaries.reach(PUBLISHED)

    async def stop(self, cluster_id: UUID, stop: Stop) -> None:
        """See Cloud."""
        await super().stop(cluster_id, stop)
        await self.boundaries.reach(STOP_PUBLISHED)


Run = Callable[[Boundaries], Awaitable[None]]


async def at_each_place(cloud: MortalCloud, deed: Deed, run: Run, *, skipped: Collection[str] = ()) -> list[str]:
    """Do `run` again and again, each time in a new project and with the deed at the next place, until there is no further one.

    Answers the places, in their order.
    """
    for number in range(200):
        await cloud.open_project(f"run-{number}")
        boundaries = Boundaries(number, deed, skipped)
        try:
            await run(boundaries)
        except Exception as error:
            error.add_note(f"at place {number} of {boundaries.passed}")
            raise
        finally:
            cloud.expect(Boundaries())
        if not boundaries.done:
            return boundaries.passed
    raise AssertionError("the places have no end")
