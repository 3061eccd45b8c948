"""How a process without a port tells its supervisor that it serves: its pid in a file."""

import os

from groundplane.kernel.settings import Settings


def say_ready(settings: Settings, name: str) -> None:
    """Write `run/NAME.ready` in the data directory."""
    directory = settings.data_dir / "run"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{name}.ready").write_text(str(os.getpid()))
