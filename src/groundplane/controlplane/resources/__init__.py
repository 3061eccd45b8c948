"""The Resource Manager: what a Kind is, the resource table, links, labels, journal, claims, quota. Never imports a kind."""
