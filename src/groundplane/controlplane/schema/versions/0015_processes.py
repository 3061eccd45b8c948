"""Which processes live."""

from groundplane.controlplane.schema.migrate import run_sql

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Everything in 0015_processes.sql."""
    run_sql("0015_processes.sql")
