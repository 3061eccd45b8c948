"""What is taken for an image, and what is refused: text, pictures, and headers made to be followed."""

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groundplane.controlplane.gateway.inspection import (
    ImageFacts,
    ImageRefusedError,
    NotAnImageError,
    inspect_image,
    read_header,
)

MIB = 1 << 20


def header(
    *, version: int = 3, backing: int = 0, size: int = 64 * MIB, encryption: int = 0, incompatible: int = 0, bits: int = 16
) -> bytes:
    """A qcow2 header whose tables lie within 1 MiB."""
    fixed = struct.pack(
        ">4sIQIIQIIQQIIQ", b"QFI\xfb", version, backing, 9, bits, size, encryption, 1, 3 << 16, 1 << 16, 1, 0, 0
    )
    return (fixed + struct.pack(">QQQII", incompatible, 0, 0, 4, 104)).ljust(MIB, b"\0")


def make(path: Path, *options: str, size: str = "64M") -> Path:
    """An image made by qemu-img itself."""
    run("qemu-img", "create", "-q", "-f", "qcow2", *options, str(path), size)
    return path


def run(*argv: str) -> str:
    """What a tool prints."""
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


@pytest.fixture(params=["with qemu-img", "without qemu-img"])
def tool(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "without qemu-img":
        monkeypatch.setattr(shutil, "which", lambda _name: None)


@pytest.mark.parametrize(
    "options", [(), ("-o", "compat=0.10"), ("-o", "extended_l2=on,cluster_size=128k"), ("-o", "compression_type=zstd")]
)
async def test_qcow2_images_are_taken(tmp_path: Path, tool: None, options: tuple[str, ...]) -> None:
    assert await inspect_image(make(tmp_path / "image", *options)) == ImageFacts("qcow2", 64 * MIB)


async def test_raw_disks_that_boot_are_taken(tmp_path: Path, tool: None) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes((b"\0" * 510 + b"\x55\xaa").ljust(MIB, b"\0"))
    assert await inspect_image(disk) == ImageFacts("raw", MIB)
    disk.write_bytes((b"\0" * 512 + b"EFI PART").ljust(MIB, b"\0"))
    assert await inspect_image(disk) == ImageFacts("raw", MIB)
    disk.write_bytes((b"\0" * 32_769 + b"CD001").ljust(MIB, b"\0"))
    assert await inspect_image(disk) == ImageFacts("raw", MIB)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"Q",
        b"QFI\xfb",
        b"QFI\xfb" + b"\0" * 1000,
        b"\x89PNG\r\n\x1a\n" + b"\0" * 5000,
        b"Hello, I am a text file.\n" * 1000,
        b"#!/bin/sh\nrm -rf /\n",
        b"KDMV" + b"\0" * 5000,
        b"\0" * MIB,
        (b"\0" * 510 + b"\x55\xaa").ljust(MIB + 1, b"\0"),
        header(version=1),
        header(version=4),
        header(bits=63),
        header(bits=0),
        header(size=0),
        header()[:80],
        header()[: 2 << 16],
    ],
)
async def test_what_is_not_an_image(tmp_path: Path, tool: None, content: bytes) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises(NotAnImageError) as refused:
        await inspect_image(file)
    assert (refused.value.status, refused.value.code) == (422, "not_an_image")


async def test_an_image_that_leans_on_other_files_is_refused(tmp_path: Path, tool: None) -> None:
    base = make(tmp_path / "base")
    secret = tmp_path / "secret"
    leaning = [
        make(tmp_path / "backed", "-b", str(base), "-F", "qcow2"),
        make(tmp_path / "hollow", "-o", f"data_file={secret},data_file_raw=on"),
    ]
    for image in leaning:
        with pytest.raises(ImageRefusedError) as refused:
            await inspect_image(image)
        assert (refused.value.status, refused.value.code) == (422, "image_refused")


async def test_a_backing_file_that_would_be_run_is_not_looked_at(tmp_path: Path, tool: None) -> None:
    proof = tmp_path / "proof"
    image = make(tmp_path / "image")
    evil = 'json:{"driver":"raw","file":{"driver":"host_device","filename":"' + str(proof) + '"}}'
    run("qemu-img", "rebase", "-u", "-b", evil, "-F", "raw", str(image))
    with pytest.raises(ImageRefusedError):
        await inspect_image(image)


async def test_encrypted_images_are_refused(tmp_path: Path, tool: None) -> None:
    image = tmp_path / "image"
    how = "encrypt.format=aes,encrypt.key-secret=key"  # LUKS measures the machine first, and gives up on a busy one
    run("qemu-img", "create", "-q", "--object", "secret,id=key,data=opensesame", "-f", "qcow2", "-o", how, str(image), "1M")
    luks = tmp_path / "luks"
    luks.write_bytes(header(encryption=2))
    for encrypted in (image, luks):
        with pytest.raises(ImageRefusedError, match="encrypted"):
            await inspect_image(encrypted)


@pytest.mark.parametrize("bit", [1, 5, 6, 63])
async def test_corrupt_or_unknown_features_are_refused(tmp_path: Path, tool: None, bit: int) -> None:
    image = tmp_path / "image"
    image.write_bytes(header(incompatible=1 << bit))
    with pytest.raises(ImageRefusedError):
        await inspect_image(image)


async def test_images_of_more_than_two_tebibytes_are_refused(tmp_path: Path, tool: None) -> None:
    assert (await inspect_image(make(tmp_path / "largest", size="2T"))).virtual_size_bytes == 2 << 40
    with pytest.raises(ImageRefusedError, match="2 TiB"):
        await inspect_image(make(tmp_path / "larger", size="3T"))
    sparse = tmp_path / "sparse"
    with sparse.open("wb") as file:
        file.write(b"\0" * 510 + b"\x55\xaa")
        file.truncate(3 << 40)
    with pytest.raises(ImageRefusedError, match="2 TiB"):
        await inspect_image(sparse)


async def test_a_header_that_qemu_img_cannot_read_is_refused(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(header(size=1 << 40))  # its one table entry covers 512 MiB
    assert read_header(image).format == "qcow2"
    with pytest.raises(NotAnImageError):
        await inspect_image(image)


async def test_qemu_img_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "bin" / "qemu-img"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nwhile :; do :; done\n")
    slow.chmod(0o755)
    image = make(tmp_path / "image")
    monkeypatch.setenv("PATH", f"{slow.parent}:/usr/bin:/bin")
    monkeypatch.setattr("groundplane.controlplane.gateway.inspection.TIMEOUT_SECONDS", 0.3)
    with pytest.raises(Exception, match="in time"):
        await inspect_image(image)
    assert str(tmp_path) not in run("ps", "-eo", "args")


async def test_qemu_img_that_talks_without_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chatty = tmp_path / "bin" / "qemu-img"
    chatty.parent.mkdir()
    chatty.write_text("#!/bin/sh\nexec yes\n")
    chatty.chmod(0o755)
    image = make(tmp_path / "image")
    monkeypatch.setenv("PATH", f"{chatty.parent}:/usr/bin:/bin")
    with pytest.raises(ImageRefusedError, match="too long"):
        await inspect_image(image)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_header_breaks_the_reader(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(header()[: data.draw(st.integers(0, 2048))])
    for _ in range(data.draw(st.integers(0, 8))):
        if content:
            content[data.draw(st.integers(0, min(len(content), 112) - 1))] = data.draw(st.integers(0, 255))
    file = tmp_path / "file"
    file.write_bytes(content)
    try:
        facts = read_header(file)
    except NotAnImageError:
        return
    assert facts.virtual_size_bytes > 0
