"""How the command table is made from the API's description, at build time. Never imported by a running command."""

from groundplane.cli.description.making import make_table
from groundplane.cli.description.reference import write_reference

__all__ = ["make_table", "write_reference"]
