"""Signing keys: rotation without a restart and without a refused token, and what an old key is still good for."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey
from typer.testing import CliRunner

from groundplane.controlplane.identity import ANNOUNCED_SECONDS, Actor, InvalidTokenError, SigningKeys, Tokens
from groundplane.kernel.ids import new_id
from groundplane.processes.commands import app

ALICE = Actor(new_id(), "user", "alice@example.org")


@dataclass
class Time:
    """A clock that is moved by hand."""

    now: datetime = datetime(2026, 11, 26, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def passes(self, **more: int) -> None:
        """So much later."""
        self.now += timedelta(**more)


def _key_id(token: str) -> str:
    return str(jwt.decode(token, _any_key, algorithms=["Ed25519"]).header["kid"])


def _any_key(token: object) -> OKPKey:
    return _KEYS[token.headers()["kid"]]  # type: ignore[attr-defined]


_KEYS: dict[str, OKPKey] = {}


@pytest.fixture
def time() -> Time:
    return Time()


def _tokens(folder: Path, time: Time) -> Tokens:
    return Tokens.from_directory(folder, access_seconds=900, clock=time)


def _signer(tokens: Tokens) -> str:
    for each in tokens._keys._keys:
        _KEYS[each.id] = each.key
    return _key_id(tokens.issue_user(ALICE)[0])


def test_a_new_key_signs_only_after_every_process_had_time_to_see_it(tmp_path: Path, time: Time) -> None:
    here, there = _tokens(tmp_path, time), _tokens(tmp_path, time)
    before = _signer(here)
    made = SigningKeys.of_directory(tmp_path, time).rotate()
    here.reload_keys()
    assert {key["kid"] for key in here.public_keys()} == {before, made.id}
    time.passes(seconds=ANNOUNCED_SECONDS - 1)
    assert _signer(here) == before
    time.passes(seconds=1)
    assert _signer(here) == made.id
    with pytest.raises(InvalidTokenError):
        there.verify(here.issue_user(ALICE)[0], "api")
    there.reload_keys()
    assert there.verify(here.issue_user(ALICE)[0], "api").actor == ALICE


def test_what_the_old_key_signed_is_good_until_it_expires(tmp_path: Path, time: Time) -> None:
    tokens = _tokens(tmp_path, time)
    old, agents = tokens.issue_user(ALICE)[0], tokens.issue_agent(new_id(), new_id(), 365 * 86_400)
    SigningKeys.of_directory(tmp_path, time).rotate()
    tokens.reload_keys()
    time.passes(seconds=600)
    assert tokens.verify(old, "api").actor == ALICE
    time.passes(days=300)
    assert tokens.verify(agents, "agent").actor.kind == "agent"


def test_an_old_key_signs_nothing_new_and_nothing_that_lives_for_ever(tmp_path: Path, time: Time) -> None:
    tokens = _tokens(tmp_path, time)
    old = tokens._keys.signing
    SigningKeys.of_directory(tmp_path, time).rotate()
    tokens.reload_keys()

    def forged(issued: datetime, seconds: int) -> str:
        iat = int(issued.timestamp())
        claims = {"iss": "groundplane", "sub": str(ALICE.id), "aud": "api", "name": "a", "iat": iat, "exp": iat + seconds}
        return jwt.encode({"alg": "Ed25519", "kid": old.id}, claims, old.key, algorithms=["Ed25519"])

    assert tokens.verify(forged(time.now, 900), "api").actor.id == ALICE.id
    with pytest.raises(InvalidTokenError):
        tokens.verify(forged(time.now, 2 * 86_400), "api")
    time.passes(hours=1)
    with pytest.raises(InvalidTokenError):
        tokens.verify(forged(time.now, 900), "api")


def test_a_key_whose_file_is_taken_away_verifies_nothing_any_more(tmp_path: Path, time: Time) -> None:
    tokens = _tokens(tmp_path, time)
    stolen = tokens.issue_user(ALICE)[0]
    SigningKeys.of_directory(tmp_path, time).rotate()
    tokens.reload_keys()
    assert tokens.verify(stolen, "api").actor == ALICE
    (tmp_path / "token-signing.pem").unlink()
    tokens.reload_keys()
    with pytest.raises(InvalidTokenError):
        tokens.verify(stolen, "api")


def test_the_published_keys_verify_tokens_and_hold_nothing_private(tmp_path: Path, time: Time) -> None:
    tokens = _tokens(tmp_path, time)
    published = tokens.public_keys()
    assert all("d" not in key for key in published)
    verified = jwt.decode(tokens.issue_user(ALICE)[0], KeySet.import_key_set({"keys": published}), algorithms=["Ed25519"])
    assert verified.claims["sub"] == str(ALICE.id)


def test_keys_of_which_no_token_can_live_are_not_published_and_at_last_deleted(tmp_path: Path, time: Time) -> None:
    tokens = _tokens(tmp_path, time)
    first = _signer(tokens)
    SigningKeys.of_directory(tmp_path, time).rotate()
    tokens.reload_keys()
    time.passes(days=2)
    assert first not in {key["kid"] for key in tokens.public_keys()}
    time.passes(days=400)
    SigningKeys.of_directory(tmp_path, time).rotate()
    assert "token-signing.pem" not in {path.name for path in tmp_path.iterdir()}
    tokens.reload_keys()
    assert len(tokens.public_keys()) == 2


def test_other_files_of_the_folder_are_no_keys(tmp_path: Path, time: Time) -> None:
    tokens = _tokens(tmp_path, time)
    for name in ("token-signing-notes.pem", "token-signing-20261301T000000Z.pem", "other.pem"):
        (tmp_path / name).write_text("x")
    tokens.reload_keys()
    assert len(tokens.public_keys()) == 1


def test_an_empty_folder_changes_nothing(tmp_path: Path, time: Time) -> None:
    """A folder that is away for a moment (a mount, a restore) must not log everybody out."""
    tokens = _tokens(tmp_path, time)
    token = tokens.issue_user(ALICE)[0]
    (tmp_path / "token-signing.pem").unlink()
    tokens.reload_keys()
    assert tokens.verify(token, "api").actor == ALICE


def test_the_command_makes_a_closed_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUNDPLANE_DATA_DIR", str(tmp_path))
    Tokens.from_directory(tmp_path / "keys")
    result = CliRunner().invoke(app, ["keys", "rotate"])
    assert result.exit_code == 0, result.output
    files = sorted(path.name for path in (tmp_path / "keys").iterdir())
    assert len(files) == 2
    assert all((tmp_path / "keys" / name).stat().st_mode & 0o777 == 0o600 for name in files)
    assert "signs from" in result.output
