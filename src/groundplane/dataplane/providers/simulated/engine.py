"""The simulated engine itself: what its hosts and networks hold, in one SQLite file shared by all agent processes.

It outlives any of them, remembers fences and tombstones, and is changed from outside by the `outside_` methods, as a
person with a hypervisor's own tools would. It checks no capacity and promises nothing after a power cut.
"""

import json
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from pydantic import JsonValue

from groundplane.contracts.faults import stale_fence
from groundplane.contracts.reports import State
from groundplane.contracts.specs import Spec, SpecKind, VmSpec
from groundplane.dataplane.providers.provider import TOMBSTONE_SECONDS
from groundplane.dataplane.providers.simulated.feed import Feed, Listeners
from groundplane.dataplane.providers.simulated.injections import Injections

BUSY_SECONDS = 30
EVENTS_KEPT = 50_000
EVENTS_DROPPED_AT_ONCE = 1_000

Observed = dict[str, JsonValue]


class Key(NamedTuple):
    """What a resource is found by. An image has a copy, and so a key, in each pool."""

    scope: str
    kind: SpecKind
    id: UUID
    pool: str = ""


@dataclass(frozen=True, slots=True)
class Resource:
    """A row of the engine: a resource, or its tombstone. `spec` is JSON; `boots` counts a machine's starts and reboots."""

    key: Key
    fence: int
    present: bool
    spec: str
    observed: Observed
    boots: int
    changed_at: float


