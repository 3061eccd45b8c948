"""The OVN engine: one cluster's virtual networks, kept in its northbound database. The only folder that knows ovsdbapp."""

from groundplane.dataplane.providers.ovn.network import OvnNetwork

__all__ = ["OvnNetwork"]
