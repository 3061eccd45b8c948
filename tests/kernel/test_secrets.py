"""Keys and envelopes: what opens where, what a folder of keys does when it is renewed, and that nothing of a key is shown."""

import asyncio
from pathlib import Path
from uuid import UUID

import pytest

from groundplane.kernel import secrets
from groundplane.kernel.ids import new_id
from groundplane.kernel.keyring import RETIRED, BadKeyError, Cipher, KeyMissingError, KeyRing, LocalKey, SecretUnreadableError
from groundplane.kernel.secrets import SecretBox, WrappedKey

KEY = "6d0f3a5c9b1e4f7288aa01c3d5e7f90b2c4d6e8f10325476a8bacadbecfd0e1f"
OTHER = "00" * 31 + "01"
OLD_ID = UUID("019ac000-0000-7000-8000-000000000001")
OLD_ENVELOPE = bytes.fromhex(
    "01a6133ba0fca91bb938e8d3719f5aed1abb704ce7ab836ff8b903cf943812611b04a29ae59993e0615eec3153d3c1d89295bc78c65638d9"
    "72d1e01db5af0a6f9c82100d948506657d2df91b39aa2f6ba04c1a0c6f3d3c9490915388fae8c959582ec79cf6bb51ced82f24bbfa1c4c39"
)
"""What the code before data keys of organizations made of OLD_PLAIN, with KEY in its file."""
OLD_PLAIN = b"#cloud-config of before"


def box_of(folder: Path, environment: str = "") -> SecretBox:
    return SecretBox(KeyRing(folder, environment))


def test_an_envelope_opens_only_where_it_was_sealed(tmp_path: Path) -> None:
    box = box_of(tmp_path / "keys")
    envelope = box.seal(b"user data", b"row 1")
    assert b"user data" not in envelope
    assert box_of(tmp_path / "keys").open(envelope, b"row 1") == b"user data"
    for stranger, bound, sealed in (
        (box, b"row 2", envelope),
        (box_of(tmp_path / "others"), b"row 1", envelope),
        (box, b"row 1", envelope[:-1] + bytes([envelope[-1] ^ 1])),
        (box, b"row 1", b"\x02" + envelope[1:]),
        (box, b"row 1", b""),
    ):
        with pytest.raises(SecretUnreadableError):
            stranger.open(sealed, bound)


def test_an_envelope_of_an_older_release_opens(tmp_path: Path) -> None:
    (tmp_path / "encryption.key").write_text(KEY)
    box = box_of(tmp_path)
    assert box.open(OLD_ENVELOPE, OLD_ID.bytes) == OLD_PLAIN
    assert box.ring.renew()
    box.ring.retire()
    assert box_of(tmp_path).open(OLD_ENVELOPE, OLD_ID.bytes) == OLD_PLAIN


def test_a_key_file_is_made_once_and_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    first = KeyRing(folder).current().id
    assert KeyRing(folder).current().id == first
    assert [path.name for path in folder.iterdir()] == ["encryption.key"]
    assert (folder / "encryption.key").stat().st_mode & 0o777 == 0o600


async def test_another_process_sees_a_new_key_without_a_restart(tmp_path: Path) -> None:
    ours, theirs = box_of(tmp_path), box_of(tmp_path)
    before = await ours.new_key(new_id(), b"before")
    await theirs.unwrap(before)
    assert theirs.ring.renew()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["encryption-2.key", "encryption.key"]
    after = await theirs.new_key(new_id(), b"after")
    assert after.wrapped_by != before.wrapped_by
    await ours.unwrap(after)
    assert (await ours.new_key(new_id(), b"")).wrapped_by == after.wrapped_by


async def test_a_renewal_that_did_not_end_is_not_begun_again(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)
    old = ring.current().id
    assert ring.renew()
    assert not KeyRing(tmp_path).renew()
    new = ring.current().id
    assert KeyRing(tmp_path).retire() == [old]
    assert KeyRing(tmp_path).current().id == new
    assert [path.name for path in (tmp_path / RETIRED).iterdir()] == ["encryption.key"]
    assert KeyRing(tmp_path).find(old).id == old  # what a backup of the database holds still opens
    assert ring.renew()
    assert (tmp_path / "encryption-3.key").exists()


async def test_keys_of_the_environment_come_first_and_files_still_open(tmp_path: Path) -> None:
    of_file = box_of(tmp_path)
    wrapped = await of_file.new_key(new_id(), b"row")
    box = box_of(tmp_path, f"{KEY},{OTHER}")
    assert box.ring.current().id == LocalKey.parse(KEY).id
    await box.unwrap(wrapped)
    assert (await box.rewrap(wrapped)).wrapped_by == LocalKey.parse(KEY).id
    assert not box.ring.renew()
    assert box_of(tmp_path / "empty", KEY).ring.current().id == box.ring.current().id
    assert not (tmp_path / "empty").exists()


@pytest.mark.parametrize("text", ["", "00", "zz" * 32, "00" * 33])
def test_what_is_no_key_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadKeyError) as refused:
        LocalKey.parse(text)
    assert not text or text not in str(refused.value)
    with pytest.raises(BadKeyError):
        KeyRing(tmp_path, f"{KEY},{text}")


async def test_a_missing_key_is_named(tmp_path: Path) -> None:
    wrapped = await box_of(tmp_path / "there").new_key(new_id(), b"row")
    with pytest.raises(KeyMissingError, match=wrapped.wrapped_by):
        await box_of(tmp_path / "here").unwrap(wrapped)


async def test_a_wrapped_key_moved_to_another_row_does_not_open(tmp_path: Path) -> None:
    box = box_of(tmp_path)
    key = await box.new_key(new_id(), b"row 1")
    with pytest.raises(SecretUnreadableError):
        await box.unwrap(WrappedKey(key.id, key.wrapped_by, key.wrapped, b"row 2"))


async def test_an_unwrapped_key_stays_for_a_short_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = box_of(tmp_path)
    key = await box.new_key(new_id(), b"row")
    assert await box.unwrap(key) is await box.unwrap(key)
    monkeypatch.setattr(secrets, "KEPT_SECONDS", 0.0)
    other = await box.new_key(new_id(), b"row")
    first = await box.unwrap(other)
    await asyncio.sleep(0.01)
    assert await box.unwrap(other) is not first


async def test_nothing_of_a_key_is_shown(tmp_path: Path) -> None:
    box = box_of(tmp_path, KEY)
    cipher = await box.unwrap(await box.new_key(new_id(), b"row"))
    for each in (cipher, box, LocalKey.parse(KEY), Cipher(bytes(32))):
        assert repr(each).endswith("(***)")
        assert KEY not in f"{each} {each!r}"
