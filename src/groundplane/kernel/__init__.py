"""Ids, errors, clock, settings, database, bus, secrets, telemetry: what every part stands on. Knows no noun of the domain."""
