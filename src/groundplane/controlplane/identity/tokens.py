"""Access tokens: JWTs signed with Ed25519 (RFC 7519, 8037, 9864), verified without the database.

Agents and users have audiences of their own, so that neither's token opens the other's doors.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Literal, Self
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from groundplane.controlplane.identity.actor import Actor
from groundplane.controlplane.identity.problems import InvalidTokenError, TokenExpiredError
from groundplane.kernel.clock import Clock, system_clock
from groundplane.kernel.ids import new_id

Audience = Literal["api", "agent"]

ISSUER = "groundplane"
_ALGORITHM = "Ed25519"
_FILE = "token-signing.pem"
_LONGEST = 2048
_CLOCK_SKEW_SECONDS = 30


@dataclass(frozen=True)
class Claims:
    """What a token says of its bearer. `cluster_id` is an agent's; times are seconds since 1970."""

    subject: UUID
    audience: Audience
    name: str
    issued_at: int
    expires_at: int
    cluster_id: UUID | None = None

    @property
    def actor(self) -> Actor:
        """The bearer."""
        return Actor(self.subject, "agent" if self.audience == "agent" else "user", self.name)


class Tokens:
    """Signs and verifies with one key. A verified signature is remembered for a while: it costs 0.1 ms each time."""

    def __init__(self, key: OKPKey, access_seconds: int, clock: Clock = system_clock) -> None:
        self._key = key
        self._key_id = key.thumbprint()
        self._access_seconds = access_seconds
        self._clock = clock
        self._signed = lru_cache(maxsize=4096)(self._check_signature)

    @classmethod
    def from_directory(cls, directory: Path, *, access_seconds: int = 900, clock: Clock = system_clock) -> Self:
        """Take the key of this folder, made with mode 0600 if there is none. Processes that race for it get the same."""
        path = directory / _FILE
        if not path.exists():
            directory.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=directory, prefix=_FILE) as file:  # made with mode 0600
                file.write(OKPKey.generate_key("Ed25519").as_pem(private=True))
                file.flush()
                os.fsync(file.fileno())
                with suppress(FileExistsError):
                    os.link(file.name, path)  # whole or not at all, and never over another's
        return cls(OKPKey.import_key(path.read_bytes()), access_seconds, clock)

    def issue_user(self, actor: Actor) -> tuple[str, int]:
        """A token for the api, and for how many seconds it is good."""
        return self._issue(actor.id, "api", self._access_seconds, {"name": actor.name}), self._access_seconds

    def issue_agent(self, agent_id: UUID, cluster_id: UUID, seconds: int) -> str:
        """A token for the agents' api, good for `seconds`."""
        return self._issue(agent_id, "agent", seconds, {"name": f"agent {agent_id}", "cluster": str(cluster_id)})

    def verify(self, token: str, audience: Audience) -> Claims:
        """What a token says, if it is ours, for this audience, and still good.

        Raises TokenExpiredError or InvalidTokenError.
        """
        if len(token) > _LONGEST:
            raise InvalidTokenError
        claims = self._signed(token)
        now = self._clock().timestamp()
        if claims.audience != audience or claims.issued_at > now + _CLOCK_SKEW_SECONDS:
            raise InvalidTokenError
        if claims.expires_at <= now:
            raise TokenExpiredError
        return claims

    def _issue(self, subject: UUID, audience: Audience, seconds: int, more: Mapping[str, Any]) -> str:
        now = int(self._clock().timestamp())
        claims = {"iss": ISSUER, "sub": str(subject), "aud": audience, "iat": now, "exp": now + seconds, "jti": str(new_id())}
        header = {"alg": _ALGORITHM, "kid": self._key_id}
        return jwt.encode(header, {**claims, **more}, self._key, algorithms=[_ALGORITHM])

    def _check_signature(self, token: str) -> Claims:
        try:
            verified = jwt.decode(token, self._key, algorithms=[_ALGORITHM])
            claims = verified.claims
            if claims["iss"] != ISSUER or verified.header.get("kid") != self._key_id or claims["aud"] not in ("api", "agent"):
                raise InvalidTokenError
            return Claims(
                subject=UUID(claims["sub"]),
                audience=claims["aud"],
                name=str(claims["name"]),
                issued_at=int(claims["iat"]),
                expires_at=int(claims["exp"]),
                cluster_id=UUID(claims["cluster"]) if "cluster" in claims else None,
            )
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise InvalidTokenError from error
