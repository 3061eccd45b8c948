"""What the timeline of a resource reads of the tables address and subnet_range. Changes nothing."""

from collections.abc import Sequence
from uuid import UUID

from groundplane.kernel.database import Tx


async def addresses(tx: Tx, resource_id: UUID) -> Sequence[str]:
    """What the resource holds of a network: a port's address, a subnet's range."""
    rows = await tx.fetch(
        """SELECT host(address) AS held FROM address WHERE port_id = $1
           UNION ALL SELECT range::text FROM subnet_range WHERE subnet_id = $1 ORDER BY held""",
        resource_id,
    )
    return [row["held"] for row in rows]
