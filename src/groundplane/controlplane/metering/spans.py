"""Usage spans: one open span per resource and meter at most, held by a temporal constraint of the database."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from uuid import UUID

from groundplane.kernel.database import Tx


@dataclass(frozen=True)
class Use:
    """What a resource uses from now on, in each meter's own unit; nothing ends all its spans."""

    resource_id: UUID
    organization_id: UUID | None
    project_id: UUID | None
    amounts: Mapping[str, int]


_USES = """
    uses AS (SELECT * FROM jsonb_to_recordset($1) AS
             uses (resource_id uuid, organization_id uuid, project_id uuid, amounts jsonb))
"""


async def set_meters(tx: Tx, uses: Sequence[Use]) -> None:
    """End the spans that are no longer so, and begin new ones.

    The caller holds the resources' row locks. Times are the database's, taken after these locks.
    """
    if not uses:
        return
    rows = [asdict(use) for use in uses]
    await tx.execute(
        f"""WITH {_USES}
            UPDATE usage_span SET during = tstzrange(lower(during), greatest(clock_timestamp(),
                   lower(during) + interval '1 microsecond'))
            FROM uses WHERE usage_span.resource_id = uses.resource_id AND upper_inf(during)
             AND (amounts ->> meter)::bigint IS DISTINCT FROM amount""",  # noqa: S608  # our own words
        rows,
    )
    if any(use.amounts for use in uses):
        await tx.execute(
            f"""WITH {_USES}
                INSERT INTO usage_span (resource_id, meter, amount, organization_id, project_id, during)
                SELECT uses.resource_id, key, value::bigint, uses.organization_id, uses.project_id,
                       tstzrange(clock_timestamp(), NULL)
                FROM uses CROSS JOIN jsonb_each_text(amounts)
                WHERE NOT EXISTS (SELECT FROM usage_span WHERE usage_span.resource_id = uses.resource_id
                                                           AND meter = key AND upper_inf(during))""",  # noqa: S608
            rows,
        )
