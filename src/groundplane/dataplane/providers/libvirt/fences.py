"""What libvirt has no place for: the highest fence of each image and volume, whether it is whole, and all tombstones.

A note is an empty volume in a pool of its own and says everything by its name, `kind.id.fence.mark.time.pool`, so it is
written at once or not at all, needs no transfer, and one call reads them all. The folder can be read by people too.

A change is noted in this order: the new note is created before the old ones are deleted. Of several notes of one resource
that a kill left, the highest fence counts, and among equals `made` before `making` before `gone`.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args
from urllib.parse import quote, unquote
from uuid import UUID

import libvirt

from groundplane.contracts.faults import stale_fence
from groundplane.contracts.specs import SpecKind
from groundplane.dataplane.providers.libvirt.connection import Connection
from groundplane.dataplane.providers.libvirt.pools import FENCES, create_empty, delete_volume, find_pool
from groundplane.dataplane.providers.provider import TOMBSTONE_SECONDS, Context

Mark = Literal["gone", "making", "made"]
"""Removed; begun and perhaps half made; whole. In the order in which they count."""


@dataclass(frozen=True)
class Note:
    """One resource's fence and mark. `pool` is empty for a machine; `at` is in seconds since 1970."""

    kind: SpecKind
    id: UUID
    pool: str
    fence: int
    mark: Mark
    at: int

    @property
    def name(self) -> str:
        """The note as a volume's name."""
        return f"{self.kind}.{self.id}.{self.fence}.{self.mark}.{self.at}.{quote(self.pool, safe='')}"

    @classmethod
    def parsed(cls, name: str) -> "Note | None":
        """Read a volume's name; None for a file that is no note."""
        try:
            kind, resource_id, fence, mark, at, pool = name.split(".", 5)
            if kind not in get_args(SpecKind) or mark not in get_args(Mark):
                return None
            return cls(kind, UUID(resource_id), unquote(pool), int(fence), mark, int(at))  # type: ignore[arg-type]
        except ValueError:
            return None

    @property
    def subject(self) -> tuple[SpecKind, UUID, str]:
        """What the note is about."""
        return self.kind, self.id, self.pool

    @property
    def weight(self) -> tuple[int, int]:
        """Which of two notes about one thing counts."""
        return self.fence, get_args(Mark).index(self.mark)


@dataclass(frozen=True)
class Standing:
    """What is noted of one resource: the note that counts, and the names of all, to be replaced by the next one."""

    note: Note
    names: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether it was made to the end, as far as the notes know."""
        return self.note.mark == "made"

    @property
    def unknown(self) -> bool:
        """Whether nothing is noted at all."""
        return not self.names

    def says(self, fence: int, mark: Mark) -> bool:
        """Whether exactly this is noted, and nothing else."""
        return (self.note.fence, self.note.mark, len(self.names)) == (fence, mark, 1)

    def refuse_older(self, fence: int) -> None:
        """Raise `stale_fence` if a higher fence was here."""
        if self.note.fence > fence:
            raise stale_fence(self.note.fence, fence)


def standing(connect: Any, kind: SpecKind, resource_id: UUID, pool: str = "") -> Standing:
    """Read what is noted of one resource; fence 0 if nothing."""
    beginning, end = f"{kind}.{resource_id}.", f".{quote(pool, safe='')}"
    names = tuple(name for name in _names(connect) if name.startswith(beginning) and name.endswith(end))
    notes = [note for name in names if (note := Note.parsed(name)) is not None and note.pool == pool]
    empty = Note(kind, resource_id, pool, fence=0, mark="gone", at=0)
    return Standing(max(notes, key=lambda note: note.weight, default=empty), tuple(note.name for note in notes))


def write(connect: Any, found: Standing, fence: int, mark: Mark) -> Standing:
    """Put one note in the place of all that was found."""
    new = replace(found.note, fence=fence, mark=mark, at=int(time.time()))
    try:
        create_empty(connect, FENCES, new.name)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_STORAGE_VOL_EXIST:
            raise
    for name in found.names:
        if name != new.name:
            delete_volume(connect, FENCES, name)
    return Standing(new, (new.name,))


async def note(connection: Connection, context: Context, found: Standing, fence: int, mark: Mark) -> Standing:
    """See that one note says this and no other says anything."""
    if found.says(fence, mark):
        return found
    return await connection.change(context, lambda connect: write(connect, found, fence, mark))


def everything(connect: Any) -> list[Note]:
    """Return the note that counts of every resource, and forget tombstones that no task can outlive."""
    best: dict[tuple[SpecKind, UUID, str], Note] = {}
    notes = [note for name in _names(connect) if (note := Note.parsed(name)) is not None]
    for note in notes:
        if note.subject not in best or best[note.subject].weight < note.weight:
            best[note.subject] = note
    forgotten = {subject for subject, note in best.items() if _is_over(note)}
    for note in notes:
        if note.subject in forgotten:
            delete_volume(connect, FENCES, note.name)
    return [note for note in best.values() if note.subject not in forgotten]


def _is_over(note: Note) -> bool:
    return note.mark == "gone" and note.at < time.time() - TOMBSTONE_SECONDS


def _names(connect: Any) -> Iterable[str]:
    pool = find_pool(connect, FENCES)
    names: Iterable[str] = [] if pool is None else pool.listVolumes()
    return names
