"""What people decide about drift."""

from groundplane.controlplane.schema.migrate import run_sql

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Everything in 0014_drift_decisions.sql."""
    run_sql("0014_drift_decisions.sql")
