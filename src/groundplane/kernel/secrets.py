"""Envelopes for stored secrets: AES-256-GCM under data keys, which key-encryption keys wrap. Nothing here is ever printed.

Associated data binds a ciphertext to its row, so that it opens nowhere else.
"""

import os
import time
from dataclasses import dataclass
from uuid import UUID

from groundplane.kernel.keyring import Cipher, KeyEncryptionKey, KeyRing, SecretUnreadableError

KEPT_SECONDS = 60.0
"""How long an unwrapped data key stays in memory."""
_KEPT_MOST = 1024
_WRAPPED_KEY = 12 + 32 + 16
_ONE_KEY_EACH = b"\x01"


@dataclass(frozen=True)
class WrappedKey:
    """A data key as it is stored: `wrapped_by` names the key-encryption key, `context` is what binds it to its row."""

    id: UUID
    wrapped_by: str
    wrapped: bytes
    context: bytes


class SecretBox:
    """What opens and seals: the key-encryption keys, and for a short while the data keys that they unwrapped."""

    def __init__(self, ring: KeyRing) -> None:
        self.ring = ring
        self._kept: dict[UUID, tuple[float, Cipher]] = {}

    def __repr__(self) -> str:
        """Show nothing."""
        return "SecretBox(***)"

    async def new_key(self, key_id: UUID, context: bytes) -> WrappedKey:
        """A data key that was not there before, wrapped by the current key-encryption key."""
        return await _wrap(self.ring.current(), key_id, os.urandom(32), context)

    async def rewrap(self, key: WrappedKey) -> WrappedKey:
        """The same data key, wrapped by the current key-encryption key. Raises KeyMissingError, SecretUnreadableError."""
        plain = await self.ring.find(key.wrapped_by).unwrap(key.wrapped, key.context)
        return await _wrap(self.ring.current(), key.id, plain, key.context)

    async def unwrap(self, key: WrappedKey) -> Cipher:
        """The data key, ready to be used. Raises KeyMissingError, SecretUnreadableError."""
        until, cipher = self._kept.get(key.id, (0.0, None))
        now = time.monotonic()
        if cipher is None or until < now:
            cipher = Cipher(await self.ring.find(key.wrapped_by).unwrap(key.wrapped, key.context))
            self._forget(now)
            self._kept[key.id] = (now + KEPT_SECONDS, cipher)
        return cipher

    def _forget(self, now: float) -> None:
        """Drop what has had its time; the oldest too, should there be too many."""
        kept = [(key_id, each) for key_id, each in self._kept.items() if each[0] >= now]
        self._kept = dict(kept[-_KEPT_MOST:])

    def seal(self, plain: bytes, bound_to: bytes) -> bytes:
        """An envelope with a data key of its own, for what has no row in the table of secrets. It is not rotated."""
        data_key = os.urandom(32)
        return _ONE_KEY_EACH + self.ring.sealing().encrypt(data_key, bound_to) + Cipher(data_key).encrypt(plain, bound_to)

    def open(self, envelope: bytes, bound_to: bytes) -> bytes:
        """What `seal` sealed, under whichever key-encryption key. Raises SecretUnreadableError."""
        if envelope[:1] != _ONE_KEY_EACH:
            raise SecretUnreadableError
        wrapped, sealed = envelope[1 : 1 + _WRAPPED_KEY], envelope[1 + _WRAPPED_KEY :]
        for key in self.ring.all():
            try:
                data_key = key.decrypt(wrapped, bound_to)
            except SecretUnreadableError:
                continue
            return Cipher(data_key).decrypt(sealed, bound_to)
        raise SecretUnreadableError


async def _wrap(by: KeyEncryptionKey, key_id: UUID, plain: bytes, context: bytes) -> WrappedKey:
    return WrappedKey(key_id, by.id, await by.wrap(plain, context), context)
