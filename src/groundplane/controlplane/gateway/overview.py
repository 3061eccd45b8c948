"""A project, or the whole platform, at a glance: how much there is and how it is; and anything by what somebody types.

Each sees what they may read of the kinds. Reads only, and never all there is.
"""

import re
from collections.abc import Mapping, Sequence
from ipaddress import AddressValueError, IPv4Address
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from groundplane.controlplane.compute.vm import VM
from groundplane.controlplane.fleet import oversight
from groundplane.controlplane.gateway.kinds import answer, path_scope, scope_parameters
from groundplane.controlplane.gateway.links import ResourceBrief, brief, readable
from groundplane.controlplane.gateway.operation import Operation, operation
from groundplane.controlplane.gateway.oversight import DRIFT_LIST
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.views import View, public
from groundplane.controlplane.identity import permissions_in
from groundplane.controlplane.jobs import figures
from groundplane.controlplane.network import addresses
from groundplane.controlplane.network.port import PORT
from groundplane.controlplane.resources import search
from groundplane.controlplane.resources.kind import Kind
from groundplane.controlplane.resources.organization import ORGANIZATION
from groundplane.controlplane.resources.pages import IN_ORDER
from groundplane.controlplane.resources.project import PROJECT
from groundplane.controlplane.resources.summary import RUNNING, Tally, tallies
from groundplane.kernel.database import Row
from groundplane.kernel.ids import parse_id

SUMMARY_READ = "resources.summary.read"
SEARCH_READ = "resources.search.read"
JOB_LIST = "jobs.job.list"
PROJECT_PATH = "/projects/{project_id}"

Words = Annotated[
    str,
    Query(
        min_length=1,
        max_length=140,
        pattern=r"^[^\x00]*$",
        description="An id, the beginning of a name, a label (`k=v`, or `k`), or an IPv4 address.",
    ),
]
Most = Annotated[int, Query(ge=1, le=50, description="How many at most.")]
Matched = Literal["id", "name", "label", "address"]
_LABEL = re.compile(r"(?P<key>[a-z0-9][a-z0-9._/-]*)(=(?P<value>[A-Za-z0-9._-]*))?")
_BEGINS_NAME = re.compile(r"[a-z0-9-]{1,63}")


class KindSummary(View):
    """How many of a kind there are, and in which statuses."""

    kind: str
    total: int
    statuses: dict[str, int]


class VmSummary(View):
    """How many machines run. `other`: paused, crashed, being made, or not known."""

    running: int
    stopped: int
    other: int


class JobSummary(View):
    """How many jobs have not ended, by state; and how many failed within a day."""

    PENDING: int
    RUNNING: int
    RETRYING: int
    failed_last_day: int


class Summary(View):
    """How much there is and how it is. What one may not read is not there, or null."""

    kinds: list[KindSummary]
    vms: VmSummary | None
    jobs: JobSummary | None
    drift_open: int | None


class FoundResource(ResourceBrief):
    """A resource, and by what it was found."""

    project_id: str | None
    organization_id: str | None
    matched: Matched


class SearchResults(View):
    """What was found: by id, by name (the whole one first), by address, by label."""

    items: list[FoundResource]


def overview_router(services: Services, prefix: str) -> APIRouter:
    """At a glance: of a project (`prefix` is its path), or of the platform."""
    router = APIRouter(prefix=prefix, tags=["overview"])
    kinds = [kind for kind in services.kinds.values() if kind.namespace == "tenant" or not prefix]

    @router.get(
        "/summary", summary="Read how much there is and how it is", operation_id="summary_read", response_model=Summary,
        openapi_extra={"x-permission": SUMMARY_READ, **scope_parameters(prefix)},
    )  # fmt: skip
    async def read_summary(request: Request) -> Response:
        """Counts by kind and status, of machines that run, of jobs, and of drift."""
        scope = path_scope(request)
        async with operation(services, request, permission=SUMMARY_READ, **scope.place) as op:
            return answer(await _summary(op, kinds))

    @router.get(
        "/search", summary="Search for resources", operation_id="search", response_model=SearchResults,
        openapi_extra={"x-permission": SEARCH_READ, **scope_parameters(prefix)},
    )  # fmt: skip
    async def find(request: Request, q: Words, limit: Most = 20) -> Response:
        """By id, by the beginning of the name, by label, by address."""
        scope = path_scope(request)
        async with operation(services, request, permission=SEARCH_READ, **scope.place) as op:
            shown = await readable(op, kinds, operator=not prefix)
            found = await _Search(op, shown, limit).look(q.strip())
        return answer({"items": [_found_view(shown, row, matched) for matched, row in found]})

    return router


