"""Who is behind a request, and with what they came."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID


@dataclass(frozen=True)
class Actor:
    """A user, a service account, an agent, or the platform itself. `name` is for people: a user's e-mail address.

    `scopes` are patterns of the permissions that the credential is good for, whatever the roles give; None: for all.
    """

    id: UUID
    kind: Literal["user", "service_account", "agent", "system"]
    name: str
    scopes: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Credential:
    """What a request came with: of which session or API key it is, and until when it is good; None: until that is ended."""

    id: UUID | None
    expires_at: datetime | None
