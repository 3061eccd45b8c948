"""Who has an address: the ports that were promised it, and what they are plugged into. Reads only."""

from collections.abc import Sequence
from ipaddress import IPv4Address
from uuid import UUID

from groundplane.controlplane.resources.search import FOUND
from groundplane.kernel.database import Row, Tx


async def holders(tx: Tx, address: IPv4Address, *, project_id: UUID | None, limit: int) -> Sequence[Row]:
    """Ports with this address, in a project or (None) anywhere, and the machines that have them."""
    ports = _PORTS_OF_PROJECT if project_id else _PORTS
    return await tx.fetch(
        f"""WITH port AS MATERIALIZED ({ports} LIMIT $2)
            SELECT {FOUND} FROM port JOIN resource ON resource.id = port.id
            UNION ALL SELECT {FOUND} FROM port JOIN link ON target_id = port.id JOIN resource ON resource.id = source_id""",  # noqa: S608
        address,
        limit,
        *([project_id] if project_id else []),
    )


# By the project's subnets, of which each has an address once; and by the ranges that contain it.
_PORTS_OF_PROJECT = """
    SELECT port_id AS id FROM resource AS subnet CROSS JOIN LATERAL (
        SELECT port_id FROM address WHERE subnet_id = subnet.id AND address = $1 OFFSET 0) AS held
    WHERE subnet.project_id = $3 AND subnet.kind = 'subnet' AND subnet.deleted_at IS NULL"""
_PORTS = """
    SELECT port_id AS id FROM subnet_range CROSS JOIN LATERAL (
        SELECT port_id FROM address WHERE subnet_id = subnet_range.subnet_id AND address = $1 OFFSET 0) AS held
    WHERE range >>= $1"""
