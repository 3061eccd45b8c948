"""One change of the northbound database: compares what should be with the replica and writes only the difference.

Runs in ovsdbapp's connection thread, within one transaction, and again from the start when a concurrent writer was
first. What it read and relies on, it makes the server verify; so two agents cannot undo each other unseen.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import UUID

from ovs.db.data import Datum

from groundplane.contracts.faults import stale_fence, transient
from groundplane.contracts.specs import NetworkingSpec, NetworkSpec, PortSpec, SecurityGroupSpec, SpecKind, SubnetSpec
from groundplane.dataplane.providers.ovn.access import Acl, allowing, closing
from groundplane.dataplane.providers.ovn.addressing import cidr, dhcp_options, port_address
from groundplane.dataplane.providers.ovn.labels import (
    TABLES,
    TOMBSTONES,
    closed_group_name,
    closed_group_uuid,
    group_name,
    labels,
    port_labels,
    read_fence,
    tombstone_labels,
    tombstone_uuid,
)
from groundplane.dataplane.providers.ovn.replica import Replica, Row, holds

Columns = Mapping[str, Any]
Transaction = Any  # ovs.db.idl.Transaction, which has no types

_PURGE_AT_ONCE = 1_000


class Change:
    """A transaction in the making."""

    def __init__(self, replica: Replica, transaction: Transaction, cluster: UUID) -> None:
        self._replica = replica
        self._transaction = transaction
        self._cluster = cluster

    def ensure(self, spec: NetworkingSpec, fence: int) -> None:
        """Bring the rows of one resource to what `spec` says; raises `stale_fence` and `not_ready`."""
        row = self._guarded(spec.kind, spec.id, fence)
        self._unbury(spec.id)
        ours = labels(self._cluster, spec.kind, spec.id, fence)
        match spec:
            case NetworkSpec():
                self._network(spec, row, ours)
            case SubnetSpec():
                self._subnet(spec, row, ours)
            case SecurityGroupSpec():
                self._security_group(spec, row, ours)
            case PortSpec():
                self._port(spec, row, ours)
        self.ask()

    def remove(self, kind: SpecKind, resource_id: UUID, fence: int) -> None:
        """Delete the rows of one resource and leave its tombstone; raises `stale_fence`."""
        row = self._guarded(kind, resource_id, fence)
        if row is None:
            self._transaction.add_op(_absent(TABLES[kind], resource_id))
        else:
            self._delete(kind, row)
        self._bury(resource_id, fence)
        self.ask()

    def purge(self, older_than: float) -> None:
        """Forget tombstones made before `older_than`, in seconds since 1970; not all at once if there are many."""
        old = [uuid for uuid, tombstone in self._replica.tombstones.items() if tombstone.at < older_than]
        for uuid in old[:_PURGE_AT_ONCE]:
            row = self._replica.tables[TOMBSTONES].rows[uuid]
            row.verify("external_ids")
            row.delete()

    def ask(self) -> None:
        """Have the server answer even if nothing changes: so it is there, and the replica is as new as its answer."""
        self._transaction.add_op({"op": "select", "table": "NB_Global", "where": [], "columns": ["_uuid"]})

    def _guarded(self, kind: SpecKind, resource_id: UUID, fence: int) -> Row | None:
        """The resource's row, which from here on nobody else may touch before the commit."""
        row = self._replica.row(TABLES[kind], resource_id)
        tombstone = self._replica.tombstones.get(tombstone_uuid(resource_id))
        found = max(read_fence(row.external_ids) if row is not None else 0, tombstone.fence if tombstone else 0)
        if fence < found:
            raise stale_fence(found, fence)
        if row is not None:
            row.verify("external_ids")
        return row

    def _unbury(self, resource_id: UUID) -> None:
        uuid = tombstone_uuid(resource_id)
        row = self._replica.row(TOMBSTONES, uuid)
        if row is None:
            self._transaction.add_op(_absent(TOMBSTONES, uuid))
        else:
            row.verify("external_ids")
            row.delete()

    def _bury(self, resource_id: UUID, fence: int) -> None:
        uuid = tombstone_uuid(resource_id)
        known = self._replica.tombstones.get(uuid)
        if known is not None and known.fence >= fence:
            return
        ours = tombstone_labels(self._cluster, resource_id, fence, int(time.time()))
        row = self._replica.row(TOMBSTONES, uuid)
        if row is None:
            self._insert(TOMBSTONES, uuid, {"external_ids": ours})
        else:
            row.verify("external_ids")
            self._update(TOMBSTONES, row, {"external_ids": ours})

    def _network(self, spec: NetworkSpec, row: Row | None, ours: Columns) -> None:
        self._put("Logical_Switch", spec.id, row, {"name": str(spec.id)}, ours)
        self._closed_group(spec.id)

    def _closed_group(self, network_id: UUID) -> Row:
        uuid, name = closed_group_uuid(network_id), closed_group_name(network_id)
        row = self._replica.row("Port_Group", uuid)
        if row is None:
            members = self._ports(lambda placement: placement.network == network_id and bool(placement.groups))
            return self._insert("Port_Group", uuid, {"name": name, "ports": members, "acls": self._acls(closing(name))})
        self._update("Port_Group", row, {"name": name})
        self._converge_acls(row, closing(name))
        return row

    def _subnet(self, spec: SubnetSpec, row: Row | None, ours: Columns) -> None:
        self._needed("network", spec.network_id, "name")
        columns = {"cidr": cidr(spec), "options": dhcp_options(spec)}
        held = self._put("DHCP_Options", spec.id, row, columns, ours)
        if row is None:
            for port in self._ports(lambda placement: placement.subnet == spec.id):
                self._update("Logical_Switch_Port", port, {"dhcpv4_options": [held]})

    def _security_group(self, spec: SecurityGroupSpec, row: Row | None, ours: Columns) -> None:
        name = group_name(spec.id)
        wanted = allowing(name, spec.rules)
        if row is None:
            members = self._ports(lambda placement: spec.id in placement.groups)
            columns = {"name": name, "external_ids": ours, "ports": members, "acls": self._acls(wanted)}
            self._insert("Port_Group", spec.id, columns)
        else:
            self._put("Port_Group", spec.id, row, {"name": name}, ours)
            self._converge_acls(row, wanted)

    def _port(self, spec: PortSpec, row: Row | None, ours: Columns) -> None:
        switch = self._needed("network", spec.network_id, "name")
        subnet = self._needed("subnet", spec.subnet_id, "cidr")
        groups = [self._needed("security_group", group, "name") for group in spec.security_group_ids]
        if groups:
            groups.append(self._closed_group(spec.network_id))
        address = port_address(spec)
        columns = {
            "name": str(spec.id),
            "addresses": [address],
            "port_security": [address],
            "enabled": [],
            "dhcpv4_options": [subnet],
        }
        port = self._put("Logical_Switch_Port", spec.id, row, columns, {**ours, **port_labels(spec)})
        self._plug(port, switch, is_new=row is None)
        self._join(port, groups, is_new=row is None)

    def _plug(self, port: Row, switch: Row, *, is_new: bool) -> None:
        """A port that is not in a switch does not exist, so one that does is in exactly one."""
        if not is_new and holds(switch, "ports", port.uuid):
            return
        if not is_new:
            self._unplug(port.uuid)
        switch.addvalue("ports", port)

    def _unplug(self, port_id: UUID) -> None:
        for switch in self._holders("Logical_Switch", port_id):
            switch.delvalue("ports", port_id)

    def _join(self, port: Row, groups: Iterable[Row], *, is_new: bool) -> None:
        wanted = {group.uuid: group for group in groups}
        held = {} if is_new else {group.uuid: group for group in self._holders("Port_Group", port.uuid)}
        for uuid, group in held.items():
            if uuid not in wanted and self._is_ours(group):
                group.delvalue("ports", port)
        for uuid, group in wanted.items():
            if uuid not in held:
                group.addvalue("ports", port)

    def _is_ours(self, group: Row) -> bool:
        """A security group's port group, or one that closes; not one that an operator made by hand."""
        return ("security_group", group.uuid) in self._replica.states or group.name.startswith("closed_")

    def _delete(self, kind: SpecKind, row: Row) -> None:
        if kind == "port":
            self._unplug(row.uuid)  # which is all: its row goes when nothing strongly refers to it
            return
        if kind == "network":
            self._delete_belongings(row)
        row.delete()

    def _delete_belongings(self, switch: Row) -> None:
        """The ports go with their switch; each leaves a tombstone, so that a late task does not bring it back."""
        switch.verify("ports")
        for port in switch.ports:
            state = self._replica.states.get(("port", port.uuid))
            if state is not None:
                self._bury(port.uuid, state.fence)
        closed = self._replica.row("Port_Group", closed_group_uuid(switch.uuid))
        if closed is not None:
            closed.delete()

    def _needed(self, kind: SpecKind, resource_id: UUID, fixed_column: str) -> Row:
        row = self._replica.row(TABLES[kind], resource_id)
        if row is None:
            word = kind.replace("_", " ")
            raise transient("not_ready", f"The {word} {resource_id} is not there (yet).")
        row.verify(fixed_column)  # that it still is there at the commit; a reference to nothing would be dropped silently
        return row

    def _ports(self, belongs: Callable[[Any], bool]) -> list[Row]:
        ids = [port for port, placement in self._replica.placements.items() if belongs(placement)]
        return [row for port in ids if (row := self._replica.row("Logical_Switch_Port", port)) is not None]

    def _holders(self, table: str, port_id: UUID) -> list[Row]:
        rows = self._replica.tables[table].rows
        return [row for row in (rows[uuid] for uuid in rows) if _is_old(row) and holds(row, "ports", port_id)]

    def _acls(self, wanted: Iterable[Acl]) -> list[Row]:
        return [self._insert("ACL", None, acl._asdict()) for acl in sorted(wanted)]

    def _converge_acls(self, group: Row, wanted: frozenset[Acl]) -> None:
        held = {row: Acl(row.direction, row.priority, row.match, row.action) for row in group.acls}
        surplus = [row for row, acl in held.items() if acl not in wanted]
        missing = wanted - set(held.values())
        if surplus or missing:
            group.verify("acls")
        for row in surplus:
            group.delvalue("acls", row)
        for row in self._acls(missing):
            group.addvalue("acls", row)

    def _put(self, table: str, uuid: UUID, row: Row | None, columns: Columns, ours: Columns) -> Row:
        if row is None:
            return self._insert(table, uuid, {**columns, "external_ids": ours})
        self._update(table, row, {**columns, "external_ids": {**row.external_ids, **ours}})
        return row

    def _insert(self, table: str, uuid: UUID | None, columns: Columns) -> Row:
        """A new row; with `uuid`, the server refuses a second one of it, so two writers cannot both make it."""
        row = self._transaction.insert(self._replica.tables[table], new_uuid=uuid, persist_uuid=uuid is not None)
        for column, value in columns.items():
            self._write(table, row, column, value)
        return row

    def _update(self, table: str, row: Row, columns: Columns) -> None:
        for column, value in columns.items():
            if getattr(row, column) != value:
                self._write(table, row, column, value)

    def _write(self, table: str, row: Row, column: str, value: Any) -> None:
        """Assign, after trying: ovs swallows a value of a wrong type with a line in its log."""
        Datum.from_python(self._replica.tables[table].columns[column].type, value, _reference)
        setattr(row, column, value)


def _reference(value: Any) -> Any:
    return getattr(value, "uuid", value)


def _is_old(row: Row) -> bool:
    return row._data is not None  # noqa: SLF001  # a row made in this transaction has nothing committed yet


def _absent(table: str, uuid: UUID) -> dict[str, Any]:
    where = [["_uuid", "==", ["uuid", str(uuid)]]]
    wait = {"op": "wait", "table": table, "where": where, "columns": ["_uuid"], "until": "==", "rows": []}
    return {**wait, "timeout": 0}
