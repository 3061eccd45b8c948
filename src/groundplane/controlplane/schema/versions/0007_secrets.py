"""Data keys, and versions of secrets."""

from groundplane.controlplane.schema.migrate import run_sql

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Everything in 0007_secrets.sql."""
    run_sql("0007_secrets.sql")
