"""Usage spans: one open span per resource and meter at most, held by a temporal constraint of the database."""

from collections.abc import Mapping
from uuid import UUID

from groundplane.kernel.database import Tx


async def set_meters(
    tx: Tx, resource_id: UUID, *, organization_id: UUID | None, project_id: UUID | None, amounts: Mapping[str, int]
) -> None:
    """From now on the resource uses `amounts` (of each meter's own unit); an empty map ends all its spans.

    The caller holds the resource's row lock. Times are the database's, taken after that lock.
    """
    await tx.execute(
        """UPDATE usage_span SET during = tstzrange(lower(during), greatest(clock_timestamp(),
                  lower(during) + interval '1 microsecond'))
           WHERE resource_id = $1 AND upper_inf(during) AND ($2::jsonb ->> meter)::bigint IS DISTINCT FROM amount""",
        resource_id,
        amounts,
    )
    if not amounts:
        return
    await tx.execute(
        """INSERT INTO usage_span (resource_id, meter, amount, organization_id, project_id, during)
           SELECT $1, key, value::bigint, $3, $4, tstzrange(clock_timestamp(), NULL)
           FROM jsonb_each_text($2::jsonb)
           WHERE NOT EXISTS (SELECT FROM usage_span WHERE resource_id = $1 AND meter = key AND upper_inf(during))""",
        resource_id,
        amounts,
        organization_id,
        project_id,
    )
