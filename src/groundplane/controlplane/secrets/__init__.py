"""Secrets: sealed values with versions, each owned by a resource, under a data key of its organization."""

from groundplane.controlplane.secrets.rotation import Progress, Rotation
from groundplane.controlplane.secrets.store import CurrentVersionError, Sealed, SecretStore, SecretVersionNotFoundError, Version

__all__ = ["CurrentVersionError", "Progress", "Rotation", "Sealed", "SecretStore", "SecretVersionNotFoundError", "Version"]
