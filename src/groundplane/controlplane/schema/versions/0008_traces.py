"""Traces."""

from groundplane.controlplane.schema.migrate import run_sql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Everything in 0008_traces.sql."""
    run_sql("0008_traces.sql")
