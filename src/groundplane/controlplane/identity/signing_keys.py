"""The keys that sign tokens: files of one folder, which every process watches. Rotation makes a file; nothing is restarted.

A file's name says from when its key signs: `token-signing.pem` since ever, `token-signing-20261126T011500Z.pem` from then on.
The latest of those whose time has come signs; all of them verify, each only what it signed in its time.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Self

from joserfc.jwk import OKPKey

from groundplane.kernel.clock import Clock, system_clock

ANNOUNCED_SECONDS = 60
"""How long a new key is only known before it signs: far longer than any process takes to notice its file."""
KEPT_DAYS = 400
"""How long a key's file is kept after another began to sign: longer than any token lives."""

_STEM = "token-signing"
_TIME = "%Y%m%dT%H%M%SZ"
_EVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class SigningKey:
    """A key and its time: it signs from `begins` until `ends`, when the next one began or will begin."""

    key: OKPKey
    begins: datetime
    ends: datetime | None

    @cached_property
    def id(self) -> str:
        """The key's thumbprint (RFC 7638): the `kid` of what it signs."""
        return self.key.thumbprint()

    def public(self) -> dict[str, Any]:
        """As in a JSON Web Key Set (RFC 7517)."""
        return {**self.key.as_dict(private=False), "kid": self.id, "use": "sig", "alg": "Ed25519"}


class SigningKeys:
    """The keys of one folder, as they were at the last `reload`. At least one of them signs."""

    def __init__(self, directory: Path, clock: Clock = system_clock) -> None:
        self._directory = directory
        self._clock = clock
        self._names: Sequence[str] = ()
        self._keys: Sequence[SigningKey] = ()

    @classmethod
    def of_directory(cls, directory: Path, clock: Clock = system_clock) -> Self:
        """The folder's keys; the first is made if there is none. Processes that race for it get the same."""
        keys = cls(directory, clock)
        keys.reload()
        if not keys._keys:
            _write_key(directory, f"{_STEM}.pem")
            keys.reload()
        return keys

    def reload(self) -> bool:
        """Read the folder again; tell whether its keys are others than before. A folder without keys changes nothing."""
        found = {path.name: begins for path in self._directory.glob(f"{_STEM}*.pem") if (begins := _begins(path)) is not None}
        names = sorted(found, key=lambda name: found[name])
        if names == self._names or not names:
            return False
        known = dict(zip(self._names, (each.key for each in self._keys), strict=True))
        ends = [*(found[name] for name in names[1:]), None]
        self._keys = [
            SigningKey(known.get(name) or OKPKey.import_key((self._directory / name).read_bytes()), found[name], end)
            for name, end in zip(names, ends, strict=True)
        ]
        self._names = names
        return True

    @property
    def signing(self) -> SigningKey:
        """The key that signs now."""
        now = self._clock()
        begun = [each for each in self._keys if each.begins <= now]
        return begun[-1] if begun else self._keys[0]

    def find(self, key_id: object) -> SigningKey | None:
        """The key of this id."""
        return next((each for each in self._keys if each.id == key_id), None)

    def public(self, longest: timedelta) -> list[dict[str, Any]]:
        """The keys of which there can be tokens that live, or soon will be; `longest` is how long a token lives."""
        now = self._clock()
        return [each.public() for each in self._keys if each.ends is None or now < each.ends + longest]

    def rotate(self) -> SigningKey:
        """Make a key that signs in a minute, and delete those whose last token is long gone."""
        begins = self._clock().replace(microsecond=0) + timedelta(seconds=ANNOUNCED_SECONDS)
        _write_key(self._directory, f"{_STEM}-{begins.strftime(_TIME)}.pem")
        self.reload()
        for name, each in zip(self._names, self._keys, strict=True):
            if each.ends is not None and self._clock() > each.ends + timedelta(days=KEPT_DAYS):
                (self._directory / name).unlink(missing_ok=True)
        self.reload()
        return self._keys[-1]


def _begins(path: Path) -> datetime | None:
    """From when the key of this file signs; None when it is no such file."""
    stamp = path.stem.removeprefix(_STEM)
    if not stamp:
        return _EVER
    try:
        return datetime.strptime(stamp, f"-{_TIME}").replace(tzinfo=UTC)
    except ValueError:
        return None


def _write_key(directory: Path, name: str) -> None:
    """A new key in a file of mode 0600: whole or not at all, and never over another's."""
    directory.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=directory, prefix=f".{name}") as file:
        file.write(OKPKey.generate_key("Ed25519").as_pem(private=True))
        file.flush()
        os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(file.name, directory / name)
