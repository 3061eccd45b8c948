"""The roles and what they permit. A role says what; a binding says who and where."""

from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True)
class Role:
    """A name and patterns of the permissions (`service.kind.verb`) that it gives; `*` stands for anything.

    `platform` roles are bound to the whole platform, the others to an organization or one of its projects.
    """

    name: str
    permissions: tuple[str, ...]
    platform: bool = False

    def permits(self, permission: str) -> bool:
        """Tell whether one of the patterns matches."""
        return any(fnmatchcase(permission, pattern) for pattern in self.permissions)


ROLES = {
    role.name: role
    for role in (
        Role("admin", ("*",), platform=True),
        Role("owner", ("*",)),
        Role("viewer", ("*.read", "*.list")),
    )
}
