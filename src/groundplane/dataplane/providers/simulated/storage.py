"""Images and volumes in the pools of a simulated host. Bytes are checked once for the whole engine and kept nowhere."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from typing import cast
from uuid import UUID

from groundplane.contracts.faults import permanent, transient
from groundplane.contracts.reports import State
from groundplane.contracts.specs import ImageSource, ImageSpec, SpecKind, VolumeSpec
from groundplane.dataplane.providers.provider import Channel, Context
from groundplane.dataplane.providers.simulated import change as changes
from groundplane.dataplane.providers.simulated.engine import Key, Resource, SimulatedEngine

KINDS: tuple[SpecKind, ...] = ("image", "volume")


class SimulatedStorage:
    """A light view of one host's pools in the engine; a pool is there as soon as it is named."""

    def __init__(self, engine: SimulatedEngine, host_id: UUID) -> None:
        self._engine = engine
        self._scope = str(host_id)
        self._listeners = engine.listeners(self._scope, KINDS)

    async def ensure_image(self, context: Context, channel: Channel, spec: ImageSpec, fence: int) -> State:
        """See StorageProvider."""
        key = Key(self._scope, "image", spec.id, spec.pool)
        drawn = changes.draw(self._engine, "ensure", key)
        self._engine.find_newer_than_none(key, fence)
        await self._check_bytes(context, channel, spec.source)

        def hold(_found: Resource | None) -> State:
            return self._engine.hold(key, fence, spec, {"size_bytes": spec.source.size_bytes})

        return await changes.change(self._engine, context, key, fence, drawn=drawn, work=hold)

    async def ensure_volume(self, context: Context, channel: Channel, spec: VolumeSpec, fence: int) -> State:
        """See StorageProvider."""
        key = Key(self._scope, "volume", spec.id, spec.pool)
        drawn = changes.draw(self._engine, "ensure", key)
        if spec.source is not None:
            self._engine.find_newer_than_none(key, fence)
            await self._check_bytes(context, channel, spec.source)

        def hold(found: Resource | None) -> State:
            if found and found.present and cast("int", found.observed["size_bytes"]) > spec.size_bytes:
                raise permanent(
                    "volume_shrink",
                    f"The volume has {found.observed['size_bytes']} bytes and cannot shrink to {spec.size_bytes}.",
                )
            if spec.source is not None and spec.source.format == "raw" and spec.source.size_bytes > spec.size_bytes:
                raise permanent(
                    "volume_too_small",
                    f"The image needs {spec.source.size_bytes} bytes, the volume has {spec.size_bytes}: ask for more.",
                )
            if spec.source is not None:
                self._hold_base(spec.pool, spec.source)
            return self._engine.hold(key, fence, spec, {"size_bytes": spec.size_bytes})

        return await changes.change(self._engine, context, key, fence, drawn=drawn, work=hold)

    async def remove(self, context: Context, kind: SpecKind, resource_id: UUID, pool: str, fence: int) -> State:
        """See StorageProvider. One that a running machine or a clone still needs is a transient error `in_use`."""
        if kind not in KINDS:
            raise permanent("unknown_kind", f"A storage pool holds no {kind}.")
        key = Key(self._scope, kind, resource_id, pool)

        def bury(_found: Resource | None) -> State:
            if kind == "volume" and self._engine.runs_with(key):
                raise transient("in_use", "A running machine has this disk: stop or remove the machine first.")
            if kind == "image" and self._engine.has_clones(key):
                raise transient("in_use", "Volumes in this pool are clones of the image: remove them first.")
            return self._engine.bury(key, fence)

        drawn = changes.draw(self._engine, "remove", key)
        return await changes.change(self._engine, context, key, fence, drawn=drawn, work=bury)

    async def observe(self) -> Sequence[State]:
        """See Observer."""
        await self._engine.injections.draw("observe", "volume", self._scope, None).strike_before()
        return self._engine.observe(self._scope, KINDS)

    def events(self) -> AsyncIterator[State]:
        """See Observer."""
        return self._listeners.events()

    async def close(self) -> None:
        """See Observer. The engine stays open, since other views share it."""
        self._listeners.close()

    def _hold_base(self, pool: str, source: ImageSource) -> None:
        """The pool's copy of the image that a clone stands on, made with the volume when it was not there before."""
        key = Key(self._scope, "image", source.image_id, pool)
        found = self._engine.find(key)
        if found is None or not found.present:
            spec = ImageSpec(id=source.image_id, pool=pool, source=source)
            self._engine.hold(key, found.fence if found else 0, spec, {"size_bytes": source.size_bytes})

    async def _check_bytes(self, context: Context, channel: Channel, source: ImageSource) -> None:
        """Fetch and check the bytes, unless any host of the engine has done so."""
        context.check()
        if self._engine.image_is_checked(source.sha256, source.size_bytes):
            return
        digest = hashlib.sha256()
        size = 0
        async for piece in channel.image(source):
            await asyncio.to_thread(digest.update, piece)
            size += len(piece)
            context.progress(f"{size} of {source.size_bytes} bytes")
        if (size, digest.hexdigest()) != (source.size_bytes, source.sha256):
            raise permanent("image_corrupt", "The image's bytes are not the ones it was imported with: import it again.")
        self._engine.image_was_checked(source.sha256, source.size_bytes)
