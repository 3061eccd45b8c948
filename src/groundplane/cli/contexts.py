"""Which platform, organization and project commands are about: named contexts, and the credentials of each.

Two files below the configuration directory: contexts, and credentials, which only their owner may read. Both are replaced as a
whole, under a lock that processes share, so that no reader ever sees half of one and no refresh token is used twice.
"""

import contextlib
import fcntl
import json
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from groundplane.cli.failures import CommandError, LoggedOutError

DEFAULT_URL = "http://127.0.0.1:8700"


@dataclass(frozen=True)
class Place:
    """An organization or project: what it is called, and its id."""

    id: str
    name: str


@dataclass(frozen=True)
class Context:
    """A platform and who one is there; the organization and project that commands are about unless they say another."""

    name: str
    url: str
    user: str = ""
    organization: Place | None = None
    project: Place | None = None

    @classmethod
    def from_json(cls, name: str, body: Mapping[str, Any]) -> "Context":
        """A context as it is kept."""
        places = {key: Place(**body[key]) if body.get(key) else None for key in ("organization", "project")}
        return cls(name, body["url"], body.get("user", ""), **places)

    def to_json(self) -> dict[str, Any]:
        """As it is kept."""
        places = {"organization": self.organization, "project": self.project}
        return {"url": self.url, "user": self.user, **{key: vars(place) for key, place in places.items() if place}}


@dataclass(frozen=True)
class Credentials:
    """What is good for a context: tokens of a session, or an API key."""

    access_token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    expires_at: float = 0.0
    api_key: str = field(default="", repr=False)


@dataclass(frozen=True)
class Store:
    """The files of one person on this machine."""

    directory: Path

    @classmethod
    def of_environment(cls) -> "Store":
        """Where GROUNDPLANE_CONFIG_DIR says, else below the person's own configuration."""
        named = os.environ.get("GROUNDPLANE_CONFIG_DIR")
        if named:
            return cls(Path(named))
        base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
        return cls(Path(base) / "groundplane")

    def contexts(self) -> dict[str, Context]:
        """All, by name."""
        known = self._read("contexts.json").get("contexts", {})
        return {name: Context.from_json(name, body) for name, body in known.items()}

    def current(self) -> str:
        """The name of the one in use; empty if there is none."""
        return str(self._read("contexts.json").get("current", ""))

    def context(self, name: str | None = None) -> Context:
        """The named one, or the one in use. Raises LoggedOutError, CommandError."""
        known = self.contexts()
        wanted = name or self.current()
        if not wanted:
            raise LoggedOutError
        if wanted not in known:
            raise CommandError(f"There is no context {wanted!r}.", "See what there is: gp context list")
        return known[wanted]

    def save(self, context: Context, credentials: Credentials | None = None, *, use: bool = True) -> None:
        """Keep a context, with its credentials if they are given, and make it the one in use."""
        with self.locked():
            body = self._read("contexts.json")
            body["contexts"] = {**body.get("contexts", {}), context.name: context.to_json()}
            if use:
                body["current"] = context.name
            if credentials is not None:
                self.keep(context.name, credentials)
            self._write("contexts.json", body)

    def use(self, name: str) -> Context:
        """Make it the one in use. Raises CommandError."""
        with self.locked():
            context = self.context(name)
            self._write("contexts.json", {**self._read("contexts.json"), "current": name})
        return context

    def delete(self, name: str) -> None:
        """Forget it and its credentials. Raises CommandError."""
        with self.locked():
            self.context(name)
            body = self._read("contexts.json")
            del body["contexts"][name]
            if body.get("current") == name:
                body["current"] = next(iter(body["contexts"]), "")
            self._write("contexts.json", body)
            self.keep(name, None)

    def credentials(self, name: str) -> Credentials:
        """What is good for a context, or nothing. Raises CommandError when others can read the file."""
        path = self.directory / "credentials.json"
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise CommandError(f"Others can read {path}.", f"Make it yours alone, and log in anew: chmod 600 {path}")
        return Credentials(**self._read("credentials.json").get(name, {}))

    def keep(self, name: str, credentials: Credentials | None) -> None:
        """Replace a context's credentials, None: by nothing. Under the lock."""
        known = self._read("credentials.json")
        known.pop(name, None)
        if credentials is not None:
            known[name] = vars(credentials)
        self._write("credentials.json", known)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.directory / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _read(self, name: str) -> dict[str, Any]:
        path = self.directory / name
        try:
            body = json.loads(path.read_bytes())
        except FileNotFoundError:
            return {}
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise CommandError(f"{path} cannot be read.", "Delete it, and log in anew: gp login")
        return body

    def _write(self, name: str, body: Mapping[str, Any]) -> None:
        """Replace a file as a whole; it is readable by its owner alone from its first byte on."""
        descriptor, made = tempfile.mkstemp(dir=self.directory, prefix=f".{name}.")
        try:
            with os.fdopen(descriptor, "w") as file:
                json.dump(body, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            Path(made).replace(self.directory / name)
        except BaseException:
            Path(made).unlink(missing_ok=True)
            raise


def at(context: Context, organization: Place | None, project: Place | None) -> Context:
    """The context, about another organization or project. A project goes with its organization."""
    if organization is not None and (context.organization is None or organization.id != context.organization.id):
        context = replace(context, organization=organization, project=None)
    return replace(context, project=project) if project is not None else context
