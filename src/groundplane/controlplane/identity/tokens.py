"""Access tokens: JWTs signed with Ed25519 (RFC 7519, 8037, 9864), verified without the database.

Agents, users and those who still owe their second factor have audiences of their own, so that nobody's token opens
another's doors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self, get_args
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from groundplane.controlplane.identity.actor import Actor
from groundplane.controlplane.identity.problems import InvalidTokenError, TokenExpiredError
from groundplane.controlplane.identity.signing_keys import SigningKey, SigningKeys
from groundplane.kernel.clock import Clock, system_clock
from groundplane.kernel.ids import new_id

Audience = Literal["api", "agent", "totp"]

ISSUER = "groundplane"
LONGEST_LIFE: Mapping[Audience, timedelta] = {
    "api": timedelta(days=1),
    "agent": timedelta(days=370),
    "totp": timedelta(minutes=10),
}
"""No token lives longer, whoever signed it: after that, nothing that an old key signed is good any more."""

_ALGORITHM = "Ed25519"
_LONGEST = 2048
_CLOCK_SKEW_SECONDS = 30
_CHALLENGE_SECONDS = 300


@dataclass(frozen=True)
class Claims:
    """What a token says of its bearer. `cluster_id` is an agent's, `session_id` a user's; times are seconds since 1970."""

    subject: UUID
    audience: Audience
    name: str
    issued_at: int
    expires_at: int
    cluster_id: UUID | None = None
    session_id: UUID | None = None

    @property
    def actor(self) -> Actor:
        """The bearer."""
        return Actor(self.subject, "agent" if self.audience == "agent" else "user", self.name)


class Tokens:
    """Signs with the newest key and verifies with each. A verified signature is remembered: it costs 0.1 ms each time."""

    def __init__(self, keys: SigningKeys, access_seconds: int, clock: Clock = system_clock) -> None:
        self._keys = keys
        self._access_seconds = access_seconds
        self._clock = clock
        self._signed = lru_cache(maxsize=4096)(self._check_signature)

    @classmethod
    def from_directory(cls, directory: Path, *, access_seconds: int = 900, clock: Clock = system_clock) -> Self:
        """Sign and verify with the keys of this folder; the first is made if there is none."""
        return cls(SigningKeys.of_directory(directory, clock), access_seconds, clock)

    @property
    def access_seconds(self) -> int:
        """For how long a user's token is good."""
        return self._access_seconds

    def reload_keys(self) -> None:
        """Take notice of keys that came or went."""
        if self._keys.reload():
            self._signed.cache_clear()

    def public_keys(self) -> list[dict[str, Any]]:
        """The keys with which users' tokens can be verified, as JSON Web Keys."""
        return self._keys.public(LONGEST_LIFE["api"])

    def issue_user(self, actor: Actor, session_id: UUID | None = None) -> tuple[str, int]:
        """A token for the api, of this session, and for how many seconds it is good."""
        more = {"name": actor.name, **({"sid": str(session_id)} if session_id else {})}
        return self._issue(actor.id, "api", self._access_seconds, more), self._access_seconds

    def issue_agent(self, agent_id: UUID, cluster_id: UUID, seconds: int) -> str:
        """A token for the agents' api, good for `seconds`."""
        return self._issue(agent_id, "agent", seconds, {"name": f"agent {agent_id}", "cluster": str(cluster_id)})

    def issue_challenge(self, user_id: UUID) -> str:
        """A token that says only that its bearer knew this user's password; good for five minutes."""
        return self._issue(user_id, "totp", _CHALLENGE_SECONDS, {"name": ""})

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
        if claims.expires_at <= now or self._outlives(claims):
            raise TokenExpiredError
        return claims

    def _outlives(self, claims: Claims) -> bool:
        """A user's token that lives longer than is the rule now may be of a session that was ended and is forgotten."""
        return claims.audience == "api" and claims.expires_at - claims.issued_at > self._access_seconds

    def _issue(self, subject: UUID, audience: Audience, seconds: int, more: Mapping[str, Any]) -> str:
        now = int(self._clock().timestamp())
        claims = {"iss": ISSUER, "sub": str(subject), "aud": audience, "iat": now, "exp": now + seconds, "jti": str(new_id())}
        signing = self._keys.signing
        header = {"alg": _ALGORITHM, "kid": signing.id}
        return jwt.encode(header, {**claims, **more}, signing.key, algorithms=[_ALGORITHM])

    def _check_signature(self, token: str) -> Claims:
        try:
            verified = jwt.decode(token, self._key_of, algorithms=[_ALGORITHM])
            claims = _claims(verified.claims)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise InvalidTokenError from error
        if not _in_its_time(claims, self._find(verified.header.get("kid"))):
            raise InvalidTokenError
        return claims

    def _key_of(self, token: Any) -> OKPKey:
        return self._find(token.headers().get("kid")).key

    def _find(self, key_id: object) -> SigningKey:
        key = self._keys.find(key_id)
        if key is None:
            raise InvalidTokenError
        return key


def _claims(claims: Mapping[str, Any]) -> Claims:
    if claims["iss"] != ISSUER or claims["aud"] not in get_args(Audience):
        raise InvalidTokenError
    return Claims(
        subject=UUID(claims["sub"]),
        audience=claims["aud"],
        name=str(claims["name"]),
        issued_at=int(claims["iat"]),
        expires_at=int(claims["exp"]),
        cluster_id=UUID(claims["cluster"]) if "cluster" in claims else None,
        session_id=UUID(claims["sid"]) if "sid" in claims else None,
    )


def _in_its_time(claims: Claims, key: SigningKey) -> bool:
    """Whether the key signed when it was its turn, and no longer life than there is."""
    if claims.expires_at - claims.issued_at > LONGEST_LIFE[claims.audience].total_seconds():
        return False
    return key.ends is None or claims.issued_at <= key.ends.timestamp() + _CLOCK_SKEW_SECONDS
