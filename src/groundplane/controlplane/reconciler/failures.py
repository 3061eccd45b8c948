"""Failed jobs of kinds that no look tells of: what is wanted stays wanted, so it is tried again all the same."""

from collections.abc import Mapping

from groundplane.controlplane.reconciler import drift
from groundplane.controlplane.reconciler.assessment import Difference, assess
from groundplane.controlplane.resources.kind import Kind
from groundplane.controlplane.resources.resource import COLUMNS, Resource
from groundplane.kernel.database import Tx


async def record(tx: Tx, kinds: Mapping[str, Kind]) -> None:
    """Write drift for deletions that failed; whoever holds one of them now will see to it."""
    rows = await tx.fetch(
        f"""SELECT {COLUMNS} FROM resource
            WHERE kind = ANY($1::text[]) AND deleted_at IS NULL AND status = 'error' AND wanted = 'absent'
              AND NOT EXISTS (SELECT FROM change_claim WHERE change_claim.resource_id = resource.id)
              AND NOT EXISTS (SELECT FROM drift WHERE drift.resource_id = resource.id AND resolved_at IS NULL)
            ORDER BY id LIMIT 1000 FOR UPDATE SKIP LOCKED""",  # noqa: S608  # our own columns
        [kind.name for kind in kinds.values() if kind.on_delete is not None and not kind.inventory],
    )
    for row in rows:
        resource = Resource.from_row(row)
        found = assess(kinds[resource.kind], resource, None)
        if isinstance(found, Difference):
            await drift.record(tx, resource, found, "inventory")