async def _summary(op: Operation, kinds: Sequence[Kind]) -> dict[str, Any]:
    shown = await readable(op, kinds, operator=op.project_id is None)
    async with op.tx.unconfined():
        place: dict[str, UUID | None] = {"organization_id": op.organization_id, "project_id": op.project_id}
        permitted = await permissions_in(op.tx, op.actor, [JOB_LIST, DRIFT_LIST], **place)
    counted = await tallies(op.tx, shown.values(), project_id=op.project_id)
    jobs = await figures.counts(op.tx, project_id=op.project_id) if JOB_LIST in permitted else None
    drift = await oversight.open_drift(op.tx, project_id=op.project_id) if DRIFT_LIST in permitted else None
    return {
        "kinds": [{"kind": name, "total": tally.total, "statuses": +tally.statuses} for name, tally in counted.items()],
        "vms": _powers(counted[VM.name]) if VM.name in counted else None,
        "jobs": _jobs(jobs) if jobs is not None else None,
        "drift_open": drift,
    }


def _powers(tally: Tally) -> dict[str, int]:
    running, stopped = tally.powers[RUNNING], tally.powers["stopped"]
    return {"running": running, "stopped": stopped, "other": tally.total - running - stopped}


def _jobs(counts: Mapping[str, int]) -> dict[str, int]:
    states = {state: counts.get(state, 0) for state in ("PENDING", "RUNNING", "RETRYING")}
    return {**states, "failed_last_day": counts.get("FAILED", 0)}


class _Search:
    """One search, of the kinds that may be shown: each way that the words may be meant, in this order, without repetition."""

    def __init__(self, op: Operation, kinds: Mapping[str, Kind], limit: int) -> None:
        self.op = op
        self.kinds = kinds
        self.limit = limit

    async def look(self, words: str) -> list[tuple[Matched, Row]]:
        """What they mean, and what was found by that."""
        await self.op.tx.execute(IN_ORDER)
        found: dict[UUID, tuple[Matched, Row]] = {}
        ways: list[tuple[Matched, Sequence[Row]]] = [
            ("id", await self._by_id(words)),
            ("name", await self._by_name(words.lower())),
            ("address", await self._by_address(words)),
            ("label", await self._by_label(words)),
        ]
        for matched, rows in ways:
            for row in rows:
                if row["kind"] in self.kinds:
                    found.setdefault(row["id"], (matched, row))
        return list(found.values())[: self.limit]

    async def _by_id(self, words: str) -> Sequence[Row]:
        for kind in self.kinds.values():
            if (resource_id := parse_id(kind.prefix, words)) is not None:
                return await search.by_id(self.op.tx, kind.name, resource_id, project_id=self.op.project_id)
        return ()

    async def _by_name(self, words: str) -> Sequence[Row]:
        if not _BEGINS_NAME.fullmatch(words):
            return ()
        rows = await search.by_name(self.op.tx, list(self.kinds), words, project_id=self.op.project_id, limit=self.limit)
        return sorted(rows, key=lambda row: (row["name"] != words, row["name"], row["kind"]))

    async def _by_address(self, words: str) -> Sequence[Row]:
        if PORT.name not in self.kinds:
            return ()
        try:
            address = IPv4Address(words)
        except AddressValueError:
            return ()
        return await addresses.holders(self.op.tx, address, project_id=self.op.project_id, limit=self.limit)

    async def _by_label(self, words: str) -> Sequence[Row]:
        label = _LABEL.fullmatch(words)
        if label is None:
            return ()
        return await search.by_label(
            self.op.tx,
            list(self.kinds),
            label["key"],
            label["value"],
            project_id=self.op.project_id,
            organization_id=self.op.organization_id,
            limit=self.limit,
        )


def _found_view(kinds: Mapping[str, Kind], row: Row, matched: Matched) -> dict[str, Any]:
    return {
        **brief(row, kinds),
        "project_id": public(PROJECT.prefix, row["project_id"]),
        "organization_id": public(ORGANIZATION.prefix, row["organization_id"]),
        "matched": matched,
    }
