"""Images and volumes as files of libvirt's folder pools: images as they came, volumes as qcow2, clones copy-on-write.

A pool's folder cannot rename, so a file is known to be whole by its note (fences.py), which is written last; whatever is
not noted as whole is deleted and made anew. It never makes a volume smaller.
"""

import asyncio
import hashlib
import struct
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

import libvirt

from groundplane.contracts.faults import permanent, transient
from groundplane.contracts.reports import State
from groundplane.contracts.specs import ImageSource, ImageSpec, SpecKind, VolumeSpec
from groundplane.dataplane.providers.libvirt import pools
from groundplane.dataplane.providers.libvirt.connection import Connection
from groundplane.dataplane.providers.libvirt.domains import user_of
from groundplane.dataplane.providers.libvirt.fences import Note, Standing, everything, note, standing
from groundplane.dataplane.providers.libvirt.pools import Pools
from groundplane.dataplane.providers.libvirt.turns import Turns, attended
from groundplane.dataplane.providers.provider import Channel, Context

IMAGE, VOLUME = "image-", ".qcow2"
BLOCK_BYTES = 1 << 20  # of an image, sent in one go
QCOW2_HEADER = struct.Struct(">4sIQIIQ")
QCOW2_INCOMPATIBLE_AT, QCOW2_EXTERNAL_DATA, QCOW2_HEAD_BYTES = 72, 1 << 2, 104


def volume_name(volume_id: UUID) -> str:
    """Return the name of a volume in its pool."""
    return f"{volume_id}{VOLUME}"


def image_name(source: ImageSource) -> str:
    """Return the name of an image in a pool."""
    return f"{IMAGE}{source.image_id}.{source.format}"


