"""The machines of a host in their order."""

from groundplane.controlplane.schema.migrate import run_sql

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Everything in 0017_machines_of_hosts.sql."""
    run_sql("0017_machines_of_hosts.sql")
