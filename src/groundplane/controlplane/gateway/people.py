"""Who did something, as answered: a public id, and beside it a name that people know."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self
from uuid import UUID

from groundplane.controlplane.identity import SERVICE_ACCOUNT_PREFIX, USER_PREFIX, Person, people_of
from groundplane.kernel.database import Tx
from groundplane.kernel.ids import format_id


@dataclass(frozen=True)
class People:
    """Those who are named by the rows of one answer."""

    known: Mapping[UUID, Person] = field(default_factory=dict)

    @classmethod
    async def of(cls, tx: Tx, ids: Iterable[UUID | None]) -> Self:
        """Look them up, in one query."""
        return cls(await people_of(tx, {each for each in ids if each is not None}))

    def id(self, value: UUID | None) -> str | None:
        """The public id: of a service account where it is known to be one, else of a user."""
        if value is None:
            return None
        person = self.known.get(value)
        return format_id(SERVICE_ACCOUNT_PREFIX if person and person.kind == "service_account" else USER_PREFIX, value)

    def name(self, value: UUID | None) -> str | None:
        """An e-mail address or a service account's name; None for who is not known any more, or not here."""
        person = self.known.get(value) if value is not None else None
        return person.name if person else None
