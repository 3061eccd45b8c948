"""Which fields of an answer a table shows, where no declaration of a kind says it. Wide tables show all plain fields."""

from collections.abc import Mapping

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "ApiKeyView": ("name", "id", "scopes", "expires_at", "last_used_at", "revoked_at"),
    "AuditEventView": ("at", "action", "outcome", "code", "resource_id", "actor_name", "address"),
    "BindingView": ("id", "role", "subject_name", "project_id", "expires_at"),
    "BuiltInRoleView": ("name", "levels", "summary"),
    "DriftView": ("id", "difference", "resource_kind", "resource_name", "decision", "attempts", "detected_at", "resolved_at"),
    "FoundResource": ("kind", "name", "status", "matched", "id"),
    "GroupView": ("name", "id", "description", "created_at"),
    "HistoryEntry": ("at", "revision", "reason", "changed_by_name", "job_id"),
    "HostHealth": ("host_name", "host_id", "silent_seconds", "agent", "seen_at"),
    "IncidentView": ("id", "code", "subject_kind", "subject_id", "detail", "opened_at", "closed_at"),
    "InvitationView": ("email", "id", "role", "status", "expires_at"),
    "JobView": ("id", "workflow", "resource_id", "state", "step", "attempt", "created_at", "ended_at"),
    "MemberView": ("email", "name", "user_id", "added_at"),
    "RoleView": ("name", "id", "permissions", "description"),
    "SecretVersion": ("version", "created_at", "destroyed_at"),
    "ServiceAccountView": ("name", "id", "project_id", "description", "disabled_at", "created_at"),
    "SessionView": ("id", "address", "user_agent", "method", "created_at", "last_used_at"),
    "TrafficRule": ("id", "action", "limit", "kind", "verbs", "held_jobs", "expires_at", "reason"),
    "UserView": ("email", "name", "id", "disabled_at", "created_at"),
}
"""By the name of the item's schema, in their order; a name that the schema does not have is left out."""
