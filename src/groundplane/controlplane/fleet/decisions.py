"""What a person decides about drift: correct it now, or let it be for a while. And that a correction was tried."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from groundplane.controlplane.identity import Actor
from groundplane.controlplane.resources.manager import DECIDED_CORRECTION, ResourceManager
from groundplane.kernel.database import Row, Tx
from groundplane.kernel.errors import ConflictError, FieldProblem, InvalidRequestError, NotFoundError

Decided = Literal["correct", "ignore"]


class DriftNotFoundError(NotFoundError):
    """There is no such drift. List what there is."""

    code = "drift_not_found"


class DriftOverError(ConflictError):
    """The drift is over: the resource is as it should be, or gone. List the drift that is open."""

    code = "drift_over"


class NotCorrectableError(ConflictError):
    """Nothing that is wanted corresponds to this, so no job can correct it. Remove it from the engine, or ignore it."""

    code = "drift_not_correctable"


async def decide(
    tx: Tx, manager: ResourceManager, drift_id: UUID, decided: Decided, *, until: datetime | None, reason: str, actor: Actor
) -> Row:
    """Decide about open drift, whatever was decided before; answers its row's id, resource_id and kind.

    `correct` starts the ordinary job at once, whatever the brake says. `ignore`: until then, or (None) as long as it differs
    just so, it is neither corrected nor alerted.

    Raises DriftNotFoundError, DriftOverError, NotCorrectableError, ChangeInProgressError, InvalidRequestError.
    """
    if until is not None and (decided == "correct" or until <= tx.now):
        detail = "Only what is ignored is so until a time" if decided == "correct" else "That time is over already"
        raise InvalidRequestError(errors=[FieldProblem(pointer="/until", detail=f"{detail}. Mend it, or leave it out.")])
    found = await tx.row("SELECT id, resource_id, kind FROM drift WHERE id = $1", drift_id)
    if found is None:
        raise DriftNotFoundError
    # Resources are locked before their drift, as by the reconciler.
    living = "SELECT EXISTS (SELECT FROM resource WHERE id = $1 AND deleted_at IS NULL)"
    resource = await manager.lock(tx, found["resource_id"]) if await tx.value(living, found["resource_id"]) else None
    row = await tx.one("SELECT difference, resolved_at FROM drift WHERE id = $1 FOR UPDATE", drift_id)
    if row["resolved_at"] is not None:
        raise DriftOverError
    await _write(tx, drift_id, decided, until=until, reason=reason, actor=actor)
    if decided == "correct":
        if resource is None or row["difference"] == "orphan":
            raise NotCorrectableError
        kind = manager.kinds[resource.kind]
        job = await manager.correct(tx, kind, resource, actor_id=actor.id, reason=DECIDED_CORRECTION)
        if job is None:
            raise NotCorrectableError
        await correction_started(tx, drift_id, job.id)
    return found


async def _write(tx: Tx, drift_id: UUID, decided: Decided, *, until: datetime | None, reason: str, actor: Actor) -> None:
    await tx.execute(
        """UPDATE drift SET decided = $2, ignored_until = $3, decided_reason = $4, decided_by = $5, decided_by_kind = $6,
                            decided_at = clock_timestamp() WHERE id = $1""",
        drift_id,
        decided,
        until,
        reason,
        actor.id,
        actor.kind,
    )


async def correction_started(tx: Tx, drift_id: UUID, job_id: UUID | None) -> None:
    """A correction was tried (by a job, if it could be started); the next one waits, twice as long each time."""
    await tx.execute(
        """UPDATE drift SET attempts = attempts + 1, job_id = coalesce($2, job_id),
                  next_at = now() + make_interval(secs => least(3600, 5 * 2 ^ least(attempts, 10)))
           WHERE id = $1""",
        drift_id,
        job_id,
    )
