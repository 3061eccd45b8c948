"""Dry run: what a mutation would make and change, read from the journal of its own transaction, which is then rolled back."""

from collections.abc import Sequence
from typing import Any, Literal
from uuid import UUID

from fastapi import Request
from pydantic import Field

from groundplane.controlplane.fleet.host import HOST
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.views import View
from groundplane.controlplane.resources import quota
from groundplane.kernel.database import Row, Tx
from groundplane.kernel.errors import InvalidRequestError

PARAMETER = "dry_run"
LOCK_TIMEOUT = "2s"
_MOST = 100
_TOLD = ("name", "status", "wanted", "labels", "spec")

Usage = Sequence[quota.Account]
"""The accounts of a project and of its organization."""


class PlannedResource(View):
    """A resource that would be made or changed; `changes` are its fields as they would be."""

    id: str
    kind: str
    name: str
    host_id: str | None = Field(description="The host that would be chosen.")
    host_name: str | None
    changes: dict[str, Any]


class PlannedJob(View):
    """A job that would be started, and the steps of its workflow."""

    workflow: str
    resource_id: str
    steps: list[str]


class QuotaEffect(View):
    """What a dimension of a quota would be."""

    used: int
    after: int
    limit: int | None = Field(description="null: without limit.")


class DryRunView(View):
    """What the request would do. Nothing of it was done. At most a hundred of each sort are listed."""

    dry_run: Literal[True]
    status: int = Field(description="The status that the request would be answered with.")
    created_count: int
    created: list[PlannedResource]
    changed_count: int
    changed: list[PlannedResource]
    jobs_count: int
    jobs: list[PlannedJob]
    quota: dict[str, QuotaEffect] = Field(description="The dimensions of the project's quota that would change.")
    organization_quota: dict[str, QuotaEffect] = Field(description="Those of its organization's quota.")


def asked_for(request: Request) -> bool:
    """Is the request only to be tried? Raises InvalidRequestError."""
    text = request.query_params.get(PARAMETER)
    if text in {None, "false"}:
        return False
    if text == "true":
        return True
    raise InvalidRequestError(f"{PARAMETER} is true or false. Send ?{PARAMETER}=true to see what the request would do.")


async def begin(tx: Tx, project_id: UUID | None) -> Usage:
    """Do not wait long for others; what the project and its organization use before."""
    await tx.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    return await _usage(tx, project_id)


async def _usage(tx: Tx, project_id: UUID | None) -> Usage:
    """Nothing outside of projects, and nothing of a project that would be gone."""
    return await quota.accounts_of_project(tx, project_id) if project_id else ()


async def plan(tx: Tx, services: Services, project_id: UUID | None, before: Usage, status: int) -> dict[str, Any]:
    """What this transaction has done so far, in DryRunView's shape; every deferred constraint is checked."""
    await tx.finish()
    await tx.execute("SET CONSTRAINTS ALL IMMEDIATE")
    rows = await tx.fetch(
        """SELECT DISTINCT ON (entity_id) entity, entity_id, revision.kind, revision.state, revision.revision = 1 AS made,
                  resource.name, host.id AS host_id, host.name AS host_name,
                  job.version, job.resource_kind, job.resource_id
           FROM revision LEFT JOIN resource ON resource.id = entity_id
                         LEFT JOIN resource AS host ON host.id = resource.host_id
                         LEFT JOIN job ON job.id = entity_id
           WHERE transaction_id = pg_current_xact_id() ORDER BY entity_id, sequence"""
    )
    created = [row for row in rows if row["entity"] == "resource" and row["made"]]
    changed = [row for row in rows if row["entity"] == "resource" and not row["made"]]
    jobs = [row for row in rows if row["entity"] == "job"]
    effects = _effects(before, await _usage(tx, project_id) if before else ())
    return {
        "dry_run": True,
        "status": status,
        "created_count": len(created),
        "created": [_resource(services, row) for row in created[:_MOST]],
        "changed_count": len(changed),
        "changed": [_resource(services, row) for row in changed[:_MOST]],
        "jobs_count": len(jobs),
        "jobs": [_job(services, row) for row in jobs[:_MOST]],
        "quota": effects.get("project", {}),
        "organization_quota": effects.get("organization", {}),
    }


def _effects(before: Usage, after: Usage) -> dict[str, dict[str, Any]]:
    """By whose quota it is, what changes of it."""
    used = {account.scope_id: account.used for account in before}
    return {
        account.of: {
            name: {"used": used[account.scope_id].get(name, 0), "after": amount, "limit": account.limits.get(name)}
            for name, amount in account.used.items()
            if amount != used[account.scope_id].get(name, 0)
        }
        for account in after
    }


def _resource(services: Services, row: Row) -> dict[str, Any]:
    return {
        "id": services.kinds[row["kind"]].public_id(row["entity_id"]),
        "kind": row["kind"],
        "name": row["name"],
        "host_id": HOST.public_id(row["host_id"]) if row["host_id"] else None,
        "host_name": row["host_name"],
        "changes": {name: value for name, value in row["state"].items() if name in _TOLD},
    }


def _job(services: Services, row: Row) -> dict[str, Any]:
    return {
        "workflow": row["kind"],
        "resource_id": services.kinds[row["resource_kind"]].public_id(row["resource_id"]),
        "steps": list(services.manager.engine.workflows[row["kind"], row["version"]].steps),
    }
