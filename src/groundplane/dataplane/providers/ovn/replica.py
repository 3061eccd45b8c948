"""The copy of the northbound database in memory, and what of it is ours. It reads; it never changes the database.

All of it lives in ovsdbapp's connection thread (before that thread runs: in the one that connects).
"""

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from ovs.db.data import Atom
from ovs.db.types import UuidType
from ovsdbapp.backend.ovs_idl import connection, idlutils
from pydantic import JsonValue

from groundplane.contracts.reports import State
from groundplane.contracts.specs import SpecKind
from groundplane.dataplane.providers.ovn.labels import (
    KINDS,
    TABLES,
    TOMBSTONES,
    Placement,
    Tombstone,
    read_fence,
    read_owner,
    read_placement,
    read_tombstone,
)

Key = tuple[SpecKind, UUID]
Row = Any  # ovs.db.idl.Row, which has no types

_COLUMNS: Final = {
    "Logical_Switch": ["name", "ports", "external_ids"],
    "Logical_Switch_Port": [
        "name",
        "addresses",
        "port_security",
        "up",
        "enabled",
        "dhcpv4_options",
        "external_ids",
    ],
    "DHCP_Options": ["cidr", "options", "external_ids"],
    "Port_Group": ["name", "ports", "acls", "external_ids"],
    "ACL": ["direction", "priority", "match", "action"],
    TOMBSTONES: ["external_ids"],
}
_PROBE_MILLISECONDS = 5_000


class Replica(connection.OvsdbIdl):  # type: ignore[misc]  # ovsdbapp has no types
    """ovs's replica, with a mirror of our own rows beside it, since reading a row costs ten times reading a dict.

    `states` is everything of ours that there is, `placements` where our ports belong, `tombstones` what was removed.
    `tell` hears each change but those of `working_on`, which this process is just making itself.
    """

    @classmethod
    def open(cls, northbound: str, cluster: UUID, tell: Callable[[State], None]) -> "Replica":
        """Fetch the schema and prepare a replica of the columns that we use. Blocks until the server answers."""
        schema = idlutils.get_schema_helper(northbound, "OVN_Northbound")
        for table, columns in _COLUMNS.items():
            schema.register_columns(table, columns)
        replica = cls(northbound, schema, probe_interval=_PROBE_MILLISECONDS)
        replica.attach(cluster, tell)
        return replica

    def attach(self, cluster: UUID, tell: Callable[[State], None]) -> None:
        """Say whose rows to mirror and who hears of changes; before the first `run`."""
        self.states: dict[Key, State] = {}
        self.placements: dict[UUID, Placement] = {}
        self.tombstones: dict[UUID, Tombstone] = {}
        self.working_on: Key | None = None
        self._cluster = cluster
        self._tell = tell
        self._loading = True
        self._loaded_before = False

    @property
    def connected(self) -> bool:
        """Whether the replica is being kept up to date, as far as it knows."""
        return bool(self.state == self.IDL_S_MONITORING and self._session.is_connected())

    def row(self, table: str, uuid: UUID) -> Row | None:
        """The row with this UUID. Our rows have the ids of what they stand for."""
        return self.tables[table].rows.get(uuid)

    def cooperative_yield(self) -> None:
        """Nothing: a thread yields by itself. ovsdbapp sleeps here, for each row, for the sake of green threads."""

    def restart_fsm(self) -> None:
        """Ovs calls this on each connection, before it loads everything anew."""
        self._loading = True
        super().restart_fsm()

    def run(self) -> bool:
        """As in ovs; and after a load, tell what vanished while nobody looked, since ovs does not."""
        changed = bool(super().run())
        if self._loading and self.state == self.IDL_S_MONITORING:
            self._loading = False
            self._drop_vanished()
            self._loaded_before = True
        return changed

    def notify(self, event: str, row: Row, updates: Row | None = None) -> None:  # noqa: ARG002  # as ovs calls it
        """Ovs calls this for each row created, changed or deleted."""
        table = row._table.name  # noqa: SLF001  # a Row has no other way to say its table
        if table == TOMBSTONES:
            self._mirror_tombstone(row, gone=event == "delete")
        elif table in KINDS:
            self._mirror_resource(KINDS[table], row, gone=event == "delete")

    def _mirror_tombstone(self, row: Row, *, gone: bool) -> None:
        tombstone = None if gone else read_tombstone(row.external_ids, self._cluster)
        if tombstone is None:
            self.tombstones.pop(row.uuid, None)
        else:
            self.tombstones[row.uuid] = tombstone

    def _mirror_resource(self, kind: SpecKind, row: Row, *, gone: bool) -> None:
        key = (kind, row.uuid)
        labels = row.external_ids
        if gone or read_owner(labels, self._cluster, kind) != row.uuid:
            self._forget(key)
            return
        if kind == "port":
            self._mirror_placement(row.uuid, read_placement(labels))
        state = State(kind=kind, id=row.uuid, fence=read_fence(labels), observed=_observed(kind, row))
        if self.states.get(key) != state:
            self.states[key] = state
            self._say(key, state)

    def _mirror_placement(self, port: UUID, placement: Placement | None) -> None:
        if placement is None:
            self.placements.pop(port, None)
        else:
            self.placements[port] = placement

    def _forget(self, key: Key) -> None:
        self.placements.pop(key[1], None)
        state = self.states.pop(key, None)
        if state is not None:
            self._say(key, State(kind=key[0], id=key[1], present=False, fence=state.fence))

    def _say(self, key: Key, state: State) -> None:
        if self._loaded_before and key != self.working_on:
            self._tell(state)

    def _drop_vanished(self) -> None:
        for key in [key for key in self.states if self.row(TABLES[key[0]], key[1]) is None]:
            self._forget(key)
        rows = self.tables[TOMBSTONES].rows
        self.tombstones = {uuid: tombstone for uuid, tombstone in self.tombstones.items() if uuid in rows}


def holds(row: Row, column: str, member: UUID) -> bool:
    """Whether a row's set of references holds `member`.

    Looks at ovs's own set: a column read by attribute is copied as a whole, which for the ports of a large network
    takes longer than all else together.
    """
    return Atom(UuidType, member) in row._data[column]  # noqa: SLF001


def _observed(kind: SpecKind, row: Row) -> dict[str, JsonValue]:
    if kind != "port":
        return {}
    mac, _, address = (row.addresses or [""])[0].partition(" ")
    return {"up": row.up == [True], "mac": mac, "address": address}
