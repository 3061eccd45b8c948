"""The order of names."""

from groundplane.controlplane.schema.migrate import run_sql

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Everything in 0012_names.sql."""
    run_sql("0012_names.sql")
