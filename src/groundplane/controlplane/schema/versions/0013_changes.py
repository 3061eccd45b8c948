"""What the journal tells of jobs."""

from groundplane.controlplane.schema.migrate import run_sql

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Everything in 0013_changes.sql."""
    run_sql("0013_changes.sql")
