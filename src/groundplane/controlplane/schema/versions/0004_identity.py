"""Roles, groups, service accounts, bindings that expire, invitations."""

from groundplane.controlplane.schema.migrate import run_sql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Everything in 0004_identity.sql."""
    run_sql("0004_identity.sql")
