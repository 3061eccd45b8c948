"""What a workflow is: named steps, each run in a transaction of its own and answering with a move."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from groundplane.contracts.faults import Fault
from groundplane.contracts.specs import Spec, SpecKind
from groundplane.contracts.tasks import Scope

if TYPE_CHECKING:
    from groundplane.controlplane.jobs.job import Job
    from groundplane.kernel.database import Tx


@dataclass(frozen=True)
class Absent:
    """That an engine should hold nothing of this resource. `pool` for what lies in a storage pool."""

    kind: SpecKind
    id: UUID
    pool: str | None = None


Want = Spec | Absent


@dataclass(frozen=True)
class Ask:
    """Ask the agents of a cluster for what should be, in order; then go to `then`. Each ask raises every fence anew.

    `idle`: how long an agent may say nothing. `hard`: how long the whole task may take.
    """

    cluster_id: UUID
    scope: Scope
    wants: Sequence[Want]
    then: str
    idle: timedelta = timedelta(seconds=30)
    hard: timedelta = timedelta(minutes=10)


@dataclass(frozen=True)
class Go:
    """Go on with another step at once, in the same transaction."""

    step: str


@dataclass(frozen=True)
class Wait:
    """Look again after a while."""

    seconds: float


@dataclass(frozen=True)
class Done:
    """What was wanted is there."""


@dataclass(frozen=True)
class Fail:
    """This attempt is over; what is wanted stays wanted."""

    fault: Fault


Move = Ask | Go | Wait | Done | Fail
Step = Callable[["Tx", "Job"], Awaitable[Move]]


@dataclass(frozen=True, eq=False)
class Workflow:
    """A short list of named steps; it begins with the first. A running job finishes on the version it began with.

    `tries` is how often one step is tried before a transient fault ends the job, `longest_pause` the ceiling of the pauses
    between; `deadline` bounds the whole job.
    """

    name: str
    version: int
    steps: Mapping[str, Step]
    tries: int = 6
    longest_pause: timedelta = timedelta(seconds=60)
    deadline: timedelta = timedelta(minutes=30)
    first: str = field(init=False)

    def __post_init__(self) -> None:
        """The first step is where a job begins."""
        object.__setattr__(self, "first", next(iter(self.steps)))


async def done(_tx: "Tx", _job: "Job") -> Move:
    """The last step of most workflows."""
    return Done()


Workflows = Mapping[tuple[str, int], Workflow]


def by_name_and_version(workflows: Sequence[Workflow]) -> Workflows:
    """The workflows that a dispatcher may meet, older versions included."""
    return {(workflow.name, workflow.version): workflow for workflow in workflows}
