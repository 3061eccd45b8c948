"""Jobs: read, waited for by long polls, cancelled, tried again."""

import time
from collections.abc import Callable, Iterator
from urllib.parse import quote

from groundplane.sdk.errors import JobFailedError, WaitTimeoutError
from groundplane.sdk.paging import pages
from groundplane.sdk.records import Job, JobStep
from groundplane.sdk.retries import Retries
from groundplane.sdk.session import Call, Session
from groundplane.sdk.traces import JobTrace

WAIT_SECONDS = 600.0
"""How long a wait lasts unless told otherwise."""
POLL_SECONDS = 30.0
"""How long the platform is asked to hold an answer; it takes no more."""

OnStep = Callable[[JobStep], None]
"""Called for each new line of a job's history, in order."""


class Jobs:
    """The jobs of a project, or all of them for operators."""

    def __init__(self, session: Session, scope: str) -> None:
        self._session = session
        self._path = f"{scope}/jobs"

    def get(self, job_id: str) -> Job:
        """A job with its history. Raises ApiError."""
        return Job.from_json(self._session.json(Call("GET", self._item(job_id))))

    def trace(self, job_id: str) -> JobTrace:
        """Where its time went. Raises ApiError."""
        return JobTrace.from_json(self._session.json(Call("GET", f"{self._item(job_id)}/trace")))

    def list(self, *, resource: str | None = None, parent: str | None = None, state: str | None = None) -> Iterator[Job]:
        """Jobs, newest first, without their histories; only those of a resource, of a parent (their ids), in a state."""
        query = {"resource": resource, "parent": parent, "state": state}
        return map(Job.from_json, pages(self._session, self._path, query))

    def cancel(self, job_id: str, *, idempotency_key: str | None = None) -> Job:
        """Take back what it wanted and have undone what it did. It ends FAILED with code `cancelled`. Raises ApiError."""
        call = Call("POST", f"{self._item(job_id)}/cancel")
        return Job.from_json(self._session.json(call, idempotency_key=idempotency_key))

    def retry(self, job_id: str, *, idempotency_key: str | None = None) -> Job:
        """A job that waits for its next try waits no longer; for one that failed, answers the job that follows it.

        Raises ApiError.
        """
        call = Call("POST", f"{self._item(job_id)}/retry")
        return Job.from_json(self._session.json(call, idempotency_key=idempotency_key))

    def wait(self, job_id: str, timeout: float = WAIT_SECONDS, on_step: OnStep | None = None) -> Job:
        """The job once it succeeded. Seconds. Raises JobFailedError, WaitTimeoutError, ApiError, ConnectionFailedError."""
        return wait_for(self._session, self._item(job_id), timeout, on_step)

    def _item(self, job_id: str) -> str:
        return f"{self._path}/{quote(job_id, safe='')}"


def wait_for(session: Session, href: str, timeout: float, on_step: OnStep | None = None) -> Job:
    """Wait for the job at `href`; outlasts an API that is away for less than the time that is left."""
    deadline = time.monotonic() + timeout
    told = 0
    while True:
        left = max(0.0, deadline - time.monotonic())
        held = min(POLL_SECONDS, left)
        call = Call("GET", href, query={"wait": round(held, 3), "seen": told}, wait=held)
        answer = session.json(call, retries=Retries(budget=left))
        job = Job.from_json(answer)
        for step in job.steps[told:]:
            if on_step is not None:
                on_step(step)
        told = len(job.steps)
        if job.ended:
            return _succeeded(job)
        if left == 0:
            raise WaitTimeoutError(f"{job.workflow} ({job.id}) did not end in {timeout:g} s: it is {job.state}, at {job.step}.")


def _succeeded(job: Job) -> Job:
    if job.state == "FAILED":
        raise JobFailedError(job)
    return job
