"""Quotas of organizations, dimensions that kinds declare, and projects that can be restored."""

from groundplane.controlplane.schema.migrate import run_sql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Everything in 0006_quota.sql."""
    run_sql("0006_quota.sql")
