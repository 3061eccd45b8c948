"""What is left of deleted projects ends when nobody can restore them any more: role bindings, quota account, own limits."""

import asyncio
from datetime import timedelta

import structlog

from groundplane.controlplane.audit import AuditEntry, record
from groundplane.controlplane.identity import end_bindings_in
from groundplane.controlplane.resources import project
from groundplane.controlplane.resources.project import PROJECT
from groundplane.kernel.database import Database

log = structlog.get_logger()

PURGE_SECONDS = 60.0


async def purge(database: Database, *, window: timedelta) -> int:
    """One round; how many projects it ended."""
    async with database.transaction() as tx:
        gone = await project.purge(tx, window=window)
        await end_bindings_in(tx, [each.id for each in gone])
        for each in gone:
            record(
                tx,
                AuditEntry(
                    action=PROJECT.permission("purge"), outcome="allowed", actor_id=None, actor_kind="system",
                    organization_id=each.organization_id, project_id=each.id, resource_kind=PROJECT.name, resource_id=each.id,
                    detail={"name": each.name},
                ),
            )  # fmt: skip
    return len(gone)


async def purge_for_ever(database: Database, *, window: timedelta) -> None:
    """`purge` on a period. Any number of workers may."""
    while True:
        try:
            while await purge(database, window=window):
                pass
        except Exception:
            log.exception("purge.failed")
        await asyncio.sleep(PURGE_SECONDS)
