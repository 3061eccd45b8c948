"""The client side of OpenID Connect: authorization code with PKCE, state and nonce. Knows the provider, no user and no table.

What the provider says is believed only after its ID token's signature, issuer, audience, nonce and times were checked.
"""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote_plus, urlsplit

import httpx
import structlog
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request  # type: ignore[import-untyped]
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]
from authlib.oidc.discovery import get_well_known_url  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry

from groundplane.controlplane.identity.problems import SsoFailedError, SsoUnavailableError

log = structlog.get_logger()

SCOPE = "openid email profile"
_ALGORITHMS = ["RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"]
_ANSWER_SECONDS = 10.0
_DISCOVERED_SECONDS = 600.0
_LEEWAY_SECONDS = 60

Json = Mapping[str, Any]


@dataclass(frozen=True)
class OpenIdSettings:
    """Who the provider is, who we are to it, and which claim holds a user's groups."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    groups_claim: str = "groups"


@dataclass(frozen=True)
class Attempt:
    """One login at the provider: what we sent there, and only we know."""

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)

    @classmethod
    def fresh(cls) -> "Attempt":
        """One more, that nobody can guess."""
        return cls(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48))


@dataclass(frozen=True)
class ExternalUser:
    """Somebody as the provider knows them: issuer and subject say who, all else may change."""

    issuer: str
    subject: str
    email: str | None
    email_verified: bool
    name: str
    groups: frozenset[str]


class OpenIdClient:
    """Talks with one provider. What it publishes of itself is remembered for ten minutes."""

    def __init__(self, settings: OpenIdSettings) -> None:
        self._settings = settings
        self._discovered: tuple[float, Json, KeySet] | None = None

    async def authorization_url(self, attempt: Attempt, redirect_uri: str) -> str:
        """Where the browser goes to log in. Raises SsoUnavailableError."""
        metadata, _ = await self._discover()
        url: str = prepare_grant_uri(
            metadata["authorization_endpoint"],
            self._settings.client_id,
            "code",
            redirect_uri=redirect_uri,
            scope=SCOPE,
            state=attempt.state,
            nonce=attempt.nonce,
            code_challenge=create_s256_code_challenge(attempt.verifier),
            code_challenge_method="S256",
        )
        return url

    async def redeem(self, attempt: Attempt, code: str, redirect_uri: str) -> ExternalUser:
        """Who logged in. Raises SsoFailedError, SsoUnavailableError."""
        metadata, keys = await self._discover()
        async with self._http() as http:
            tokens = await self._tokens(http, metadata, attempt, code, redirect_uri)
            claims = self._id_claims(tokens, keys, attempt.nonce)
            said = await self._userinfo(http, metadata, tokens, claims)
        groups = said.get(self._settings.groups_claim)
        return ExternalUser(
            issuer=self._settings.issuer,
            subject=str(claims["sub"]),
            email=said.get("email") if isinstance(said.get("email"), str) else None,
            email_verified=said.get("email_verified") is True,
            name=str(said.get("name") or said.get("email") or claims["sub"])[:100],
            groups=frozenset(str(group) for group in groups) if isinstance(groups, list) else frozenset(),
        )

    async def _tokens(self, http: httpx.AsyncClient, metadata: Json, attempt: Attempt, code: str, redirect_uri: str) -> Json:
        body = prepare_token_request("authorization_code", code=code, redirect_uri=redirect_uri, code_verifier=attempt.verifier)
        # The parts of basic authentication are encoded as in a form (RFC 6749, 2.3.1).
        credentials = (quote_plus(self._settings.client_id), quote_plus(self._settings.client_secret))
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        return await _json(http, "POST", metadata["token_endpoint"], content=body, headers=headers, auth=credentials)

    def _id_claims(self, tokens: Json, keys: KeySet, nonce: str) -> Json:
        """The ID token's claims, checked as OpenID Connect Core 3.1.3.7 wants it."""
        expected = JWTClaimsRegistry(
            leeway=_LEEWAY_SECONDS,
            iss={"essential": True, "value": self._settings.issuer},
            aud={"essential": True, "value": self._settings.client_id},
            nonce={"essential": True, "value": nonce},
            sub={"essential": True},
            exp={"essential": True},
        )
        try:
            claims = jwt.decode(str(tokens["id_token"]), keys, algorithms=_ALGORITHMS).claims
            expected.validate(claims)
        except (JoseError, ValueError, KeyError) as error:
            log.warning("sso.refused", reason=type(error).__name__)
            self._discovered = None  # the provider may have other keys by now
            raise SsoFailedError from error
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp", self._settings.client_id if not several else None) != self._settings.client_id:
            raise SsoFailedError
        return claims

    async def _userinfo(self, http: httpx.AsyncClient, metadata: Json, tokens: Json, claims: Json) -> Json:
        """What the provider says of the user, in the ID token or when it is asked."""
        if "userinfo_endpoint" not in metadata or "access_token" not in tokens:
            return claims
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        said = await _json(http, "GET", metadata["userinfo_endpoint"], headers=headers)
        if said.get("sub") != claims["sub"]:
            raise SsoFailedError
        return {**claims, **said}

    async def _discover(self) -> tuple[Json, KeySet]:
        if self._discovered is None or self._discovered[0] < time.monotonic():
            async with self._http() as http:
                metadata = await _json(http, "GET", get_well_known_url(self._settings.issuer, external=True))
                if metadata.get("issuer") != self._settings.issuer:
                    raise SsoUnavailableError
                keys = KeySet.import_key_set(dict(await _json(http, "GET", metadata["jwks_uri"])))  # type: ignore[arg-type]
            self._discovered = (time.monotonic() + _DISCOVERED_SECONDS, metadata, keys)
        return self._discovered[1:]

    def _http(self) -> httpx.AsyncClient:
        """A proxy of the environment leads out of this machine, never back into it."""
        return httpx.AsyncClient(timeout=_ANSWER_SECONDS, trust_env=not _is_loopback(self._settings.issuer))


async def _json(http: httpx.AsyncClient, method: str, url: str, **more: Any) -> Json:
    try:
        answer = await http.request(method, url, **more)
        body = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        log.warning("sso.unavailable", error=type(error).__name__)
        raise SsoUnavailableError from error
    if not isinstance(body, dict) or answer.status_code >= 500:
        raise SsoUnavailableError
    if not answer.is_success:
        log.warning("sso.refused", status=answer.status_code, reason=str(body.get("error"))[:100])
        raise SsoFailedError
    return body


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
