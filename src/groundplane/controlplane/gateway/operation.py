"""One operation of a request: its transaction, the authorization decision in it, and its row in the audit log.

Every route goes through here; no route opens a transaction or commits by itself.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog
from fastapi import Request, Response
from pydantic_core import to_json

from groundplane.controlplane.audit import AuditEntry, Outcome, record
from groundplane.controlplane.gateway import dryrun
from groundplane.controlplane.gateway.auth import current_actor
from groundplane.controlplane.gateway.idempotency import REPLAYED_HEADER, IdempotencyKey, StoredAnswer
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.identity import Actor, Place, authorize, authorize_by, require_enabled
from groundplane.controlplane.resources import scopes
from groundplane.controlplane.resources.kind import Wish
from groundplane.controlplane.resources.references import Sought, know
from groundplane.kernel.database import BeginAloneError, CollisionError, Question, Tx, UntoldRefusalError
from groundplane.kernel.errors import ForbiddenError, GroundplaneError, UnauthenticatedError
from groundplane.kernel.telemetry import belongs_to, current_trace

log = structlog.get_logger()


@dataclass(frozen=True)
class Reply:
    """What a mutation is answered with."""

    body: object
    status: int = 200
    location: str | None = None


@dataclass
class Operation:
    """What a request is doing. Set `resource_kind`, `resource_id` and `detail` (never a secret) for the audit row.

    `organization_id` of a project's operation is known once it is authorized.
    """

    services: Services
    request: Request
    actor: Actor
    permission: str | None
    organization_id: UUID | None
    project_id: UUID | None
    mutation: bool
    dry_run: bool = False
    resource_kind: str | None = None
    resource_id: UUID | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    authorized: bool = False
    _tx: Tx | None = None

    def __post_init__(self) -> None:
        """Keep what the decision is about: work may tell the audit row of another place."""
        self._place = (self.organization_id, self.project_id)

    @property
    def tx(self) -> Tx:
        """The open transaction."""
        if self._tx is None:
            raise RuntimeError("outside of the operation's transaction")
        return self._tx

    @asynccontextmanager
    async def transaction(self, along: Question | None = None, *, haste: bool = False) -> AsyncIterator[Tx]:
        """Authorize, then run the block, all in one transaction. `along` is asked with the decision."""
        async with self.services.database.transaction(haste=haste) as tx:
            self._tx = tx
            try:
                await self._authorize(tx, along)
                yield tx
            finally:
                self._tx = None

    @asynccontextmanager
    async def _shared_transaction(self, wishes: Sequence[Wish]) -> AsyncIterator[Tx]:
        """Authorize, and look for what is referred to, along with others; then run the block in a transaction with others."""
        self.authorized = False
        organization_id, self.project_id = self._place
        place, sought = Place(organization_id, self.project_id), Sought(self.project_id, wishes)
        answers = self.services.standings.of(self.actor, place), self.services.references.of(sought)
        standing, found = await asyncio.gather(*answers)  # at the same time; what was found is nobody's who is refused
        self._let_in(authorize_by(standing, self.actor, self.permission or ""))
        async with self.services.sharing.transaction(self.project_id, within=self.organization_id) as tx:
            know(tx, sought, found)
            self._tx = tx
            try:
                yield tx
            finally:
                self._tx = None

    async def commit(self, work: "Work", fingerprint: bytes | str, *, shared: Sequence[Wish] | None = None) -> Response:
        """Do the work in a transaction, with its audit row and its answer under the request's idempotency key.

        A key that came before is answered as it was then; a dry run is rolled back and answers what would have been done.
        `fingerprint` is the body, or a digest of it. A transaction that met others on its way is begun again, and so is one
        that was refused in haste, to be told why. `shared`: along with others, as far as that goes, and what it refers to, to
        be looked for before; for work that only adds rows and claims.
        """
        key = IdempotencyKey.of(self.request, self.actor.id, fingerprint)
        shared = None if self.dry_run else shared
        again, haste, wishes = ATTEMPTS - 1, True, shared
        while True:
            try:
                return await self._attempt(work, key, haste=haste, wishes=wishes)
            except BeginAloneError:
                wishes = None
            except UntoldRefusalError:
                haste, wishes = False, None
            except GroundplaneError:
                if shared is not None and self.authorized:  # nobody else can keep a project from sharing
                    self.services.sharing.avoid(self.project_id)
                    # What was just done with this very key, in a transaction that was shared, may be what is in the way.
                    if key is not None and (stored := await _recall(self.services, self.actor, key)) is not None:
                        return _replay(stored)
                raise
            except CollisionError:
                if not again:
                    raise
                wishes = None
                again -= 1
                await asyncio.sleep(random.uniform(0, 0.05))  # noqa: S311  # spreads load, guards nothing

    async def _attempt(
        self, work: "Work", key: IdempotencyKey | None, *, haste: bool, wishes: Sequence[Wish] | None
    ) -> Response:
        if self.dry_run:
            return await self._try(work)
        if wishes is None:
            return await self._commit(work, key, haste=haste)
        return await self._commit_shared(work, key, wishes)

    async def _commit(self, work: "Work", key: IdempotencyKey | None, *, haste: bool) -> Response:
        question = key.question() if key else None
        async with self.transaction(question, haste=haste) as tx:
            stored = key.recall(question.answer or {}) if key and question else None
            if stored is not None:
                self.services.sharing.avoid(self.project_id)  # repetitions would take along those who share with them
                return _replay(stored)
            return await self._work(tx, work, key)

    async def _commit_shared(self, work: "Work", key: IdempotencyKey | None, wishes: Sequence[Wish]) -> Response:
        """Without a look for the key before: if it came before something refuses, its constraint at the latest."""
        async with self._shared_transaction(wishes) as tx:
            return await self._work(tx, work, key)

    async def _work(self, tx: Tx, work: "Work", key: IdempotencyKey | None) -> Response:
        """The work, with what is kept of it."""
        reply = await work(self)
        body = to_json(reply.body)
        record(tx, self._entry("allowed", None))
        if key is not None:
            key.keep(tx, StoredAnswer(reply.status, reply.location, body.decode()))
        return _response(body, reply.status, reply.location)

    async def _try(self, work: "Work") -> Response:
        with suppress(_RolledBack):
            async with self.transaction() as tx:
                before = await dryrun.begin(tx, self.project_id)
                reply = await work(self)
                plan = await dryrun.plan(tx, self.services, self.project_id, before, reply.status)
                raise _RolledBack
        return _response(to_json(plan), 200, None)

    @asynccontextmanager
    async def refusals_audited(self) -> AsyncIterator[None]:
        """What the block raises is audited in a second, short transaction: a refusal outlives what it undid."""
        try:
            yield
        except GroundplaneError as error:
            if (self.mutation and not self.dry_run) or not self.authorized:
                self.detail = {**self.detail, "detail": error.detail, "context": error.context}
                await self._record_refusal(self._outcome(error), error.code)
            raise
        except Exception:
            if self.mutation and not self.dry_run:
                await self._record_refusal("failed", GroundplaneError.code)
            raise

    async def authorize(self) -> None:
        """Make the decision in a short transaction of its own, before work that must not lie in any."""
        async with self.services.database.transaction() as tx:
            await self._authorize(tx)

    async def _authorize(self, tx: Tx, along: Question | None = None) -> None:
        self.authorized = False
        if self.permission is None:
            await require_enabled(tx, self.actor)
            await tx.fetch_along(along, "SELECT 1 AS one")
            self.authorized = True
        else:
            organization_id, self.project_id = self._place
            scope = {"organization_id": organization_id, "project_id": self.project_id}
            entering = scopes.entering(organization_id, self.project_id)
            asked = along.along_with(entering) if along else entering
            self._let_in(await authorize(tx, self.actor, self.permission, **scope, along=asked))
            tx.within = self.organization_id
            if along:
                along.answer = asked.answer

    def _let_in(self, organization_id: UUID | None) -> None:
        self.organization_id, self.authorized = organization_id, True
        belongs_to(organization_id, self.project_id)

    def _outcome(self, error: GroundplaneError) -> Outcome:
        denied = not self.authorized or isinstance(error, ForbiddenError | UnauthenticatedError)
        return "denied" if denied else "failed"

    async def _record_refusal(self, outcome: Outcome, code: str) -> None:
        try:
            async with self.services.database.transaction() as tx:
                record(tx, self._entry(outcome, code))
        except Exception:  # the refusal itself must reach the client, and the log has it
            log.exception("audit.lost", action=self.permission, outcome=outcome, code=code, actor=str(self.actor.id))

    def _entry(self, outcome: Outcome, code: str | None) -> AuditEntry:
        return AuditEntry(
            action=self.permission or f"{self.request.method} {self.request.url.path}",
            outcome=outcome,
            actor_id=self.actor.id,
            actor_kind=self.actor.kind,
            organization_id=self.organization_id,
            project_id=self.project_id,
            resource_kind=self.resource_kind,
            resource_id=self.resource_id,
            code=code,
            detail=self.detail,
            **origin(self.request),
        )


Work = Callable[[Operation], Awaitable[Reply]]
ATTEMPTS = 12
"""How often a transaction is begun that others got in the way of: each time that it meets others, one of them gets through."""


class _RolledBack(Exception):  # noqa: N818  # a signal
    """Ends a dry run's transaction."""


