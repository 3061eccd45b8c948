"""What the tests ask of the providers: contexts, images, machines. Knows nothing of libvirt."""

import asyncio
import hashlib
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

from groundplane.contracts.specs import Disk, ImageSource, ImageSpec, Nic, Power, Seed, VmSpec, VolumeSpec

MEBIBYTE = 1 << 20
PIECE_BYTES = 65_536


@dataclass
class Free:
    """A Context that allows everything and remembers what it was told."""

    told: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Allow."""

    def progress(self, text: str) -> None:
        """Remember."""
        self.told.append(text)


@dataclass
class Library:
    """A Channel that gives out what was put into it, and counts."""

    content: dict[UUID, bytes] = field(default_factory=dict)
    secrets: dict[UUID, bytes] = field(default_factory=dict)
    asked: list[UUID] = field(default_factory=list)
    piece_seconds: float = 0

    def add(self, content: bytes, form: str = "raw") -> ImageSource:
        """Put an image in."""
        source = ImageSource.model_validate(
            {
                "image_id": uuid4(),
                "sha256": hashlib.sha256(content).hexdigest(),
                "size_bytes": len(content),
                "format": form,
            }
        )
        self.content[source.image_id] = content
        return source

    async def image(self, source: ImageSource) -> AsyncIterator[bytes]:
        """The bytes, in pieces."""
        self.asked.append(source.image_id)
        content = self.content[source.image_id]
        for start in range(0, len(content), PIECE_BYTES):
            await asyncio.sleep(self.piece_seconds)
            yield content[start : start + PIECE_BYTES]

    async def secret(self, secret_id: UUID) -> bytes:
        """The secret."""
        self.asked.append(secret_id)
        return self.secrets[secret_id]


def image_spec(source: ImageSource, pool: str = "default") -> ImageSpec:
    """A pool's copy of an image."""
    return ImageSpec(id=source.image_id, pool=pool, source=source)


def volume_spec(source: ImageSource | None = None, *, pool: str = "default", size_bytes: int = 64 * MEBIBYTE) -> VolumeSpec:
    """A new volume."""
    return VolumeSpec(id=uuid4(), pool=pool, size_bytes=size_bytes, source=source)


def vm_spec(*volumes: VolumeSpec, power: Power = "running", name: str = "test", nics: tuple[Nic, ...] = ()) -> VmSpec:
    """A small new machine."""
    vm_id = uuid4()
    return VmSpec(
        id=vm_id,
        name=name,
        vcpus=1,
        memory_mib=128,
        power=power,
        disks=tuple(Disk(volume_id=volume.id, pool=volume.pool, serial=f"disk-{n}") for n, volume in enumerate(volumes)),
        nics=nics,
        seed=Seed(instance_id=str(vm_id), hostname="test"),
        seed_pool="default",
    )


def qcow2_header(*, size_bytes: int = MEBIBYTE, backing_at: int = 0, incompatible: int = 0) -> bytes:
    """The first cluster of a qcow2 file, as its specification has it (docs/interop/qcow2.txt of QEMU)."""
    head = struct.pack(">4sIQIIQ", b"QFI\xfb", 3, backing_at, 11 if backing_at else 0, 16, size_bytes)
    rest = struct.pack(">IIQQIIQQQQII", 0, 1, 65_536, 131_072, 1, 0, 0, incompatible, 0, 0, 4, 104)
    return (head + rest + b"/etc/shadow").ljust(65_536, b"\0")


async def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for it; TimeoutError."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the world outside sets no asyncio.Event
            await asyncio.sleep(0.02)


async def run(*argv: str | Path) -> None:
    """Run a command; it must go well."""
    process = await asyncio.create_subprocess_exec(*argv)
    assert await process.wait() == 0, argv
