"""Key-encryption keys: they wrap data keys and nothing else. From files beside each other, or from the environment.

Whatever keeps such keys elsewhere (a KMS) fits behind `KeyEncryptionKey`. No key is ever printed: representations are masked.
"""

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12
_KEY_BYTES = 32
_FILE = re.compile(r"encryption(?:-(\d{1,9}))?\.key")
RETIRED = "retired"
"""The folder beside the living keys' files that keeps what older backups of the database need."""


class SecretUnreadableError(Exception):
    """The ciphertext was made for another row or under another key."""


class KeyMissingError(Exception):
    """A data key is wrapped by a key-encryption key that is not here; the message says which. Bring its file back."""


class BadKeyError(Exception):
    """A key-encryption key is not 64 hexadecimal digits. Make one with `openssl rand -hex 32`."""


class Cipher:
    """AES-256-GCM under one key of 32 bytes: a random nonce of 12 bytes, then the ciphertext and its tag of 16."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def __repr__(self) -> str:
        """Show nothing."""
        return f"{type(self).__name__}(***)"

    def encrypt(self, plain: bytes, bound_to: bytes) -> bytes:
        """What opens only with the same `bound_to`."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, plain, bound_to)

    def decrypt(self, sealed: bytes, bound_to: bytes) -> bytes:
        """The plain text. Raises SecretUnreadableError."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], bound_to)
        except (InvalidTag, ValueError) as error:
            raise SecretUnreadableError from error


class KeyEncryptionKey(Protocol):
    """What wraps data keys. `id` names it in the database; `context` binds a wrapped key to its row."""

    @property
    def id(self) -> str:
        """A name that no other key has, and that tells nothing of the key."""

    async def wrap(self, key: bytes, context: bytes) -> bytes:
        """The key as it may be stored."""

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The key again. Raises SecretUnreadableError."""


class LocalKey(Cipher):
    """A key-encryption key in this process's memory."""

    def __init__(self, key: bytes) -> None:
        super().__init__(key)
        self.id = hashlib.sha256(b"groundplane key-encryption key" + key).hexdigest()[:16]

    @classmethod
    def parse(cls, text: str) -> "LocalKey":
        """The key that 64 hexadecimal digits say. Raises BadKeyError."""
        try:
            key = bytes.fromhex(text.strip())
        except ValueError:
            key = b""
        if len(key) != _KEY_BYTES:
            raise BadKeyError(BadKeyError.__doc__) from None
        return cls(key)

    async def wrap(self, key: bytes, context: bytes) -> bytes:
        """See KeyEncryptionKey."""
        return self.encrypt(key, context)

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """See KeyEncryptionKey."""
        return self.decrypt(wrapped, context)


class KeyRing:
    """All key-encryption keys of an installation.

    Files: `encryption.key`, then `encryption-2.key`, `encryption-3.key` …; the highest number is the current one, and a first
    one is made when there is none. Keys of the environment, separated by commas, come before all files: the first of them is
    current. The folder is looked at again for the current key, and for an id that is not known: another process may have
    written there.
    """

    def __init__(self, directory: Path, environment: str = "") -> None:
        self.directory = directory
        self._environment = [LocalKey.parse(part) for part in environment.split(",")] if environment else []
        self._known: dict[str, LocalKey] = {}

    def current(self) -> KeyEncryptionKey:
        """The key that wraps what is new."""
        return self.sealing()

    def sealing(self) -> LocalKey:
        """The current key, as one that is in memory."""
        if self._environment:
            return self._environment[0]
        if not self._files():
            self._make(1)
        return self._read(self._files()[-1])

    def find(self, key_id: str) -> KeyEncryptionKey:
        """The key of this id, also a retired one. Raises KeyMissingError."""
        if key_id not in self._known:
            self._known = {key.id: key for key in self.all()}
        if key_id not in self._known:
            raise KeyMissingError(
                f"The key-encryption key {key_id} is neither in {self.directory} nor in the environment. Bring its file back."
            )
        return self._known[key_id]

    def all(self) -> Iterator[LocalKey]:
        """Every key that is here: the environment's, then files, newest first, then retired ones."""
        yield from self._environment
        # In this order a key that is being retired meanwhile is not missed.
        for directory in (self.directory, self.directory / RETIRED):
            for path in reversed(self._files(directory)):
                yield self._read(path)

    def renew(self) -> bool:
        """Make a new current key; False if it is new already: older ones are still beside it, or it is the environment's."""
        if self._environment or len(self._files()) > 1:
            return False
        self.sealing()
        numbers = [_number(path) for where in (self.directory, self.directory / RETIRED) for path in self._files(where)]
        self._make(max(numbers) + 1)
        return True

    def retire(self) -> Sequence[str]:
        """Put every file but that of the current key aside, and answer their ids. Only when nothing is wrapped by them."""
        current, retired = self.sealing().id, []
        for path in self._files():
            key = self._read(path)
            if key.id != current:
                (self.directory / RETIRED).mkdir(mode=0o700, exist_ok=True)
                path.replace(self.directory / RETIRED / path.name)
                retired.append(key.id)
        return retired

    def _files(self, directory: Path | None = None) -> list[Path]:
        where = directory or self.directory
        found = [path for path in where.iterdir() if _FILE.fullmatch(path.name)] if where.is_dir() else []
        return sorted(found, key=_number)

    def _make(self, number: int) -> None:
        """Write a new key's file, whole or not at all; if another process was faster, its key is as good."""
        self.directory.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=self.directory)  # mode 0600
        try:
            with os.fdopen(handle, "w") as file:
                file.write(os.urandom(_KEY_BYTES).hex())
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, self.directory / ("encryption.key" if number == 1 else f"encryption-{number}.key"))
        except FileExistsError:
            pass
        finally:
            Path(draft).unlink()
        _sync(self.directory)

    @staticmethod
    def _read(path: Path) -> LocalKey:
        try:
            return LocalKey.parse(path.read_text())
        except FileNotFoundError:  # it was retired in this very moment
            return LocalKey.parse((path.parent / RETIRED / path.name).read_text())


def _number(path: Path) -> int:
    found = _FILE.fullmatch(path.name)
    return int(found[1] or 1) if found else 0


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
