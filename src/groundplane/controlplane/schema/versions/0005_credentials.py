"""Sessions, lock-out, second factor, API keys, device flow, single sign-on."""

from groundplane.controlplane.schema.migrate import run_sql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Everything in 0005_credentials.sql."""
    run_sql("0005_credentials.sql")
