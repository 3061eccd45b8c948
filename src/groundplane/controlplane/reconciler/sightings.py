"""What engines tell at once by their own events: news, a guest's own wish, or a difference. Starts nothing itself."""

from collections.abc import Mapping

from groundplane.contracts.reports import Sighting, State
from groundplane.controlplane.reconciler import drift
from groundplane.controlplane.reconciler.assessment import Difference, Wish, assess
from groundplane.controlplane.resources.kind import Kind
from groundplane.controlplane.resources.resource import COLUMNS, Resource
from groundplane.controlplane.resources.states import StateKeeper
from groundplane.kernel.database import Tx

SEEN = "seen by the engine"


async def apply(tx: Tx, kinds: Mapping[str, Kind], states: StateKeeper, sighting: Sighting) -> bool:
    """Take in one event; True when it told of a difference that was not known."""
    state = sighting.state
    kind = kinds.get(state.kind)
    resource = await _living(tx, state) if kind is not None and kind.inventory else None
    if kind is None or resource is None:
        return False
    seen = state.observed if state.present else None
    if await tx.value("SELECT EXISTS (SELECT FROM change_claim WHERE resource_id = $1)", resource.id):
        if seen is not None:
            await states.observe(tx, resource, seen, reason=SEEN)
        return False
    found = assess(kind, resource, seen)
    if found is None:
        await states.observe(tx, resource, seen or {}, reason=SEEN)
        return False
    return await _take_in(tx, states, resource, found, sighting)


async def _take_in(tx: Tx, states: StateKeeper, resource: Resource, found: Difference | Wish, sighting: Sighting) -> bool:
    reported = await drift.last_report(tx, resource.id)
    if reported is not None and sighting.at <= reported:
        return False  # it happened on the way to what was reported
    observed = sighting.state.observed if sighting.state.present else {}
    if isinstance(found, Wish):
        await follow(tx, states, resource, found, observed)
        return False
    await states.observe(tx, resource, observed, reason=f"{SEEN}: {found.difference}")
    return await drift.record(tx, resource, found, "event")


async def follow(tx: Tx, states: StateKeeper, resource: Resource, wish: Wish, observed: Mapping[str, object]) -> None:
    """Make the wish the spec; it is fulfilled already. Whatever else was wrong is over."""
    row = await tx.one(
        f"""UPDATE resource SET spec = $2, converged_spec = $2, generation = generation + 1,
                   observed_generation = generation + 1, reason = $3
            WHERE id = $1 RETURNING {COLUMNS}""",  # noqa: S608  # our own columns
        resource.id,
        wish.spec,
        wish.reason,
    )
    await states.observe(tx, Resource.from_row(row), observed, reason=wish.reason)
    await drift.resolve(tx, resource.id)


async def _living(tx: Tx, state: State) -> Resource | None:
    """The wanted resource that a state is about; None when the state is older than work that was asked for since.

    That work will report. What vanished took its fence along, and is never too old here.
    """
    row = await tx.row(
        f"""SELECT {COLUMNS} FROM resource
            WHERE id = $1 AND kind = $2 AND wanted = 'present' AND (NOT $3 OR fence <= $4) FOR UPDATE""",  # noqa: S608
        state.id,
        state.kind,
        state.present,
        state.fence,
    )
    return Resource.from_row(row) if row else None