class LibvirtStorage:
    """The StorageProvider of one host; `pools` are its storage pools' names and the folders on the host."""

    def __init__(self, host_id: UUID, uri: str, *, pools: Mapping[str, Path]) -> None:
        self.host_id = host_id
        self._connection = Connection(uri)
        self._pools = Pools(self._connection, pools)
        self._turns = Turns()
        self._disk_bytes: dict[tuple[str, UUID], int] = {}  # of images, which never change
        self._closed = asyncio.Event()

    async def ensure_image(self, context: Context, channel: Channel, spec: ImageSpec, fence: int) -> State:
        """See StorageProvider."""
        await self._pools.ready(context, spec.pool)
        await self._image(context, channel, spec.pool, spec.source, fence)
        return _state("image", spec.id, fence, spec.source.size_bytes)

    async def ensure_volume(self, context: Context, channel: Channel, spec: VolumeSpec, fence: int) -> State:
        """See StorageProvider."""
        await self._pools.ready(context, spec.pool)
        async with self._turns.of(context, "volume", spec.id, spec.pool):
            found, size = await self._connection.read(partial(_look, spec=spec))
            found.refuse_older(fence)
            if size is not None and (found.whole or found.unknown):
                await self._keep(context, spec, found, fence, size)
            else:
                await self._make(context, channel, spec, found, fence)
        return _state("volume", spec.id, fence, spec.size_bytes)

    async def remove(self, context: Context, kind: SpecKind, resource_id: UUID, pool: str, fence: int) -> State:
        """See StorageProvider. One that a running machine or a clone still needs is a transient error `in_use`."""
        await self._pools.ready(context, pool)
        async with self._turns.of(context, kind, resource_id, pool):
            found = await self._connection.read(lambda connect: standing(connect, kind, resource_id, pool))
            found.refuse_older(fence)
            names = await self._connection.read(partial(_files, kind=kind, resource_id=resource_id, pool=pool))
            for name in names:
                await self._connection.read(partial(_refuse_needed, path=self._pools.path_of(pool, name), pool=pool))
            await note(self._connection, context, found, fence, "gone")
            for name in names:
                await self._connection.change(context, partial(pools.delete_volume, pool=pool, name=name))
        return State(kind=kind, id=resource_id, present=False, fence=fence)

    async def observe(self) -> Sequence[State]:
        """See Observer."""
        return await self._connection.read(lambda connect: list(_observed(connect, self._pools.names)))

    async def events(self) -> AsyncIterator[State]:
        """See Observer. libvirt tells nothing of volumes, so this only waits for the end."""
        await self._closed.wait()
        nothing: tuple[State, ...] = ()
        for state in nothing:
            yield state

    async def close(self) -> None:
        """See Observer."""
        self._closed.set()
        await self._connection.close()

    async def _keep(self, context: Context, spec: VolumeSpec, found: Standing, fence: int, size: int) -> None:
        if size > spec.size_bytes:
            raise permanent("volume_shrink", f"The volume has {size} bytes and cannot become smaller: ask for at least that.")
        await note(self._connection, context, found, fence, "made")
        if size < spec.size_bytes:
            path = self._pools.path_of(spec.pool, volume_name(spec.id))
            await self._connection.change(context, partial(_grow, spec=spec, path=path))

    async def _make(self, context: Context, channel: Channel, spec: VolumeSpec, found: Standing, fence: int) -> None:
        begun = await note(self._connection, context, found, fence, "making")
        backing = None
        if spec.source is not None:
            needed = await self._image(context, channel, spec.pool, spec.source, None)
            if needed > spec.size_bytes:
                raise permanent(
                    "volume_too_small", f"The image needs {needed} bytes, the volume has {spec.size_bytes}: ask for more."
                )
            backing = self._pools.path_of(spec.pool, image_name(spec.source)), spec.source.format
        await self._connection.change(context, partial(_create_volume, spec=spec, backing=backing))
        await note(self._connection, context, begun, fence, "made")

    async def _image(self, context: Context, channel: Channel, pool: str, source: ImageSource, fence: int | None) -> int:
        """See that the image is in the pool, and return the size in bytes of the disk that it holds.

        Without a fence it is only needed, by a volume's task, so its own fence stays as it is.
        """
        async with self._turns.of(context, "image", source.image_id, pool):
            found, size = await self._connection.read(partial(_look_image, pool=pool, source=source))
            if fence is not None:
                found.refuse_older(fence)
            whole = size is not None and (found.whole or (found.unknown and await self._is_copy(context, pool, source)))
            fence = found.note.fence if fence is None else fence
            if not whole:
                found = await note(self._connection, context, found, fence, "making")
                await self._copy(context, channel, pool, source)
            await note(self._connection, context, found, fence, "made")
            if (pool, source.image_id) not in self._disk_bytes:
                size = await self._connection.read(partial(_disk_bytes, pool=pool, source=source))
                self._disk_bytes[pool, source.image_id] = size
            return self._disk_bytes[pool, source.image_id]

    async def _is_copy(self, context: Context, pool: str, source: ImageSource) -> bool:
        """Say whether a file that nothing is noted of (the notes were lost) is the image: clones may live on it."""
        name = image_name(source)
        reading = self._connection.read(lambda connect: pools.sha256(connect, pools.find_volume(connect, pool, name)))
        return await attended(context, "reading the image", reading) == source.sha256

    async def _copy(self, context: Context, channel: Channel, pool: str, source: ImageSource) -> None:
        begin = partial(
            pools.Upload,
            pool=pool,
            name=image_name(source),
            size_bytes=source.size_bytes,
            mode=pools.SHARED_MODE,
        )
        upload = await self._connection.change(context, begin)
        try:
            await self._fill(context, upload, channel, source)
            await self._connection.change(context, lambda _: upload.finish())
            await self._connection.read(partial(_disk_bytes, pool=pool, source=source))
        except BaseException:  # also a cancellation: what is half made goes, as far as that is still possible
            forgetting = self._connection.read(lambda _: upload.abandon())
            await asyncio.shield(asyncio.gather(forgetting, return_exceptions=True))
            raise

    async def _fill(self, context: Context, upload: pools.Upload, channel: Channel, source: ImageSource) -> None:
        """Send the image's bytes, and raise `image_corrupt` if they are not the ones that the control plane took in."""
        digest, received, block = hashlib.sha256(), 0, bytearray()

        def send(_: Any) -> None:
            digest.update(block)
            upload.send(bytes(block))
            block.clear()

        async for piece in channel.image(source):
            received += len(piece)
            if received > source.size_bytes:
                break
            block += piece
            if len(block) >= BLOCK_BYTES:
                await self._connection.change(context, send)
                context.progress(f"{received} of {source.size_bytes} bytes of the image")
        await self._connection.change(context, send)
        if (received, digest.hexdigest()) != (source.size_bytes, source.sha256):
            raise permanent("image_corrupt", "The image's bytes are not the ones it was imported with: import it again.")


def _state(kind: SpecKind, resource_id: UUID, fence: int, size_bytes: int) -> State:
    return State(kind=kind, id=resource_id, fence=fence, observed={"size_bytes": size_bytes})


