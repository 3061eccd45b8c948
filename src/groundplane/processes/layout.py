"""Where everything of one installation lies below its data directory, and what is written there for others to find.

Never starts anything; it only knows names, modes and the two small files `groundplane.json` and `endpoints.json`.
"""

import dataclasses
import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Plane = Literal["local", "simulated"]

DEFAULT_PORT = 8700

LONGEST = 70
"""Longest data directory, in bytes: Unix socket paths below it must stay under 108 (unix(7), sun_path)."""


class UnfitDirectoryError(Exception):
    """The data directory cannot be used as asked; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one data directory."""

    root: Path

    @property
    def run(self) -> Path:
        """Sockets, locks, records of processes: worth nothing after a reboot."""
        return self.root / "run"

    @property
    def logs(self) -> Path:
        """One log file a part."""
        return self.root / "log"

    @property
    def lock(self) -> Path:
        """Held by flock(2) for as long as a supervisor lives."""
        return self.run / "supervisor.lock"

    @property
    def control(self) -> Path:
        """The supervisor's control socket."""
        return self.run / "supervisor.sock"

    @property
    def processes(self) -> Path:
        """What runs, by pid and start time."""
        return self.run / "processes.json"

    @property
    def endpoints(self) -> Path:
        """Where everything is to be reached; holds a password, so mode 0600."""
        return self.root / "endpoints.json"

    @property
    def administrator(self) -> Path:
        """Whom the first administrator logs in as; mode 0600, for whoever made the installation to read and delete."""
        return self.root / "admin.json"

    @property
    def installation(self) -> Path:
        """What was asked of `up`; its presence says that the directory is ours."""
        return self.root / "groundplane.json"

    @property
    def pools(self) -> Path:
        """Local storage pools."""
        return self.root / "pools"

    @property
    def blobs(self) -> Path:
        """The blob store: uploaded images."""
        return self.root / "blobs"

    def log(self, part: str) -> Path:
        """Return the log file of a part."""
        return self.logs / f"{part}.log"

    def ready(self, part: str) -> Path:
        """Return the file in which a worker or agent writes its pid when it is ready to serve."""
        return self.run / f"{part}.ready"

    def create(self) -> None:
        """Make the directories that every installation has; the engines' users may pass through the root, not list it."""
        for directory, mode in (
            (self.root, 0o711),
            (self.run, 0o711),
            (self.logs, 0o700),
            (self.blobs, 0o700),
            (self.pools, 0o711),
            (self.pools / "default", 0o711),
        ):
            directory.mkdir(parents=True, exist_ok=True)
            directory.chmod(mode)

    def check(self) -> None:
        """Refuse a path that is too long, hidden from the engines, or somebody else's.

        Raises:
            UnfitDirectoryError: with a sentence for the user.
        """
        if len(os.fsencode(self.root)) > LONGEST:
            raise UnfitDirectoryError(
                f"The data directory's path is too long for Unix sockets below it (at most {LONGEST} bytes): "
                f"{self.root}. Name a shorter one with --data-dir."
            )
        if self.root.is_relative_to("/run") or self.root.is_relative_to("/var/run"):
            raise UnfitDirectoryError("The data plane has a /run of its own; name a --data-dir elsewhere.")
        if self.root.exists() and not self.root.is_dir():
            raise UnfitDirectoryError(f"{self.root} is not a directory. Name another --data-dir.")
        if self.root.is_dir() and any(self.root.iterdir()) and not self.is_ours():
            raise UnfitDirectoryError(f"{self.root} holds files that are not Groundplane's. Name an empty or new --data-dir.")

    def is_ours(self) -> bool:
        """Tell whether the directory was made by Groundplane, so that it may be deleted by it."""
        return self.installation.is_file()


def data_directory(name: str, chosen: Path | None = None) -> Layout:
    """Return the layout of the installation `name`: below /var/lib as root, below the home directory otherwise."""
    if chosen is not None:
        return Layout(chosen.expanduser().resolve())
    base = Path("/var/lib") if os.geteuid() == 0 else Path("~/.local/share").expanduser()
    return Layout((base / "groundplane" / name).resolve())


@dataclass(frozen=True, slots=True)
class Installation:
    """What was asked of `up`: kept, so that the next `up` needs no options."""

    name: str = "default"
    data_plane: Plane = "local"
    simulated_hosts: int = 0
    port: int = DEFAULT_PORT

    @classmethod
    def load(cls, layout: Layout) -> "Installation | None":
        """Read what an earlier `up` was asked, or None if there was none."""
        raw = read_json(layout.installation)
        return cls(**raw) if raw else None

    def save(self, layout: Layout) -> None:
        """Write it for the next `up`."""
        write_json(layout.installation, dataclasses.asdict(self))


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where everything is to be reached. What the data plane is not there for is None."""

    name: str
    data_dir: str
    data_plane: Plane
    simulated_hosts: int
    api: str
    database_url: str
    nats_url: str
    nats_port: int | None
    """Port of the embedded nats-server; None with GROUNDPLANE_NATS_URL."""
    pool_path: str
    blobs_path: str
    metrics: dict[str, str] = dataclasses.field(default_factory=dict)
    """Where each process's figures are to be read, by its name."""
    host: str | None = None
    """Name of this machine as a host: libvirt's, and OVN's system-id."""
    libvirt_uri: str | None = None
    ovn_northbound: str | None = None
    ovn_southbound: str | None = None
    ovs: str | None = None
    network_namespace: str | None = None
    mount_namespace: str | None = None

    @classmethod
    def load(cls, layout: Layout) -> "Endpoints | None":
        """Read what the last `up` recorded, or None."""
        raw = read_json(layout.endpoints)
        known = {field.name for field in dataclasses.fields(cls)}
        try:
            return cls(**{key: value for key, value in raw.items() if key in known}) if raw else None
        except TypeError:
            return None

    def save(self, layout: Layout) -> None:
        """Record them, readable by the owner alone."""
        write_json(layout.endpoints, dataclasses.asdict(self), mode=0o600)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; empty if the file is missing or was cut off by a crash."""
    try:
        raw = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return raw if isinstance(raw, dict) else {}


def write_json(path: Path, value: object, mode: int = 0o644) -> None:
    """Write a JSON file in one atomic step: a reader sees the old one or the new one."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "w") as file:
        json.dump(value, file, indent=2)
        file.write("\n")
    partial.replace(path)


def port_is_free(port: int) -> bool:
    """Tell whether 127.0.0.1:`port` can be listened on now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Return a port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
