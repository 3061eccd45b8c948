"""Resources of one kind in one place: create, read, list, update, delete, act. Knows no kind by name."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from groundplane.sdk.calls import Calls, Labels
from groundplane.sdk.dryrun import DryRuns
from groundplane.sdk.jobs import WAIT_SECONDS, OnStep, wait_for
from groundplane.sdk.paging import pages
from groundplane.sdk.records import Bulk, Change, Json, Resource, Why
from groundplane.sdk.session import Call, Session


class Collection:
    """A kind's resources below a scope. `ref` is a resource's id or name.

    What the platform carries on by a job answers at once. With `wait` the call returns when that job succeeded; it tells
    each line of the job's history to `on_step`, and raises JobFailedError, or WaitTimeoutError after `timeout` seconds.
    All calls raise ApiError and ConnectionFailedError. `dry_run` has the verbs that change something, and only tells what
    they would do: `vms.dry_run.create("web", …)`.
    """

    def __init__(self, session: Session, path: str) -> None:
        self._session = session
        self._path = path
        self._calls = Calls(path)
        self.dry_run = DryRuns(session, self._calls)

    def create(
        self,
        name: str,
        spec: Json | None = None,
        labels: Labels | None = None,
        *,
        idempotency_key: str | None = None,
        wait: bool = False,
        timeout: float = WAIT_SECONDS,
        on_step: OnStep | None = None,
    ) -> Resource:
        """Make one. `spec` says what it should be; kinds whose spec has no required field need none."""
        answer = self._session.json(self._calls.create(name, spec, labels), idempotency_key=idempotency_key)
        return self._settled(answer, wait=wait, timeout=timeout, on_step=on_step)

    def create_many(
        self,
        name: str,
        count: int,
        spec: Json | None = None,
        labels: Labels | None = None,
        *,
        idempotency_key: str | None = None,
        wait: bool = False,
        timeout: float = WAIT_SECONDS,
        on_step: OnStep | None = None,
    ) -> Bulk:
        """Make up to 1000 by one request, NAME-1 to NAME-COUNT, all or none, in a project only.

        With `wait`, the job is the parent of all their jobs; those deleted meanwhile are not among the resources.
        """
        call = self._calls.create_many(name, count, spec, labels)
        bulk = Bulk.from_json(self._session.json(call, idempotency_key=idempotency_key))
        if not wait or bulk.job is None:
            return bulk
        wait_for(self._session, bulk.job.href, timeout, on_step)
        return replace(bulk, resources=self._read_again(bulk.resources))

    def get(self, ref: str) -> Resource:
        """Read one."""
        return Resource.from_json(self._session.json(Call("GET", self._calls.item(ref))))

    def list(self, *, labels: Labels | None = None, name: str | None = None, status: str | None = None) -> Iterator[Resource]:
        """All, oldest first, page by page as they are taken; only those that have all the labels, the name, the status."""
        query = {"label": selector(labels), "name": name, "status": status}
        return map(Resource.from_json, pages(self._session, self._path, query))

    def update(
        self,
        ref: str,
        *,
        name: str | None = None,
        labels: Labels | None = None,
        spec: Json | None = None,
        idempotency_key: str | None = None,
        wait: bool = False,
        timeout: float = WAIT_SECONDS,
        on_step: OnStep | None = None,
    ) -> Resource:
        """Change what is given; labels are replaced as a whole, of the spec only the fields that are said."""
        answer = self._session.json(self._calls.update(ref, name, labels, spec), idempotency_key=idempotency_key)
        return self._settled(answer, wait=wait, timeout=timeout, on_step=on_step)

    def delete(
        self,
        ref: str,
        *,
        idempotency_key: str | None = None,
        wait: bool = False,
        timeout: float = WAIT_SECONDS,
        on_step: OnStep | None = None,
    ) -> Resource:
        """Want it gone. Answers it as it was when that was said; waited for, nothing of it is left when this returns."""
        resource = Resource.from_json(self._session.json(self._calls.delete(ref), idempotency_key=idempotency_key))
        if wait and resource.job is not None:
            wait_for(self._session, resource.job.href, timeout, on_step)
        return resource

    def act(
        self,
        ref: str,
        verb: str,
        *,
        idempotency_key: str | None = None,
        wait: bool = False,
        timeout: float = WAIT_SECONDS,
        on_step: OnStep | None = None,
    ) -> Resource:
        """Do what the kind has a verb for, such as `reboot` of a machine."""
        answer = self._session.json(self._calls.act(ref, verb), idempotency_key=idempotency_key)
        return self._settled(answer, wait=wait, timeout=timeout, on_step=on_step)

    def history(self, ref: str) -> Sequence[Change]:
        """How it came to be what it is, oldest first."""
        return [Change.from_json(each) for each in self._session.json(Call("GET", f"{self._calls.item(ref)}/history"))]

    def why(self, ref: str) -> Why:
        """Why it is as it is, also one that was deleted (by its id); of a name that is not there, why it was refused."""
        return Why.from_json(self._session.json(Call("GET", f"{self._calls.item(ref)}/why")))

    def _read_again(self, resources: Sequence[Resource]) -> tuple[Resource, ...]:
        """As they are now, in the same order. Read by the page: they may be many."""
        found: dict[str, Resource | None] = dict.fromkeys(each.id for each in resources)
        left = len(found)
        for resource in self.list():
            if resource.id in found:
                found[resource.id], left = resource, left - 1
            if not left:
                break
        return tuple(each for each in found.values() if each is not None)

    def _settled(self, answer: Json, *, wait: bool, timeout: float, on_step: OnStep | None) -> Resource:
        resource = Resource.from_json(answer)
        if not wait or resource.job is None:
            return resource
        wait_for(self._session, resource.job.href, timeout, on_step)
        return self.get(resource.id)


def selector(labels: Labels | None) -> str | None:
    """Labels as a query says them: `env=prod,tier=web`."""
    return ",".join(f"{key}={value}" for key, value in labels.items()) if labels else None
