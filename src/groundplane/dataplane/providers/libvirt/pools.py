"""A host's storage pools: folders that libvirt serves, made when they are first needed, and the few things done in them.

Everything goes through libvirt, so that the host may be another machine. It knows no fences and no resources.
"""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid5
from xml.etree import ElementTree as ET

import libvirt

from groundplane.contracts.faults import ProviderError, permanent
from groundplane.dataplane.providers.libvirt.connection import Connection
from groundplane.dataplane.providers.libvirt.errors import POOL_FULL, UNKNOWN
from groundplane.dataplane.providers.provider import Context

T = TypeVar("T")

FENCES = "groundplane-fences"
"""The pool that remembers: see fences.py."""

POOL_UUIDS = UUID("6f0d5f0e-6a53-5a0b-9d0c-2f3b6f9f4c11")
"""The namespace (RFC 9562, version 5) that pools' own UUIDs are made in from their names."""

FOLDER_MODE = "0711"  # QEMU's own user must get through, and reads what libvirt hands to it
SHARED_MODE, PRIVATE_MODE = "0644", "0600"
PIECE_BYTES = 256 * 1024 - 64  # what fits into one message of libvirt's protocol


class Pools:
    """The pools of one host by name, and the fences' beside the first of them."""

    def __init__(self, connection: Connection, paths: Mapping[str, Path]) -> None:
        if not paths:
            raise ValueError("A host needs at least one storage pool.")
        self.names = tuple(paths)
        self._connection = connection
        self._paths = {**paths, FENCES: next(iter(paths.values())).parent / FENCES}
        self._ready: set[tuple[int, str]] = set()

    async def ready(self, context: Context, *names: str) -> None:
        """See that pools are defined and active; a look at libvirt is taken once per connection."""
        for name in (*names, FENCES):
            if name not in self._paths:
                raise permanent("unknown_pool", f"This host has no storage pool {name!r}: its pools are {self.names}.")
            if (self._connection.generation, name) not in self._ready:
                await self._connection.change(context, partial(self._make, name=name))
                self._ready.add((self._connection.generation, name))

    def path_of(self, pool: str, volume: str) -> Path:
        """Return where a volume is on the host."""
        return self._paths[pool] / volume

    def _make(self, connect: Any, name: str) -> None:
        pool = found_or_none(partial(connect.storagePoolLookupByName, name), libvirt.VIR_ERR_NO_STORAGE_POOL)
        if pool is None:
            pool = connect.storagePoolDefineXML(_pool_xml(name, self._paths[name]), 0)
        if not pool.isActive():
            _start(pool)
        if not pool.autostart():
            pool.setAutostart(1)


def _start(pool: Any) -> None:
    try:
        pool.build(0)
        pool.create(0)
    except libvirt.libvirtError:
        if not pool.isActive():  # else another of our connections was quicker
            raise


def find_pool(connect: Any, name: str) -> Any | None:
    """Return the active pool, or None."""
    pool = found_or_none(partial(connect.storagePoolLookupByName, name), libvirt.VIR_ERR_NO_STORAGE_POOL)
    return pool if pool is not None and pool.isActive() else None


def find_volume(connect: Any, pool: str, name: str) -> Any | None:
    """Return the volume, or None; the pool must be ready."""
    look = connect.storagePoolLookupByName(pool).storageVolLookupByName
    return found_or_none(partial(look, name), libvirt.VIR_ERR_NO_STORAGE_VOL)


def found_or_none(look: Callable[[], T], missing: int) -> T | None:
    """Return what is looked for, or None if libvirt says that it is missing, with this code of its."""
    try:
        return look()
    except libvirt.libvirtError as error:
        if error.get_error_code() == missing:
            return None
        raise


def size_of(connect: Any, pool: str, name: str, *, of_file: bool = False, volume: Any = None) -> int | None:
    """Return the size in bytes of the disk in a volume, or of its file; None if there is no such volume.

    `volume` is what was found under the name already, if it was looked for. A pool's list can hold a file that somebody
    took away, so a volume that cannot be looked at is looked for anew.
    """
    volume = find_volume(connect, pool, name) if volume is None else volume
    if volume is None:
        return None
    try:
        return _size(volume, of_file=of_file)
    except libvirt.libvirtError:
        connect.storagePoolLookupByName(pool).refresh(0)
        volume = find_volume(connect, pool, name)
        return None if volume is None else _size(volume, of_file=of_file)


def _size(volume: Any, *, of_file: bool) -> int:
    return int(volume.infoFlags(libvirt.VIR_STORAGE_VOL_GET_PHYSICAL)[2] if of_file else volume.info()[1])


