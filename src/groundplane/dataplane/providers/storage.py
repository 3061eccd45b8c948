"""The Protocol of a host's storage pools."""

from typing import Protocol
from uuid import UUID

from groundplane.contracts.reports import State
from groundplane.contracts.specs import ImageSpec, SpecKind, VolumeSpec
from groundplane.dataplane.providers.provider import Channel, Context, Observer


class StorageProvider(Observer, Protocol):
    """Images and volumes in the pools that one host reaches."""

    async def ensure_image(self, context: Context, channel: Channel, spec: ImageSpec, fence: int) -> State:
        """Copy the image into the pool once, checked by size and sha256, and only then visible under its name."""

    async def ensure_volume(self, context: Context, channel: Channel, spec: VolumeSpec, fence: int) -> State:
        """Create or grow the volume; one with a source first makes sure of the image in its pool, then clones it.

        A volume never shrinks: a smaller size than what is there is a permanent error `volume_shrink`.
        """

    async def remove(self, context: Context, kind: SpecKind, resource_id: UUID, pool: str, fence: int) -> State:
        """Delete a volume, or a pool's copy of an image. Answers a State with present=False."""