def _look(connect: Any, *, spec: VolumeSpec) -> tuple[Standing, int | None]:
    return standing(connect, "volume", spec.id, spec.pool), pools.size_of(connect, spec.pool, volume_name(spec.id))


def _look_image(connect: Any, *, pool: str, source: ImageSource) -> tuple[Standing, int | None]:
    size = pools.size_of(connect, pool, image_name(source), of_file=True)
    return standing(connect, "image", source.image_id, pool), size


def _disk_bytes(connect: Any, *, pool: str, source: ImageSource) -> int:
    """Return the size of the disk in an image. An image that leads QEMU to other files of the host is refused."""
    if source.format == "raw":
        return source.size_bytes
    start = pools.head(connect, pools.find_volume(connect, pool, image_name(source)), QCOW2_HEAD_BYTES)
    if len(start) < QCOW2_HEAD_BYTES or not start.startswith(b"QFI\xfb"):
        raise permanent("image_corrupt", "The image is not a qcow2 file: import it again with its true format.")
    _, version, backing_at, _, _, size = QCOW2_HEADER.unpack_from(start)
    (incompatible,) = struct.unpack_from(">Q", start, QCOW2_INCOMPATIBLE_AT)
    if backing_at or (version >= 3 and incompatible & QCOW2_EXTERNAL_DATA):
        raise permanent("image_corrupt", "The image refers to another file: import one that stands alone.")
    return int(size)


def _create_volume(connect: Any, *, spec: VolumeSpec, backing: tuple[Path, str] | None) -> None:
    pools.delete_volume(connect, spec.pool, volume_name(spec.id))
    pools.create_qcow2(connect, spec.pool, volume_name(spec.id), spec.size_bytes, backing)


def _grow(connect: Any, *, spec: VolumeSpec, path: Path) -> None:
    """Grow the file, through the machine that has it open if one has."""
    user = user_of(connect, path)
    if user is None:
        pools.find_volume(connect, spec.pool, volume_name(spec.id)).resize(spec.size_bytes, 0)  # type: ignore[union-attr]
    else:
        domain, disk = user
        domain.blockResize(disk, spec.size_bytes, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)


def _files(connect: Any, *, kind: SpecKind, resource_id: UUID, pool: str) -> list[str]:
    wanted = {volume_name(resource_id)} if kind == "volume" else {f"{IMAGE}{resource_id}.{form}" for form in ("qcow2", "raw")}
    return [name for name in connect.storagePoolLookupByName(pool).listVolumes() if name in wanted]


def _refuse_needed(connect: Any, *, path: Path, pool: str) -> None:
    if user_of(connect, path) is not None:
        raise transient("in_use", "A running machine has this disk: stop or remove the machine first.")
    if path.name.startswith(IMAGE) and any(_backing(volume) == str(path) for volume in _volumes(connect, pool)):
        raise transient("in_use", "Volumes in this pool are clones of the image: remove them first.")


def _volumes(connect: Any, pool: str) -> list[Any]:
    volumes: list[Any] = connect.storagePoolLookupByName(pool).listAllVolumes(0)
    return volumes


def _backing(volume: Any) -> str | None:
    xml = pools.found_or_none(volume.XMLDesc, libvirt.VIR_ERR_NO_STORAGE_VOL)  # others may be removed while we look
    return None if xml is None else ET.fromstring(xml).findtext("./backingStore/path")  # noqa: S314 - libvirt wrote it


def _observed(connect: Any, names: Sequence[str]) -> Iterator[State]:
    notes = {note.subject: note for note in everything(connect)}
    for pool in names:
        found = pools.find_pool(connect, pool)
        for volume in () if found is None else found.listAllVolumes(0):
            state = _seen(connect, pool, volume, notes)
            if state is not None:
                yield state


def _seen(connect: Any, pool: str, volume: Any, notes: Mapping[tuple[SpecKind, UUID, str], Note]) -> State | None:
    """Return a file as a resource; None for one that is not ours, not whole or not there any more."""
    name = volume.name()
    kind: SpecKind = "image" if name.startswith(IMAGE) else "volume"
    try:
        resource_id = UUID(name.removeprefix(IMAGE).rpartition(".")[0])
    except ValueError:
        return None
    noted = notes.get((kind, resource_id, pool))
    if noted is not None and noted.mark == "making":
        return None
    size = pools.size_of(connect, pool, name, of_file=kind == "image", volume=volume)
    return None if size is None else _state(kind, resource_id, noted.fence if noted else 0, size)
