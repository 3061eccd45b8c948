"""One operation of a request: its transaction, the authorization decision in it, and its row in the audit log.

Every route goes through here; no route opens a transaction or commits by itself.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog
from fastapi import Request

from groundplane.controlplane.audit import AuditEntry, Outcome, record
from groundplane.controlplane.gateway.auth import current_actor
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.identity import Actor, authorize, require_enabled
from groundplane.kernel.database import Tx
from groundplane.kernel.errors import ForbiddenError, GroundplaneError, UnauthenticatedError
from groundplane.kernel.telemetry import current_trace

log = structlog.get_logger()


@dataclass
class Operation:
    """What a request is doing. Set `resource_kind`, `resource_id` and `detail` (never a secret) for the audit row."""

    services: Services
    request: Request
    actor: Actor
    permission: str | None
    organization_id: UUID | None
    project_id: UUID | None
    mutation: bool
    resource_kind: str | None = None
    resource_id: UUID | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    authorized: bool = False
    _tx: Tx | None = None

    @property
    def tx(self) -> Tx:
        """The open transaction."""
        if self._tx is None:
            raise RuntimeError("outside of the operation's transaction")
        return self._tx

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Authorize, then run the block, then write a mutation's audit row: all in one transaction."""
        async with self.services.database.transaction() as tx:
            self._tx = tx
            try:
                await self._authorize(tx)
                yield
                if self.mutation:
                    await record(tx, self._entry("allowed", None))
            finally:
                self._tx = None

    @asynccontextmanager
    async def refusals_audited(self) -> AsyncIterator[None]:
        """What the block raises is audited in a second, short transaction: a refusal outlives what it undid."""
        try:
            yield
        except GroundplaneError as error:
            if self.mutation or not self.authorized:
                await self._record_refusal(self._outcome(error), error.code)
            raise
        except Exception:
            if self.mutation:
                await self._record_refusal("failed", GroundplaneError.code)
            raise

    async def authorize(self) -> None:
        """Make the decision in a short transaction of its own, before work that must not lie in any."""
        async with self.services.database.transaction() as tx:
            await self._authorize(tx)

    async def _authorize(self, tx: Tx) -> None:
        self.authorized = False
        if self.permission is None:
            await require_enabled(tx, self.actor)
        else:
            scope = {"organization_id": self.organization_id, "project_id": self.project_id}
            await authorize(tx, self.actor, self.permission, **scope)
        self.authorized = True

    def _outcome(self, error: GroundplaneError) -> Outcome:
        denied = not self.authorized or isinstance(error, ForbiddenError | UnauthenticatedError)
        return "denied" if denied else "failed"

    async def _record_refusal(self, outcome: Outcome, code: str) -> None:
        try:
            async with self.services.database.transaction() as tx:
                await record(tx, self._entry(outcome, code))
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
    mutation: bool = False,
) -> AsyncIterator[Operation]:
    """Run the block in one authorized, audited transaction:

        async with operation(services, request, permission="compute.vm.create", organization_id=…, project_id=…,
                             mutation=True) as op:
            outcome = await services.manager.create(op.tx, …, actor_id=op.actor.id)
            op.resource_kind, op.resource_id = "vm", outcome.resource.id

    First the decision is made (`permission` None: any authenticated actor), then the block runs, then a mutation's audit row
    is written, and all commit together. If anything raises, all of it is undone; what was refused leaves an audit row in a
    second transaction: `denied` when the actor may not (401, 403, or 404 for what is not theirs to see), `failed` otherwise.
    Reads leave a row only when they are denied.

    Raises UnauthenticatedError, ForbiddenError, NotFoundError, and whatever the block raises.
    """
    op = Operation(services, request, current_actor(request), permission, organization_id, project_id, mutation)
    async with op.refusals_audited(), op.transaction():
        yield op


@asynccontextmanager
async def attempt(
    services: Services,
    request: Request,
    *,
    permission: str,
    organization_id: UUID | None = None,
    project_id: UUID | None = None,
) -> AsyncIterator[Operation]:
    """A mutation with slow work before its transaction, such as an upload:

        async with attempt(services, request, permission="storage.image.create", …) as op:
            blob = await …                      # authorized, in no transaction
            async with op.transaction():        # authorized again, and audited
                …

    Refusals, those of the slow work too, are audited as in `operation`.
    """
    op = Operation(services, request, current_actor(request), permission, organization_id, project_id, mutation=True)
    async with op.refusals_audited():
        await op.authorize()
        yield op
