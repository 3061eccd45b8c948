"""The first schema."""

from groundplane.controlplane.schema.migrate import run_sql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Everything in 0001_initial.sql."""
    run_sql("0001_initial.sql")
