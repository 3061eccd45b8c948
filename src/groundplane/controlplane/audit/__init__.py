"""The audit log: a row for each mutation, in its transaction, and for each refusal. Append-only; knows ids, no nouns."""

from groundplane.controlplane.audit.requests import batches, refusals_of_name, requests_of_traces
from groundplane.controlplane.audit.trail import AuditEntry, AuditEvent, Outcome, page, record

__all__ = ["AuditEntry", "AuditEvent", "Outcome", "batches", "page", "record", "refusals_of_name", "requests_of_traces"]
