"""Jobs: verbs, cancelling, parents, idempotency keys."""

from groundplane.controlplane.schema.migrate import run_sql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Everything in 0002_jobs.sql."""
    run_sql("0002_jobs.sql")
