"""Who is behind a request."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID


@dataclass(frozen=True)
class Actor:
    """A user, an agent, or the platform itself. `name` is for people: a user's e-mail address."""

    id: UUID
    kind: Literal["user", "agent", "system"]
    name: str
