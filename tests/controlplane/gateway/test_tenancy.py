"""Row-level security: a statement that forgets whose rows it wants gets the tenant's own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import pytest
from tests.controlplane.gateway.conftest import Api
from tests.controlplane.gateway.mutations import ROOT
from tests.controlplane.scenes import prepare

from groundplane.controlplane.gateway.operation import Operation
from groundplane.controlplane.resources.organization import ORGANIZATION, OrganizationSpec
from groundplane.controlplane.resources.scopes import entering
from groundplane.kernel.database import Tx
from groundplane.kernel.ids import new_id
from groundplane.kernel.session import TENANT_ROLE

PLATFORM = {
    "alembic_version": "the schema's own",
    "host_capacity": "the provider's hosts",
    "pool_capacity": "the provider's pools",
    "report_set_aside": "what agents said and nobody understood",
    "inventory_chunk": "what agents said",
    "incident": "the operators'",
    "agent_seen": "the provider's agents",
    "host_seen": "the provider's hosts",
    "process_seen": "the provider's processes",
    "user_account": "people, who belong to no organization",
    "session": "a person's",
    "refresh_token": "a person's",
    "totp": "a person's",
    "recovery_code": "a person's",
    "device_authorization": "a person's",
    "external_identity": "a person's",
    "external_binding": "what a provider of identities said of people",
    "sso_attempt": "nobody's yet",
    "login_failure": "nobody's yet",
    "agent_enrolment": "the provider's agents",
    "agent_credential": "the provider's agents",
    "idempotency_key": "a person's, read before that person is let in anywhere",
    "traffic_rule": "the operators'",
}
"""Tables that hold nothing of a tenant's, and why. All others are under row-level security."""

EVERYBODYS = {
    "resource": "WHERE organization_id IS NOT NULL",
    "quota_limit": "WHERE organization_id IS NOT NULL",
}
"""Rows that every tenant sees are the provider's, and the default limits: these are all others."""


@asynccontextmanager
async def confined(api: Api, organization_id: UUID | None = None) -> AsyncIterator[Tx]:
    """A transaction within an organization."""
    async with api.cloud.database.transaction() as tx:
        tx.within = organization_id or api.cloud.organization_id
        await tx.fetch_along(entering(tx.within, None), "SELECT 1 AS one")
        yield tx


async def tables(api: Api) -> dict[str, bool]:
    """Every table, and whether it is under row-level security."""
    async with api.cloud.database.transaction() as tx:
        rows = await tx.fetch(
            """SELECT relname, relrowsecurity FROM pg_class
               WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace"""
        )
    return {row["relname"]: row["relrowsecurity"] for row in rows}


async def fill(api: Api) -> None:
    """A running machine of the tenant's, asked for by the API, with all that it stands on."""
    await prepare(api.cloud)
    answer = await api.post(
        "/vms", {"name": "web", "labels": {"env": "prod"},
                 "spec": {"vcpus": 1, "memory_mib": 64, "root_volume": ROOT, "nics": [{"network": "lan"}]}}
    )  # fmt: skip
    assert answer.status_code == 202, answer.text
    await api.cloud.run()


async def test_every_table_of_a_tenants_is_under_row_level_security(api: Api) -> None:
    assert {name for name, secured in (await tables(api)).items() if not secured} == set(PLATFORM)


async def test_a_query_without_a_filter_returns_nothing_foreign(api: Api) -> None:
    await fill(api)
    seen: dict[str, int] = {}
    async with confined(api) as tx:
        for table, secured in (await tables(api)).items():
            if secured:
                seen[table] = await tx.value(f"SELECT count(*) FROM {table}")  # noqa: S608
    assert {"resource", "link", "job", "job_event", "revision", "address", "placement", "label"} <= {
        table for table, count in seen.items() if count
    }
    async with confined(api, new_id()) as tx:
        for table in seen:
            found = await tx.value(f"SELECT count(*) FROM {table} {EVERYBODYS.get(table, '')}")  # noqa: S608
            assert found == 0, table


async def test_another_tenants_rows_cannot_be_written(api: Api) -> None:
    await fill(api)
    async with confined(api, new_id()) as tx:
        assert await tx.execute("UPDATE resource SET name = 'mine', reason = 'a theft' WHERE organization_id IS NOT NULL") == 0
        assert await tx.execute("DELETE FROM link") == 0
        assert await tx.execute("UPDATE job SET state = 'RUNNING'") == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with confined(api, new_id()) as tx:
            await tx.execute(
                """INSERT INTO audit_event (organization_id, actor_kind, action, outcome)
                   VALUES ($1, 'user', 'a.lie', 'allowed')""",
                api.cloud.organization_id,
            )


async def test_nobody_gets_out_of_a_tenants_transaction_with_the_tables_he_does_not_own(api: Api) -> None:
    for statement in ("TRUNCATE resource", "ALTER TABLE resource DISABLE ROW LEVEL SECURITY", "DROP POLICY own ON resource",
                      "SELECT password_hash FROM user_account", "SELECT body FROM idempotency_key"):  # fmt: skip
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with confined(api) as tx:
                await tx.execute(statement)
    async with api.cloud.database.transaction() as tx:
        owned = "SELECT count(*) FROM pg_class JOIN pg_roles ON pg_roles.oid = relowner WHERE rolname = $1"
        assert await tx.value(owned, TENANT_ROLE) == 0


async def test_requests_run_in_their_tenants_transaction(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(api)
    roles: list[str] = []
    authorize = Operation._authorize

    async def watched(op: Operation, tx: Tx, along: object = None) -> None:
        await authorize(op, tx, along)  # type: ignore[arg-type]
        roles.append(await tx.value("SELECT current_user::text"))

    monkeypatch.setattr(Operation, "_authorize", watched)
    await api.get("/vms/web")
    await api.post("/networks", {"name": "wan"})
    assert (await api.call("GET", api.organization)).status_code == 200
    assert set(roles) == {TENANT_ROLE}
    roles.clear()
    assert (await api.call("GET", "/api/ops/v1/hosts")).status_code == 200
    assert TENANT_ROLE not in roles


async def test_the_next_transaction_of_a_connection_is_not_confined(api: Api) -> None:
    async with confined(api) as tx:
        assert await tx.value("SELECT current_user::text") == TENANT_ROLE
        async with tx.unconfined():
            pass
    async with api.cloud.database.transaction() as tx:
        assert await tx.value("SELECT current_user::text") != TENANT_ROLE
        assert await tx.value("SELECT tenant()") is None


async def test_an_organizations_kind_is_still_made_by_the_platform(api: Api) -> None:
    other = (await api.cloud.make(ORGANIZATION, OrganizationSpec(), name="other", project=False, organization=False)).resource
    stranger = await api.as_("owner", other.id)
    assert (await stranger.call("GET", api.organization)).status_code == 404
    assert (await stranger.call("GET", api.project + "/vms")).status_code == 404
