"""Looks into an uploaded image before anything trusts it. The file is hostile until proven otherwise.

Our own reading of the header comes first, since qemu-img itself would follow what a qcow2 header refers to; then qemu-img
reads it, where it is installed, under limits of time, memory and output.
"""

import asyncio
import json
import os
import shutil
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from groundplane.kernel.errors import InvalidRequestError, UnavailableError

MAX_VIRTUAL_BYTES = 2 << 40
TIMEOUT_SECONDS = 10.0

_SECTOR = 512
_MAX_OUTPUT = 1 << 20
_QCOW2_MAGIC = b"QFI\xfb"
_QCOW2 = struct.Struct(">4sIQIIQIIQQIIQ")  # the fixed header of both versions, in QEMU's docs/interop/qcow2
_INCOMPATIBLE_OFFSET = 72
_EXTERNAL_DATA = 1 << 2
_KNOWN_INCOMPATIBLE = 0b11101  # dirty, external data, compression, extended L2; bit 1 says "corrupt"
_BOOT_SIGNATURE = (510, b"\x55\xaa")
_GPT = (512, b"EFI PART")
_ISO9660 = (32_769, b"CD001")
_LIMITS = ("prlimit", "--cpu=10", f"--as={1 << 30}", "--fsize=0", "--core=0", "--nofile=64")


class NotAnImageError(InvalidRequestError):
    """This is not a disk image. Upload a qcow2, or a raw disk that boots; convert others by `qemu-img convert -O qcow2`."""

    code = "not_an_image"
    title = "Not an image"


class ImageRefusedError(NotAnImageError):
    """This image cannot be taken. Make one that stands alone: `qemu-img convert -O qcow2`."""

    code = "image_refused"
    title = "Image refused"


@dataclass(frozen=True)
class ImageFacts:
    """What an image is. The virtual size is what a guest sees."""

    format: Literal["qcow2", "raw"]
    virtual_size_bytes: int


async def inspect_image(path: Path) -> ImageFacts:
    """What the file holds. Raises NotAnImageError, ImageRefusedError; UnavailableError when qemu-img takes too long."""
    facts = await asyncio.to_thread(read_header, path)
    if facts.virtual_size_bytes > MAX_VIRTUAL_BYTES:
        raise ImageRefusedError(f"The image's virtual size is {facts.virtual_size_bytes} bytes; at most 2 TiB are taken.")
    if shutil.which("qemu-img") is not None:
        _agree(facts, await _qemu_img_info(path, facts.format))
    return facts


def read_header(path: Path) -> ImageFacts:
    """What the header says, without following anything in it. Raises NotAnImageError, ImageRefusedError."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if file.read(len(_QCOW2_MAGIC)) == _QCOW2_MAGIC:
            return ImageFacts("qcow2", _qcow2_size(file, size))
        if not any(_holds(file, *mark) for mark in (_BOOT_SIGNATURE, _GPT, _ISO9660)):
            raise NotAnImageError
    if size % _SECTOR:
        raise NotAnImageError(
            f"The image's size is not a multiple of {_SECTOR} bytes: it seems to be cut off. Upload it again."
        )
    return ImageFacts("raw", size)


def _holds(file: BinaryIO, offset: int, mark: bytes) -> bool:
    file.seek(offset)
    return file.read(len(mark)) == mark


def _qcow2_size(file: BinaryIO, file_size: int) -> int:
    file.seek(0)
    raw = file.read(_INCOMPATIBLE_OFFSET + 8)
    if len(raw) < _QCOW2.size:
        raise NotAnImageError("The qcow2 header is cut off. Upload the image again.")
    _, version, backing, _, cluster_bits, size, encryption, l1_entries, l1_offset, refcounts, *_ = _QCOW2.unpack_from(raw)
    if version not in (2, 3) or not 9 <= cluster_bits <= 21 or size == 0:
        raise NotAnImageError("The qcow2 header is not valid. Upload the image again, or convert it by `qemu-img convert`.")
    if backing:
        raise ImageRefusedError("The image refers to a backing file. Make one that stands alone: `qemu-img convert -O qcow2`.")
    if encryption:
        raise ImageRefusedError("The image is encrypted. Upload it decrypted: `qemu-img convert -O qcow2`.")
    _refuse_features(int.from_bytes(raw[_INCOMPATIBLE_OFFSET:], "big") if version == 3 else 0)
    if l1_offset + 8 * l1_entries > file_size or refcounts >= file_size:
        raise NotAnImageError("The image's tables lie beyond its end: it seems to be cut off. Upload it again.")
    return int(size)


def _refuse_features(incompatible: int) -> None:
    if incompatible & _EXTERNAL_DATA:
        raise ImageRefusedError("The image keeps its data in another file. Make it stand alone: `qemu-img convert -O qcow2`.")
    if incompatible & ~_KNOWN_INCOMPATIBLE:
        raise ImageRefusedError("The image is marked as corrupt, or needs features that are not known here. Convert it anew.")


async def _qemu_img_info(path: Path, image_format: str) -> Mapping[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *_LIMITS, "qemu-img", "info", "--output=json", "-f", image_format, "--", str(path),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        cwd="/", env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert process.stdout is not None  # noqa: S101  # it was asked for
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            output = b""
            while piece := await process.stdout.read(_MAX_OUTPUT):
                output += piece
                if len(output) > _MAX_OUTPUT:
                    raise ImageRefusedError("The image's description is too long. Convert it anew.")
            status = await process.wait()
    except TimeoutError as error:
        raise UnavailableError("The image could not be looked into in time. Try again in a few seconds.") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()  # a wait alone can hang: what fills the pipe must be read before its end is seen
    if status != 0:
        raise NotAnImageError(f"qemu-img cannot read this as a {image_format} image. Upload it again, or convert it anew.")
    description: Mapping[str, Any] = json.loads(output)
    return description


def _agree(facts: ImageFacts, info: Mapping[str, Any]) -> None:
    """qemu-img sees what we saw: what it would follow, or another size, is refused."""
    details = info.get("format-specific", {}).get("data", {})
    foreign = info.get("encrypted") or details.get("corrupt") or "backing-filename" in info or "data-file" in details
    # Raw images end in whole sectors, which read_header has seen to.
    if foreign or info.get("format") != facts.format or info.get("virtual-size") != facts.virtual_size_bytes:
        raise ImageRefusedError
