"""Envelopes for stored secrets: AES-256-GCM, a data key per secret wrapped by the key-encryption key.

Associated data binds a ciphertext to its row, so that it opens nowhere else. The plain text never leaves the caller.
"""

import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12
_WRAPPED_KEY = _NONCE + 32 + 16
_VERSION = b"\x01"


class SecretUnreadableError(Exception):
    """The ciphertext was made for another row or under another key."""


class SecretBox:
    """Seals and opens secrets under one key-encryption key of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._key = AESGCM(key)

    @classmethod
    def from_file(cls, path: Path) -> "SecretBox":
        """The box of a key file (64 hex digits), made with mode 0600 when it is not there yet."""
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(os.urandom(32).hex())
        return cls(bytes.fromhex(path.read_text().strip()))

    def seal(self, plain: bytes, bound_to: bytes) -> bytes:
        """The envelope of `plain`, which opens only with the same `bound_to`."""
        data_key = AESGCM.generate_key(256)
        return _VERSION + _encrypt(self._key, data_key, bound_to) + _encrypt(AESGCM(data_key), plain, bound_to)

    def open(self, envelope: bytes, bound_to: bytes) -> bytes:
        """The plain text; SecretUnreadableError when it was sealed for something else."""
        if envelope[:1] != _VERSION:
            raise SecretUnreadableError
        body = envelope[1:]
        try:
            data_key = _decrypt(self._key, body[:_WRAPPED_KEY], bound_to)
            return _decrypt(AESGCM(data_key), body[_WRAPPED_KEY:], bound_to)
        except InvalidTag as error:
            raise SecretUnreadableError from error


def _encrypt(cipher: AESGCM, plain: bytes, bound_to: bytes) -> bytes:
    nonce = os.urandom(_NONCE)
    return nonce + cipher.encrypt(nonce, plain, bound_to)


def _decrypt(cipher: AESGCM, sealed: bytes, bound_to: bytes) -> bytes:
    return cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], bound_to)
