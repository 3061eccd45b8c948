"""What is planned while a database is young is carried out when it has grown: no statement may read all of a kind then."""

import json
import re

import pytest
from tests.controlplane.cloud import KINDS_BY_NAME
from tests.controlplane.gateway.conftest import Api
from tests.controlplane.gateway.mutations import SPECS
from tests.controlplane.kinds.scenarios import PREPARATIONS
from tests.plans import Plan, nodes
from tests.statements import all_statements

from groundplane.kernel.database import Database

GROWING = {
    *("resource", "link", "label", "placement", "address", "job", "job_event", "change_claim", "revision", "usage_span"),
    *("audit_event", "idempotency_key"),
}
VAGUE = {"kind", "deleted_at", "status", "wanted", "organization_id"}
"""What very many rows have in common."""
FEW = "kind = 'cluster'"
"""Of these there are few."""
PLANNED = """
    CREATE OR REPLACE FUNCTION pg_temp.planned(statement text) RETURNS text LANGUAGE plpgsql AS $$
        DECLARE plan text;
        BEGIN EXECUTE 'EXPLAIN (GENERIC_PLAN, FORMAT JSON) ' || statement INTO plan; RETURN plan; END $$
"""


def is_vague(node: Plan) -> bool:
    """Does it look for rows of which very many are alike?"""
    if node.get("Relation Name") not in GROWING or "Scan" not in node["Node Type"]:
        return False
    wanted = " ".join(each.get("Index Cond", "") for each in nodes(node))
    return FEW not in wanted and not set(re.findall(r"\((?:\w+\.)?(\w+) (?:=|<|>|IS)", wanted)) - VAGUE


def vague_scans(plan: Plan) -> list[str]:
    """Tables, and the indexes by which they are read."""
    return [f"{node['Relation Name']} by {node.get('Index Name', 'itself')}" for node in nodes(plan) if is_vague(node)]


async def life(api: Api, kind: str) -> None:
    """Everything there is of a resource: its create, its jobs, its removal."""
    plural = KINDS_BY_NAME[kind].plural
    assert (await api.post(f"/{plural}", {"name": "it", "spec": SPECS[kind]})).status_code == 202
    await api.cloud.run()
    assert (await api.call("DELETE", f"{api.project}/{plural}/it")).status_code == 202
    await api.cloud.run()


@pytest.mark.parametrize("kind", sorted(set(SPECS) & set(PREPARATIONS)))
async def test_a_plan_that_was_made_of_a_few_rows_looks_for_few_among_many(
    api: Api, database: Database, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planned in a database of this module's own: what other tests left in one that was lent shows in its plans."""
    await PREPARATIONS[kind](api.cloud)
    with all_statements(monkeypatch) as said:
        await life(api, kind)
    found: dict[str, list[str]] = {}
    async with database.transaction() as tx:
        await tx.connection.execute(PLANNED)
        for statement in dict.fromkeys(said):
            if re.match(r"[\s(]*(SELECT|WITH|INSERT|UPDATE|DELETE)\b", statement):
                planned = await tx.connection.fetchval("SELECT pg_temp.planned($1)", statement)
                found[statement] = vague_scans(json.loads(planned)[0]["Plan"])
    assert len(found) > 10
    assert {statement: scans for statement, scans in found.items() if scans} == {}