def delete_volume(connect: Any, pool: str, name: str) -> None:
    """Delete the volume, if it is there. One whose file somebody else took away is forgotten too."""
    volume = find_volume(connect, pool, name)
    if volume is None:
        return
    try:
        volume.delete(0)
    except libvirt.libvirtError:
        connect.storagePoolLookupByName(pool).refresh(0)
        if find_volume(connect, pool, name) is not None:
            raise


def create_empty(connect: Any, pool: str, name: str, *, mode: str = PRIVATE_MODE) -> Any:
    """Create a file without content."""
    return _create(connect, pool, _volume_xml(name, 0, "raw", mode))


def create_qcow2(connect: Any, pool: str, name: str, size_bytes: int, backing: tuple[Path, str] | None) -> Any:
    """Create an empty disk, or a copy-on-write clone of `backing`: its path and format."""
    root = _volume_xml(name, size_bytes, "qcow2", PRIVATE_MODE)
    if backing is not None:
        store = ET.SubElement(root, "backingStore")
        ET.SubElement(store, "path").text = str(backing[0])
        ET.SubElement(store, "format", type=backing[1])
    return _create(connect, pool, root)


class Upload:
    """A new file in a pool, in the place of one of the same name, filled through libvirt's stream.

    The file begins empty and so grows with what arrives: a stream can end well although its last write failed (seen with
    a full disk: the error came after the last message and was lost), and then only the length tells.
    """

    def __init__(self, connect: Any, pool: str, name: str, size_bytes: int, *, mode: str = PRIVATE_MODE) -> None:
        self._connect, self._pool, self._name, self._size_bytes = connect, pool, name, size_bytes
        delete_volume(connect, pool, name)
        volume = create_empty(connect, pool, name, mode=mode)
        self._stream = connect.newStream(0)
        volume.upload(self._stream, 0, size_bytes, 0)

    def send(self, data: bytes) -> None:
        """Send all of `data`, in as many messages as it takes."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._stream.send(bytes(rest[:PIECE_BYTES])) :]

    def finish(self) -> None:
        """End the stream and see that all has arrived."""
        self._stream.finish()
        size = size_of(self._connect, self._pool, self._name, of_file=True) or 0
        if size == self._size_bytes:
            return
        pool = self._connect.storagePoolLookupByName(self._pool)
        pool.refresh(0)
        meaning = POOL_FULL if pool.info()[3] < self._size_bytes - size else UNKNOWN
        text = f"{meaning.sentence} (Of {self._size_bytes} bytes, {size} were stored.)"
        raise ProviderError(meaning.code, text, fault_class=meaning.fault_class)

    def abandon(self) -> None:
        """Take away what has come so far."""
        with suppress(libvirt.libvirtError):  # the stream may have ended
            self._stream.abort()
        delete_volume(self._connect, self._pool, self._name)


def head(connect: Any, volume: Any, size_bytes: int) -> bytes:
    """Return the first bytes of a volume."""
    return b"".join(_pieces(connect, volume, size_bytes))


def sha256(connect: Any, volume: Any) -> str:
    """Read the whole volume."""
    digest = hashlib.sha256()
    for piece in _pieces(connect, volume, 0):
        digest.update(piece)
    return digest.hexdigest()


def _pieces(connect: Any, volume: Any, size_bytes: int) -> Any:
    """Yield a volume's bytes from its beginning; 0 means all."""
    stream = connect.newStream(0)
    volume.download(stream, 0, size_bytes, 0)
    while piece := stream.recv(PIECE_BYTES):
        yield piece
    stream.finish()


def _create(connect: Any, pool: str, xml: ET.Element) -> Any:
    return connect.storagePoolLookupByName(pool).createXML(ET.tostring(xml, "unicode"), 0)


def _volume_xml(name: str, size_bytes: int, form: str, mode: str) -> ET.Element:
    root = ET.Element("volume")
    ET.SubElement(root, "name").text = name
    ET.SubElement(root, "capacity", unit="bytes").text = str(size_bytes)
    ET.SubElement(root, "allocation").text = "0"
    target = ET.SubElement(root, "target")
    ET.SubElement(target, "format", type=form)
    ET.SubElement(ET.SubElement(target, "permissions"), "mode").text = mode
    return root


def _pool_xml(name: str, path: Path) -> str:
    root = ET.Element("pool", type="dir")
    ET.SubElement(root, "name").text = name
    ET.SubElement(root, "uuid").text = str(uuid5(POOL_UUIDS, name))  # the same whoever defines it, so that two at once may
    target = ET.SubElement(root, "target")
    ET.SubElement(target, "path").text = str(path)
    ET.SubElement(ET.SubElement(target, "permissions"), "mode").text = FOLDER_MODE
    return ET.tostring(root, "unicode")
