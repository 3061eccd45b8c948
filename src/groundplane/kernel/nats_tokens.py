"""The JWTs of NATS's decentralized authentication: operator, account and user, signed with ed25519 nkeys.

The format is that of NATS's own library (https://github.com/nats-io/jwt, version 2): a JWT whose header names
`ed25519-nkey`, whose issuer and subject are public nkeys, and whose `jti` is a digest of its claims. Knows no noun of ours.
"""

import base64
import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import nkeys
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

Role = Literal["operator", "account", "user"]

_PREFIXES = {
    "operator": nkeys.PREFIX_BYTE_OPERATOR,
    "account": nkeys.PREFIX_BYTE_ACCOUNT,
    "user": nkeys.PREFIX_BYTE_USER,
}
_PUBLIC_CHARACTERS = 56
_USER_LIMITS = {"subs": -1, "data": -1, "payload": -1}
_ACCOUNT_LIMITS = {**_USER_LIMITS, "imports": -1, "exports": -1, "wildcards": True, "conn": -1, "leaf": -1}
_JETSTREAM_LIMITS = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}


@dataclass(frozen=True, repr=False)
class Nkey:
    """An ed25519 key pair in NATS's writing. Its `seed` is the secret."""

    seed: bytes

    @classmethod
    def generate(cls, role: Role) -> Self:
        """A new one."""
        return cls(nkeys.encode_seed(os.urandom(32), _PREFIXES[role]))

    def __repr__(self) -> str:
        """Only what is public."""
        return f"Nkey({self.public})"

    @property
    def public(self) -> str:
        """The public key: 56 characters that begin with O, A or U."""
        key: bytes = nkeys.from_seed(self.seed).public_key
        return key.decode()

    def sign(self, message: bytes) -> bytes:
        """The signature, 64 bytes."""
        signature: bytes = nkeys.from_seed(self.seed).sign(message)
        return signature


def is_user_key(text: str) -> bool:
    """Is this the public key of a user, whole and well formed?"""
    try:
        raw = base64.b32decode(text)
    except ValueError:
        return False
    checksum: bytes = nkeys.crc16(raw[:-2]).to_bytes(2, "little")
    return len(text) == _PUBLIC_CHARACTERS and raw[0] == _PREFIXES["user"] and raw[-2:] == checksum


def is_signed_by(user_key: str, message: bytes, signature: bytes) -> bool:
    """Did the holder of this well-formed public key sign the message?"""
    try:
        VerifyKey(base64.b32decode(user_key)[1:33]).verify(message, signature)
    except (BadSignatureError, ValueError):
        return False
    return True


@dataclass(frozen=True)
class Rights:
    """The subjects that a user may publish on, and those that it may subscribe to. Whatever is not listed is denied."""

    publish: Sequence[str]
    subscribe: Sequence[str]


def operator_token(operator: Nkey, *, name: str, system_account: str) -> str:
    """What a nats-server trusts: signs for itself."""
    return _encode(operator, operator.public, name, {"type": "operator", "system_account": system_account})


@dataclass(frozen=True)
class Export:
    """Subjects that other accounts may import. A service is asked, and may give `many_answers`; a stream is listened to."""

    subject: str
    type: Literal["service", "stream"]
    many_answers: bool = False

    def claim(self) -> dict[str, str]:
        """As an account's token says it."""
        said = {"name": self.subject, "subject": self.subject, "type": self.type}
        return {**said, "response_type": "Stream"} if self.many_answers else said


@dataclass(frozen=True)
class Import:
    """Subjects of another account, `account` being its public key, that are seen here too."""

    account: str
    subject: str
    type: Literal["service", "stream"]

    def claim(self) -> dict[str, str]:
        """As an account's token says it."""
        return {"name": self.subject, "subject": self.subject, "account": self.account, "type": self.type}


def account_token(
    operator: Nkey,
    account: str,
    *,
    name: str,
    jetstream: bool = False,
    exports: Sequence[Export] = (),
    imports: Sequence[Import] = (),
    void: Mapping[str, int] | None = None,
) -> str:
    """An account of the operator's. `void`: users' keys, and until when (seconds since 1970) what they were given is void."""
    claims: dict[str, Any] = {
        "type": "account",
        "limits": {**_ACCOUNT_LIMITS, **(_JETSTREAM_LIMITS if jetstream else {})},
        "default_permissions": {"pub": {}, "sub": {}},
    }
    optional = {
        "exports": [each.claim() for each in exports],
        "imports": [each.claim() for each in imports],
        "revocations": dict(void or {}),
    }
    return _encode(operator, account, name, {**claims, **{key: value for key, value in optional.items() if value}})


def user_token(account: Nkey, user_key: str, *, name: str, rights: Rights | None, expires_at: int | None = None) -> str:
    """A user of the account's. `rights` None: everything in the account. `expires_at` in seconds since 1970."""
    permissions: dict[str, Any] = {"pub": {}, "sub": {}}
    if rights is not None:
        permissions = {
            side: {"allow": list(subjects)} if subjects else {"deny": [">"]}
            for side, subjects in (("pub", rights.publish), ("sub", rights.subscribe))
        }
    return _encode(account, user_key, name, {"type": "user", **permissions, **_USER_LIMITS}, expires_at=expires_at)


def credentials(token: str, seed: bytes) -> str:
    """A user's credentials file, as NATS's clients read it."""
    return (
        f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{seed.decode()}\n------END USER NKEY SEED------\n"
    )


def claims_of(token: str) -> dict[str, Any]:
    """What a token says; its signature is not looked at."""
    body = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims


def _encode(issuer: Nkey, subject: str, name: str, nats: Mapping[str, Any], *, expires_at: int | None = None) -> str:
    claims: dict[str, Any] = {"iat": int(time.time()), "iss": issuer.public, "name": name, "sub": subject}
    if expires_at is not None:
        claims["exp"] = expires_at
    claims["nats"] = {**nats, "version": 2}
    digest = hashlib.new("sha512_256", _json(claims)).digest()
    claims["jti"] = base64.b32encode(digest).rstrip(b"=").decode()
    signed = b".".join((_base64(_json({"typ": "JWT", "alg": "ed25519-nkey"})), _base64(_json(claims))))
    return b".".join((signed, _base64(issuer.sign(signed)))).decode()


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _base64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")
