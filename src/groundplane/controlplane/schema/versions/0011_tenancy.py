"""Row-level security."""

from groundplane.controlplane.schema.migrate import run_sql

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Everything in 0011_tenancy.sql."""
    run_sql("0011_tenancy.sql")
