"""What engines tell at once by their own events: news, a guest's own wish, or a difference. Starts nothing itself."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from groundplane.contracts.reports import Sighting, State
from groundplane.controlplane.reconciler import drift
from groundplane.controlplane.reconciler.assessment import Difference, Wish, assess
from groundplane.controlplane.resources import store
from groundplane.controlplane.resources.kind import Kind
from groundplane.controlplane.resources.resource import COLUMNS, Resource
from groundplane.controlplane.resources.states import StateKeeper
from groundplane.kernel.database import Row, Tx

SEEN = "seen by the engine"


async def apply(tx: Tx, kinds: Mapping[str, Kind], states: StateKeeper, sightings: Sequence[Sighting]) -> bool:
    """Take in events, in their order; True when one told of a difference that was not known.

    Most are about what a job is changing, or tell nothing that matters: those are written behind, all at once.
    """
    watched = [each for each in sightings if (kind := kinds.get(each.state.kind)) is not None and kind.inventory]
    rows = await _lock(tx, [each.state.id for each in watched])
    held = states.these(tx, [Resource.from_row(row) for row in rows.values()])
    news = False
    for sighting in watched:
        row = rows.get(sighting.state.id)
        if row is None or not _speaks_of(row, sighting.state):
            continue
        resource = held.resources[row["id"]]
        seen = sighting.state.observed if sighting.state.present else None
        found = None if row["changing"] else assess(kinds[resource.kind], resource, seen)
        if found is not None:
            news |= await _take_in(tx, states, resource, found, sighting)
            held.resources[resource.id] = await store.load(tx, resource.id)
        elif seen is not None or not row["changing"]:
            held.observe(resource, seen or {}, reason=SEEN)
    await held.close()
    return news


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


async def _lock(tx: Tx, resource_ids: Sequence[UUID]) -> Mapping[UUID, Row]:
    """The wanted ones of these resources, held against changes; `changing`: a job is at work on it."""
    rows = await tx.fetch(
        f"""SELECT {COLUMNS}, EXISTS (SELECT FROM change_claim WHERE resource_id = resource.id) AS changing
            FROM resource WHERE id = ANY($1::uuid[]) AND wanted = 'present'
            ORDER BY id FOR NO KEY UPDATE""",  # noqa: S608  # our own columns
        list(resource_ids),
    )
    return {row["id"]: row for row in rows}


def _speaks_of(row: Row, state: State) -> bool:
    """Is the state about this resource, and no older than work that was asked for since? That work will report.

    What vanished took its fence along, and is never too old here.
    """
    return bool(row["kind"] == state.kind and (not state.present or row["fence"] <= state.fence))
