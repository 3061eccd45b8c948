"""A resource as its row says it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from groundplane.kernel.database import Row

Status = Literal["creating", "active", "updating", "deleting", "deleted", "error"]


@dataclass(frozen=True)
class Resource:
    """The common attributes and the kind's own `spec` (what should be) and `observed` (what is)."""

    id: UUID
    kind: str
    organization_id: UUID | None
    project_id: UUID | None
    name: str
    status: Status
    wanted: Literal["present", "absent"]
    labels: dict[str, str]
    spec: dict[str, Any]
    observed: dict[str, Any]
    provider_reference: str | None
    cluster_id: UUID | None
    host_id: UUID | None
    generation: int
    observed_generation: int
    revision: int
    fence: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None

    @classmethod
    def from_row(cls, row: Row | Mapping[str, Any]) -> "Resource":
        """The resource of a row with at least these columns."""
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})


COLUMNS = ", ".join(f"resource.{name}" for name in Resource.__dataclass_fields__)