async def replay(services: Services, request: Request) -> Response | None:
    """What this actor was answered to this very request before, although its place is gone since; None if it never was."""
    actor = current_actor(request)
    key = IdempotencyKey.of(request, actor.id, await request.body())
    if key is None:
        return None
    stored = await _recall(services, actor, key)
    return _replay(stored) if stored else None


async def _recall(services: Services, actor: Actor, key: IdempotencyKey) -> StoredAnswer | None:
    """What was answered to a key, in a transaction of its own. Raises as `IdempotencyKey.recall`, and InvalidTokenError."""
    question = key.question()
    async with services.database.transaction() as tx:
        await require_enabled(tx, actor)
        await tx.fetch_along(question, "SELECT 1 AS one")
        return key.recall(question.answer or {})


def _replay(stored: StoredAnswer) -> Response:
    response = _response(stored.body, stored.status, stored.location)
    response.headers[REPLAYED_HEADER] = "true"
    return response


def _response(body: bytes | str, status: int, location: str | None) -> Response:
    return Response(body, status, headers={"Location": location} if location else None, media_type="application/json")


def origin(request: Request) -> dict[str, Any]:
    """Where a request comes from, in the audit log's words: request_id, trace, address."""
    return {
        "request_id": request.state.request_id,
        "trace": current_trace(),
        "address": request.client.host if request.client else None,
    }


