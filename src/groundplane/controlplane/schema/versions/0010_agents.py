"""Agents' enrolment."""

from groundplane.controlplane.schema.migrate import run_sql

revision = "0010"
down_revision = "0008"


def upgrade() -> None:
    """Everything in 0010_agents.sql."""
    run_sql("0010_agents.sql")
