"""Tokens: what is accepted, what is refused, and one key among racing processes."""

import base64
import hmac
import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey

from groundplane.controlplane.identity import Actor, InvalidTokenError, TokenExpiredError, Tokens
from groundplane.kernel.clock import system_clock
from groundplane.kernel.ids import new_id

ALICE = Actor(new_id(), "user", "alice@example.org")


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    return Tokens.from_directory(tmp_path, access_seconds=900)


def test_a_user_token_tells_who_bears_it(tokens: Tokens) -> None:
    token, seconds = tokens.issue_user(ALICE)
    claims = tokens.verify(token, "api")
    assert claims.actor == ALICE
    assert seconds == 900
    assert claims.expires_at - claims.issued_at == 900


def test_an_agent_token_carries_its_cluster(tokens: Tokens) -> None:
    agent, cluster = new_id(), new_id()
    claims = tokens.verify(tokens.issue_agent(agent, cluster, 60), "agent")
    assert (claims.subject, claims.cluster_id, claims.actor.kind) == (agent, cluster, "agent")


def test_neither_opens_the_others_door(tokens: Tokens) -> None:
    with pytest.raises(InvalidTokenError):
        tokens.verify(tokens.issue_user(ALICE)[0], "agent")
    with pytest.raises(InvalidTokenError):
        tokens.verify(tokens.issue_agent(new_id(), new_id(), 60), "api")


def test_an_expired_token_says_so_even_when_it_was_seen_before(tmp_path: Path) -> None:
    now = system_clock()
    tokens = Tokens.from_directory(tmp_path, access_seconds=900, clock=lambda: now)
    token, _ = tokens.issue_user(ALICE)
    now += timedelta(seconds=899)
    assert tokens.verify(token, "api").actor == ALICE
    now += timedelta(seconds=2)
    with pytest.raises(TokenExpiredError) as refused:
        tokens.verify(token, "api")
    assert refused.value.code == "token_expired"


def test_tokens_of_a_longer_life_are_void_once_the_rule_is_a_shorter_one(tmp_path: Path) -> None:
    """Sessions that were ended are only remembered for as long as tokens live."""
    token, _ = Tokens.from_directory(tmp_path, access_seconds=3600).issue_user(ALICE)
    with pytest.raises(TokenExpiredError):
        Tokens.from_directory(tmp_path, access_seconds=900).verify(token, "api")
    assert Tokens.from_directory(tmp_path, access_seconds=3600).verify(token, "api").actor == ALICE


def _claims(**changes: object) -> dict[str, object]:
    now = int(time.time())
    claims = {"iss": "groundplane", "sub": str(ALICE.id), "aud": "api", "name": "alice", "iat": now, "exp": now + 60}
    return {**claims, **changes}


@pytest.mark.parametrize(
    "changes",
    [{"iss": "other"}, {"sub": "alice"}, {"aud": ["api", "agent"]}, {"exp": "soon"}, {"iat": int(time.time()) + 3600}],
)
def test_wrong_claims_are_refused_though_well_signed(tokens: Tokens, changes: dict[str, object]) -> None:
    header = {"alg": "Ed25519", "kid": tokens._keys.signing.id}
    good = jwt.encode(header, _claims(), tokens._keys.signing.key, algorithms=["Ed25519"])
    assert tokens.verify(good, "api").subject == ALICE.id
    bad = jwt.encode(header, _claims(**changes), tokens._keys.signing.key, algorithms=["Ed25519"])
    with pytest.raises(InvalidTokenError):
        tokens.verify(bad, "api")


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def test_another_key_and_other_algorithms_are_refused(tokens: Tokens) -> None:
    header = {"alg": "Ed25519", "kid": tokens._keys.signing.id}
    stranger = jwt.encode(header, _claims(), OKPKey.generate_key("Ed25519"), algorithms=["Ed25519"])
    public = tokens._keys.signing.key.as_pem(private=False)
    signed = ".".join(
        _encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "kid": tokens._keys.signing.id}, _claims())
    )
    confused = f"{signed}.{_encode(hmac.digest(public, signed.encode(), 'sha256'))}"
    unsigned = (
        ".".join(_encode(json.dumps(part).encode()) for part in ({"alg": "none", "kid": tokens._keys.signing.id}, _claims()))
        + "."
    )
    for token in (stranger, confused, unsigned):
        with pytest.raises(InvalidTokenError):
            tokens.verify(token, "api")


@pytest.mark.parametrize("token", ["", "x", "a.b", "a.b.c", "....", "é.é.é", "\x00", "A" * 100_000, "e30.e30.e30"])
def test_rubbish_is_refused(tokens: Tokens, token: str) -> None:
    with pytest.raises(InvalidTokenError):
        tokens.verify(token, "api")


def test_a_changed_token_is_refused(tokens: Tokens) -> None:
    head, body, signature = tokens.issue_user(ALICE)[0].split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    forged = _encode(json.dumps(claims | {"sub": str(new_id())}).encode())
    with pytest.raises(InvalidTokenError):
        tokens.verify(f"{head}.{forged}.{signature}", "api")


def test_racing_processes_take_the_same_closed_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: Tokens.from_directory(tmp_path / "keys"), range(16)))
    assert len({each._keys.signing.id for each in made}) == 1
    files = list((tmp_path / "keys").iterdir())
    assert [file.name for file in files] == ["token-signing.pem"]
    assert files[0].stat().st_mode & 0o777 == 0o600
    token, _ = made[0].issue_user(ALICE)
    assert made[-1].verify(token, "api").subject == ALICE.id
