"""Changes that jobs carry on: sent, and waited for by long polls."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from groundplane.sdk.calls import Answer, Call, quoted
from groundplane.sdk.effects import Ask, Steps
from groundplane.sdk.errors import JobFailedError, WaitTimeoutError
from groundplane.sdk.record import decoded
from groundplane.sdk.records import Job, JobStep
from groundplane.sdk.retries import Retries

if TYPE_CHECKING:
    from groundplane.sdk.records import Resource
    from groundplane.sdk.session import Session

WAIT_SECONDS = 600.0
"""How long a wait lasts unless told otherwise."""
POLL_SECONDS = 30.0
"""How long the platform is asked to hold an answer; it takes no more."""
ENDED = frozenset({"SUCCEEDED", "FAILED"})
"""The states in which a job stays."""

OnStep = Callable[[JobStep], object]
"""Called for each new line of a job's history, in order."""

Shape = TypeVar("Shape")


class Sent(TypedDict, total=False):
    """How a change is sent. `idempotency_key`: your own, to make the call again by, after a crash for one."""

    idempotency_key: str | None


class Waited(Sent, total=False):
    """How a change is sent that a job carries on.

    wait     return when the job succeeded; raises JobFailedError, or WaitTimeoutError
    timeout  after so many seconds
    on_step  called for each line of the job's history
    """

    wait: bool
    timeout: float
    on_step: OnStep | None


class Conditional(Waited, total=False):
    """How a change is sent that may be bound to what was read: with `if_match`, the resource (or its ETag) as you know it.

    Somebody else's change in between is refused as ApiError with code `precondition_failed`.
    """

    if_match: "Resource | str | None"


def read(call: Call, shape: type[Shape], how: Sent | None = None) -> Steps[Shape]:
    """The answer as a record. Raises ApiError, ConnectionFailedError."""
    answer: Answer = yield Ask(call, (how or {}).get("idempotency_key"))
    return decoded(answer, shape)


def done(call: Call, how: Sent | None = None) -> Steps[None]:
    """Nothing, when it is done."""
    yield Ask(call, (how or {}).get("idempotency_key"))


def text(call: Call) -> Steps[bytes]:
    """The answer's bytes."""
    answer: Answer = yield Ask(call)
    return answer.content


def settle(call: Call, shape: type[Shape], how: Any, again: str | None) -> Steps[Shape]:
    """A resource that was made or changed; waited for, as it is then, read `again` below the path of its collection."""
    resource: Any = yield from read(_bound(call, how), shape, how)
    if how.get("wait") and resource.job is not None:
        yield from wait(resource.job.href, how.get("timeout", WAIT_SECONDS), how.get("on_step"))
        if again is not None:
            resource = yield from read(Call("GET", f"{again}/{quoted(resource.id)}"), shape)
    settled: Shape = resource
    return settled


def settle_many(call: Call, shape: type[Shape], page: Any, how: Any) -> Steps[Shape]:
    """Resources that were made by one request; waited for, as they are then. Those deleted meanwhile are left out.

    They are read by the page: they may be many.
    """
    bulk: Any = yield from read(call, shape, how)
    if how.get("wait") and bulk.job is not None:
        yield from wait(bulk.job.href, how.get("timeout", WAIT_SECONDS), how.get("on_step"))
        bulk = yield from _read_again(call.path, page, bulk)
    settled: Shape = bulk
    return settled


def wait(href: str, timeout: float, on_step: OnStep | None = None) -> Steps[Job]:
    """The job at `href` once it succeeded; outlasts an API that is away for less than the time that is left."""
    deadline = time.monotonic() + timeout
    told = 0
    while True:
        left = max(0.0, deadline - time.monotonic())
        held = min(POLL_SECONDS, left)
        call = Call("GET", href, query={"wait": round(held, 3), "seen": told}, wait=held)
        answer: Answer = yield Ask(call, retries=Retries(budget=left))
        job = decoded(answer, Job)
        for step in job.steps[told:]:
            if on_step is not None:
                on_step(step)
        told = len(job.steps)
        if job.state in ENDED:
            return _succeeded(job)
        if left == 0:
            raise WaitTimeoutError(f"{job.workflow} ({job.id}) did not end in {timeout:g} s: it is {job.state}, at {job.step}.")


def wait_for(session: "Session", href: str, timeout: float, on_step: OnStep | None = None) -> Job:
    """As `wait`, by a session."""
    return session.run(wait(href, timeout, on_step))


def _succeeded(job: Job) -> Job:
    if job.state == "FAILED":
        raise JobFailedError(job)
    return job


def _bound(call: Call, how: Any) -> Call:
    """With the condition of a change; see docs/decisions/0028 for the tag."""
    known = how.get("if_match")
    if known is None:
        return call
    return call.with_headers({"If-Match": known if isinstance(known, str) else f'"{known.id}-{known.revision}"'})


def _read_again(path: str, page: Any, bulk: Any) -> Steps[Any]:
    wanted: dict[str, Any] = dict.fromkeys(each.id for each in bulk.items)
    left, cursor = len(wanted), None
    while left:
        found = yield from read(Call("GET", path, query={"limit": 200, "cursor": cursor}), page)
        for resource in found.items:
            if resource.id in wanted:
                wanted[resource.id], left = resource, left - 1
        cursor = found.next
        if not cursor:
            break
    return type(bulk)(items=tuple(each for each in wanted.values() if each is not None), job=bulk.job)
