"""`groundplane secrets rotate`: new keys for all stored secrets, while everything runs."""

import sys

from groundplane.controlplane.secrets import Progress, Rotation
from groundplane.kernel.database import Database
from groundplane.kernel.keyring import KeyRing
from groundplane.kernel.secrets import SecretBox
from groundplane.kernel.settings import Settings
from groundplane.processes.layout import Endpoints, Layout


class NoInstallationError(Exception):
    """There is no installation in the data directory, and GROUNDPLANE_DATABASE_URL is not set. Say where it is: --data-dir."""


def database_url(settings: Settings) -> str:
    """The address of the installation's database, from the settings or from what `up` wrote. Raises NoInstallationError."""
    if url := settings.database_url.get_secret_value():
        return url
    endpoints = Endpoints.load(Layout(settings.data_dir))
    if endpoints is None:
        raise NoInstallationError(NoInstallationError.__doc__)
    return endpoints.database_url


async def rotate(settings: Settings, *, key_encryption_key: bool) -> str:
    """Rotate one sort of key, and answer a sentence that says what was done. Progress goes to the terminal."""
    database = await Database.connect(database_url(settings), size=2)
    box = SecretBox(KeyRing(settings.key_directory, settings.encryption_keys.get_secret_value()))
    rotation = Rotation(database, box)
    try:
        if key_encryption_key:
            fresh = await rotation.rotate_key_encryption_key(show)
            new = f"The current key-encryption key is {box.ring.current().id}; older ones wrap nothing any more."
        else:
            fresh = await rotation.rotate_data_keys(show)
            new = "Every secret is sealed by its organization's current data key; older ones are gone."
    finally:
        await database.close()
    return new if fresh else f"A rotation that was begun before is complete. {new}"


def show(progress: Progress) -> None:
    """One line that counts."""
    end = "\n" if progress.done == progress.total or not sys.stdout.isatty() else "\r"
    sys.stdout.write(f"{progress.what}: {progress.done:,} of {progress.total:,}{end}")
    sys.stdout.flush()
