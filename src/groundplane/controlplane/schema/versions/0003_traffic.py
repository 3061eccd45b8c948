"""Traffic rules."""

from groundplane.controlplane.schema.migrate import run_sql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Everything in 0003_traffic.sql."""
    run_sql("0003_traffic.sql")
