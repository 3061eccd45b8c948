"""What summaries count."""

from groundplane.controlplane.schema.migrate import run_sql

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Everything in 0016_summary.sql."""
    run_sql("0016_summary.sql")
