"""The audit log: written with what it tells of, read page by page, never changed."""

import pytest

from groundplane.controlplane.audit import AuditEntry, page, record
from groundplane.kernel.database import Database
from groundplane.kernel.ids import new_id


def _entry(**changes: object) -> AuditEntry:
    values: dict[str, object] = {
        "action": "compute.vm.create",
        "outcome": "allowed",
        "actor_id": new_id(),
        "actor_kind": "user",
        "organization_id": new_id(),
        "project_id": new_id(),
        "resource_kind": "vm",
        "resource_id": new_id(),
        "code": None,
        "request_id": "r-1",
        "trace": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "address": "192.0.2.7",
        "detail": {"name": "web-1"},
    }
    return AuditEntry(**(values | changes))  # type: ignore[arg-type]


async def test_an_entry_is_read_as_it_was_written(database: Database) -> None:
    entry = _entry()
    async with database.transaction() as tx:
        record(tx, entry)
        (event,) = await page(tx, resource_id=entry.resource_id)
    assert {name: getattr(event, name) for name in entry.__dataclass_fields__} == entry.__dict__
    assert event.at.tzinfo is not None


async def test_the_row_goes_with_a_transaction_that_is_undone(database: Database) -> None:
    entry = _entry()

    async def fail() -> None:
        async with database.transaction() as tx:
            record(tx, entry)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    async with database.transaction() as tx:
        assert await page(tx, resource_id=entry.resource_id) == []


async def test_pages_are_filtered_and_newest_first(database: Database) -> None:
    organization, project = new_id(), new_id()
    entries = [_entry(organization_id=organization, project_id=project) for _ in range(5)]
    async with database.transaction() as tx:
        for entry in [*entries, _entry(), _entry(organization_id=organization)]:
            record(tx, entry)
        first = await page(tx, organization_id=organization, project_id=project, limit=3)
        second = await page(tx, organization_id=organization, project_id=project, before=first[-1].id, limit=3)
        assert len(await page(tx, organization_id=organization)) == 6
    assert [event.resource_id for event in [*first, *second]] == [entry.resource_id for entry in reversed(entries)]


@pytest.mark.parametrize("sql", ["UPDATE audit_event SET action = 'x'", "DELETE FROM audit_event", "TRUNCATE audit_event"])
async def test_nobody_changes_history(database: Database, sql: str) -> None:
    async with database.transaction() as tx:
        record(tx, _entry())
    with pytest.raises(Exception, match="append-only"):
        async with database.transaction() as tx:
            await tx.execute(sql)
