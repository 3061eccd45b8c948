"""Secrets that bearers carry: how they are made, and what of them is stored. Never stores or logs one."""

import hashlib
import secrets

from groundplane.kernel.keyring import Cipher, SecretUnreadableError


def new_secret() -> str:
    """256 random bits as text that fits everywhere."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """What is stored of a random secret: SHA-256. For passwords this would be far too fast."""
    return hashlib.sha256(secret.encode()).digest()


def seal_for_bearer(plain: str, bearer_secret: str) -> bytes:
    """An envelope that only whoever holds the other secret can open; what is stored of that does not help."""
    return _cipher_of(bearer_secret).encrypt(plain.encode(), digest(bearer_secret))


def open_as_bearer(envelope: bytes, bearer_secret: str) -> str | None:
    """What lies in the envelope; None when it was not sealed for this bearer."""
    try:
        return _cipher_of(bearer_secret).decrypt(envelope, digest(bearer_secret)).decode()
    except SecretUnreadableError:
        return None


def _cipher_of(bearer_secret: str) -> Cipher:
    return Cipher(hashlib.sha256(b"successor\0" + bearer_secret.encode()).digest())