class SimulatedEngine:
    """Open or create the engine in the file `path`. `clock` gives seconds since the epoch, `seed` fixes the chances."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time, seed: int | None = None) -> None:
        self._clock = clock
        self._database = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        self._database.row_factory = sqlite3.Row
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.executescript(files(__package__).joinpath("schema.sql").read_text())
        self._database.execute("DELETE FROM resource WHERE present = 0 AND changed_at < ?", (clock() - TOMBSTONE_SECONDS,))
        self.injections = Injections(self._database, random.Random(seed))  # noqa: S311 - chance, not secrecy
        self._feed = Feed(self._database)

    def close(self) -> None:
        """Let go of the file; what it holds stays."""
        self._feed.close()
        self._database.close()

    # What the views are made of.

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One change, whole or not at all, alone among all processes."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def find(self, key: Key) -> Resource | None:
        """The resource or its tombstone; None when never seen or forgotten."""
        row = self._database.execute(
            "SELECT * FROM resource WHERE kind = ? AND id = ? AND scope = ? AND pool = ?",
            (key.kind, str(key.id), key.scope, key.pool),
        ).fetchone()
        found = None if row is None else _resource(row)
        if found and not found.present and found.changed_at < self._clock() - TOMBSTONE_SECONDS:
            return None
        return found

    def find_newer_than_none(self, key: Key, fence: int) -> Resource | None:
        """As `find`, but raise `stale_fence` when a newer task than `fence` was here before."""
        found = self.find(key)
        if found is not None and found.fence > fence:
            raise stale_fence(found.fence, fence)
        return found

    def holds(self, kind: SpecKind, resource_id: UUID, scope: str | None = None, pool: str = "") -> bool:
        """Is the resource present in this scope and pool, or (no scope) anywhere?"""
        found = self._database.execute(
            "SELECT 1 FROM resource WHERE kind = ?1 AND id = ?2 AND (?3 IS NULL OR scope = ?3 AND pool = ?4) AND present = 1",
            (kind, str(resource_id), scope, pool),
        )
        return found.fetchone() is not None

    def runs_with(self, volume: Key) -> bool:
        """Is the volume a disk of a running machine of its host?"""
        machines = self._database.execute(
            "SELECT spec FROM resource WHERE scope = ? AND present = 1 AND kind = 'vm'"
            " AND json_extract(observed, '$.power') = 'running' AND instr(spec, ?)",
            (volume.scope, str(volume.id)),
        )
        wanted = (volume.id, volume.pool)
        return any(
            wanted == (disk.volume_id, disk.pool) for (spec,) in machines for disk in VmSpec.model_validate_json(spec).disks
        )

    def has_clones(self, image: Key) -> bool:
        """Do volumes of its pool stand on the image?"""
        found = self._database.execute(
            "SELECT 1 FROM resource WHERE scope = ? AND present = 1 AND kind = 'volume' AND pool = ?"
            " AND json_extract(spec, '$.source.image_id') = ?",
            (image.scope, image.pool, str(image.id)),
        )
        return found.fetchone() is not None

    def find_anywhere(self, kind: SpecKind, resource_id: UUID) -> Resource | None:
        """The present resource of this id, whatever host or network has it."""
        row = self._database.execute(
            "SELECT * FROM resource WHERE kind = ? AND id = ? AND present = 1 LIMIT 1", (kind, str(resource_id))
        ).fetchone()
        return None if row is None else _resource(row)

    def hold(self, key: Key, fence: int, spec: Spec, observed: Observed, boots: int = 0) -> State:
        """Write what the engine holds now."""
        self._write(key, fence, spec=spec.model_dump_json(), observed=observed, boots=boots)
        return State(kind=key.kind, id=key.id, fence=fence, observed=observed)

    def bury(self, key: Key, fence: int) -> State:
        """Leave the tombstone of a resource."""
        self._write(key, fence, present=False)
        return State(kind=key.kind, id=key.id, present=False, fence=fence)

    def observe(self, scope: str, kinds: tuple[SpecKind, ...]) -> list[State]:
        """Everything present of these kinds in one scope."""
        rows = self._database.execute(
            f"SELECT kind, id, fence, observed FROM resource WHERE scope = ? AND present = 1"  # noqa: S608
            f" AND kind IN ({', '.join('?' * len(kinds))})",
            (scope, *kinds),
        )
        return [
            State(kind=kind, id=UUID(text), fence=fence, observed=json.loads(observed)) for kind, text, fence, observed in rows
        ]

    def count(self, scope: str, kind: SpecKind) -> int:
        """How many present resources of one kind a scope holds."""
        row = self._database.execute(
            "SELECT count(*) FROM resource WHERE scope = ? AND kind = ? AND present = 1", (scope, kind)
        ).fetchone()
        return int(row[0])

    def plug(self, port_id: UUID, *, up: bool) -> None:
        """A machine's card comes onto a port or leaves it; the network engine tells so by an event."""
        if up:
            self._database.execute("INSERT OR IGNORE INTO card VALUES (?)", (str(port_id),))
        else:
            self._database.execute("DELETE FROM card WHERE port_id = ?", (str(port_id),))
        port = self.find_anywhere("port", port_id)
        if port is not None and port.observed["up"] != up:
            observed = {**port.observed, "up": up}
            self._update(port, observed=observed)
            self.tell(port.key.scope, State(kind="port", id=port_id, fence=port.fence, observed=observed))

    def is_plugged(self, port_id: UUID) -> bool:
        """Does a running machine's card sit on the port?"""
        found = self._database.execute("SELECT 1 FROM card WHERE port_id = ?", (str(port_id),))
        return found.fetchone() is not None

    def image_is_checked(self, sha256: str, size_bytes: int) -> bool:
        """Were these bytes fetched and found right before, by whatever host?"""
        found = self._database.execute("SELECT 1 FROM checked_image WHERE sha256 = ? AND size_bytes = ?", (sha256, size_bytes))
        return found.fetchone() is not None

    def image_was_checked(self, sha256: str, size_bytes: int) -> None:
        """Remember that these bytes were fetched and found right."""
        self._database.execute("INSERT OR IGNORE INTO checked_image VALUES (?, ?)", (sha256, size_bytes))

    def tell(self, scope: str, state: State) -> None:
        """Put an event on the feed of all agents, unless an injection loses it."""
        if self.injections.draw("event", state.kind, scope, str(state.id)).lost_event:
            return
        cursor = self._database.execute("INSERT INTO event (scope, state) VALUES (?, ?)", (scope, state.model_dump_json()))
        sequence = cursor.lastrowid or 0
        if sequence % EVENTS_DROPPED_AT_ONCE == 0:
            self._database.execute("DELETE FROM event WHERE sequence <= ?", (sequence - EVENTS_KEPT,))

    def listeners(self, scope: str, kinds: tuple[SpecKind, ...]) -> Listeners:
        """A view's own part of the event feed."""
        return Listeners(self._feed, scope, kinds)

    # What tests and operators ask and do behind the platform's back.

    def resources(self, *, scope: UUID | None = None, kind: SpecKind | None = None, tombstones: bool = False) -> list[Resource]:
        """What the engine really holds; `scope` is a host's id, or a cluster's for its networks."""
        rows = self._database.execute(
            "SELECT * FROM resource WHERE present >= ?1 AND (?2 IS NULL OR scope = ?2) AND (?3 IS NULL OR kind = ?3)",
            (0 if tombstones else 1, None if scope is None else str(scope), kind),
        )
        return [_resource(row) for row in rows]

    def outside_destroy(self, vm_id: UUID) -> None:
        """A person pulls a machine's plug on its host."""
        self._power(vm_id, {"power": "stopped", "stopped_by": "host"})

    def outside_shutdown(self, vm_id: UUID) -> None:
        """A guest powers itself off."""
        self._power(vm_id, {"power": "stopped", "stopped_by": "guest"})

    def outside_crash(self, vm_id: UUID) -> None:
        """A machine's process dies."""
        self._power(vm_id, {"power": "stopped", "stopped_by": "crash"})

    def outside_start(self, vm_id: UUID) -> None:
        """A person starts a machine on its host."""
        self._power(vm_id, {"power": "running"})

    def outside_delete(self, kind: SpecKind, resource_id: UUID) -> None:
        """A person deletes a resource: without a tombstone, its fence forgotten with it."""
        with self.transaction():
            found = self._existing(kind, resource_id)
            if found.key.kind == "vm":
                self._unplug(found)
            self._database.execute("DELETE FROM resource WHERE kind = ? AND id = ?", (kind, str(resource_id)))
            self.tell(found.key.scope, State(kind=kind, id=resource_id, present=False))

    def outside_create(self, scope: UUID, spec: Spec, observed: Observed | None = None, pool: str = "") -> None:
        """A person makes something that the platform never asked for."""
        with self.transaction():
            key = Key(str(scope), spec.kind, spec.id, pool)
            self.tell(key.scope, self.hold(key, 0, spec, observed or {}))

    def _power(self, vm_id: UUID, power: Observed) -> None:
        with self.transaction():
            found = self._existing("vm", vm_id)
            kept = {name: value for name, value in found.observed.items() if name not in {"power", "stopped_by"}}
            observed = {**kept, **power}
            starts = power["power"] == "running" and found.observed["power"] != "running"
            self._update(found, observed=observed, boots=found.boots + starts)
            for nic in VmSpec.model_validate_json(found.spec).nics:
                self.plug(nic.port_id, up=power["power"] == "running")
            self.tell(found.key.scope, State(kind="vm", id=vm_id, fence=found.fence, observed=observed))

    def _unplug(self, vm: Resource) -> None:
        for nic in VmSpec.model_validate_json(vm.spec).nics:
            self.plug(nic.port_id, up=False)

    def _existing(self, kind: SpecKind, resource_id: UUID) -> Resource:
        found = self.find_anywhere(kind, resource_id)
        if found is None:
            raise LookupError(f"The simulated engine holds no {kind} {resource_id}.")
        return found

    def _update(self, found: Resource, observed: Observed, boots: int | None = None) -> None:
        self._database.execute(
            "UPDATE resource SET observed = ?, boots = ?, changed_at = ? WHERE kind = ? AND id = ? AND scope = ? AND pool = ?",
            (
                json.dumps(observed),
                found.boots if boots is None else boots,
                self._clock(),
                found.key.kind,
                str(found.key.id),
                found.key.scope,
                found.key.pool,
            ),
        )

    def _write(
        self,
        key: Key,
        fence: int,
        *,
        present: bool = True,
        spec: str = "{}",
        observed: Observed | None = None,
        boots: int = 0,
    ) -> None:
        self._database.execute(
            "INSERT OR REPLACE INTO resource (kind, id, scope, pool, fence, present, spec, observed, boots, changed_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                key.kind,
                str(key.id),
                key.scope,
                key.pool,
                fence,
                present,
                spec,
                json.dumps(observed or {}),
                boots,
                self._clock(),
            ),
        )


def _resource(row: sqlite3.Row) -> Resource:
    return Resource(
        key=Key(row["scope"], row["kind"], UUID(row["id"]), row["pool"]),
        fence=row["fence"],
        present=bool(row["present"]),
        spec=row["spec"],
        observed=json.loads(row["observed"]),
        boots=row["boots"],
        changed_at=row["changed_at"],
    )