@asynccontextmanager
async def operation(
    services: Services,
    request: Request,
    *,
    permission: str | None,
    organization_id: UUID | None = None,
    project_id: UUID | None = None,
) -> AsyncIterator[Operation]:
    """Read in one authorized transaction:

        async with operation(services, request, permission="compute.vm.read", project_id=…) as op:
            resource = await store.get(op.tx, …)

    `permission` None: any authenticated actor. A reading that is denied leaves an audit row in a second transaction.

    Raises UnauthenticatedError, ForbiddenError, NotFoundError, and whatever the block raises.
    """
    op = Operation(services, request, current_actor(request), permission, organization_id, project_id, mutation=False)
    async with op.refusals_audited(), op.transaction():
        yield op


async def mutate(
    services: Services,
    request: Request,
    work: Work,
    *,
    permission: str | None,
    organization_id: UUID | None = None,
    project_id: UUID | None = None,
) -> Response:
    """Change something in one authorized, audited transaction, and answer:

        async def work(op: Operation) -> Reply:
            outcome = await services.manager.create(op.tx, …, actor_id=op.actor.id)
            op.resource_kind, op.resource_id = "vm", outcome.resource.id
            return Reply(view(outcome), 202)

        return await mutate(services, request, work, permission="compute.vm.create", project_id=…)

    First the decision is made (`permission` None: any authenticated actor), then an idempotency key is looked for, then the
    work is done, then its audit row and its answer are written, and all commit together. If anything raises, all of it is
    undone; what was refused leaves an audit row in a second transaction: `denied` when the actor may not (401, 403, or 404
    for what is not theirs to see), `failed` otherwise.
    """
    async with attempt(services, request, permission=permission, organization_id=organization_id, project_id=project_id) as op:
        return await op.commit(work, await request.body())


@asynccontextmanager
async def attempt(
    services: Services,
    request: Request,
    *,
    permission: str | None,
    organization_id: UUID | None = None,
    project_id: UUID | None = None,
) -> AsyncIterator[Operation]:
    """A mutation with slow work before its transaction, such as an upload:

        async with attempt(services, request, permission="storage.image.create", …) as op:
            await op.authorize()
            blob = await …                      # authorized, in no transaction
            return await op.commit(work, blob.sha256)

    Refusals, those of the slow work too, are audited.
    """
    dry_run = dryrun.asked_for(request)
    op = Operation(
        services, request, current_actor(request), permission, organization_id, project_id, mutation=True, dry_run=dry_run
    )
    async with op.refusals_audited():
        yield op
