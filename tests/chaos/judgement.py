"""Waits until everything has come to rest, and judges what it has come to."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

from tests.chaos.load import Ledger, promises_of, refusals_of
from tests.invariants import audit_is_exact, refusals_made_nothing, unrest, violations

from groundplane.controlplane.resources.manager import CORRECTION
from groundplane.dataplane.providers.simulated import SimulatedEngine
from groundplane.kernel.database import Database

REST_SECONDS = 150.0
"""How long everything may take to come to rest when no fault strikes any more."""
PATIENCE_SECONDS = 12.0
"""After which waits that are long on purpose (back-off, brake, flapping) are made short."""
STEADY_SECONDS = 5.0
"""So long nothing may stir: longer than two looks."""
TABLES = ("job", "job_event", "resource", "drift", "incident", "report_set_aside")


async def judge(database: Database, engine: SimulatedEngine, ledger: Ledger) -> list[str]:
    """What is wrong once nothing stirs any more, or when it does not come to that."""
    found = [f"no answer came to {wish}: {wish.errors[-8:]}" for wish in ledger.wishes if wish.status is None]
    found += await _come_to_rest(database)
    accepted = {str(wish): ledger.request_ids(wish) for wish in ledger.wishes if wish.accepted}
    refused = {str(wish): ledger.request_ids(wish) for wish in ledger.wishes if wish.refused}
    async with database.transaction() as tx:
        found += await violations(tx, engine, promises_of(ledger))
        found += await refusals_made_nothing(tx, refusals_of(ledger))
        found += await audit_is_exact(tx, accepted, refused, once=ledger.keys_honoured)
    return found


async def explain(database: Database, ledger: Ledger, folder: Path) -> None:
    """Write down what a person needs to understand a violation: tables.json and requests.json."""
    tables: dict[str, list[dict[str, Any]]] = {}
    async with database.transaction() as tx:
        for table in TABLES:
            rows = await tx.fetch(f"SELECT * FROM {table} ORDER BY 1")  # noqa: S608 - our own tables
            tables[table] = [dict(row) for row in rows]
    (folder / "tables.json").write_text(json.dumps(tables, default=str, indent=1))
    wishes = [vars(wish) for wish in ledger.wishes]
    (folder / "requests.json").write_text(json.dumps(wishes, default=str, indent=1))


async def _come_to_rest(database: Database) -> list[str]:
    """Wait until nothing stirs; answers what still does when the time is up."""
    began = time.monotonic()
    quiet_since: float | None = None
    hurry_at = began + PATIENCE_SECONDS
    while True:
        async with database.transaction() as tx:
            stirring = await unrest(tx)
        now = time.monotonic()
        quiet_since = None if stirring else quiet_since or now
        if quiet_since is not None and now - quiet_since > STEADY_SECONDS:
            return []
        if now - began > REST_SECONDS:
            return [f"not at rest after {REST_SECONDS:.0f} s: {each}" for each in stirring]
        if now > hurry_at:
            hurry_at = now + PATIENCE_SECONDS
            await _hurry(database)
        await asyncio.sleep(0.5)


async def _hurry(database: Database) -> None:
    """Waits that get longer with each failure, and the brake's minute, are over at once: nobody has an hour here."""
    async with database.transaction() as tx:
        await tx.execute("UPDATE drift SET next_at = now() WHERE resolved_at IS NULL AND next_at > now()")
        await tx.execute(
            """UPDATE job SET created_at = created_at - interval '1 minute'
               WHERE ended_at > now() - interval '2 minutes' AND reason = $1 AND created_at > now() - interval '1 minute'
                 AND NOT EXISTS (SELECT FROM drift WHERE drift.resource_id = job.resource_id AND resolved_at IS NULL)""",
            CORRECTION,
        )
