"""Asks the agents for whole inventories. What they answer comes with their other messages."""

from groundplane.contracts.tasks import Look, look_subject
from groundplane.kernel.bus import Bus
from groundplane.kernel.database import Database


async def ask_for_looks(bus: Bus, database: Database) -> None:
    """Ask every cluster once. The time is the database's, so that it compares exactly with when a resource changed."""
    async with database.transaction() as tx:
        asked_at = await tx.value("SELECT clock_timestamp()")
        clusters = await tx.fetch("SELECT id FROM resource WHERE kind = 'cluster' AND deleted_at IS NULL")
    payload = Look(asked_at=asked_at).model_dump_json().encode()
    for cluster in clusters:
        await bus.nats.publish(look_subject(cluster["id"]), payload)
