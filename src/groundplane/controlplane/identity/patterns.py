"""Patterns of permissions (`service.kind.verb`), in which `*` stands for anything. Pure."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache

PATTERN = r"^[a-z0-9_*]+(\.[a-z0-9_*]+){0,2}$"
"""What a pattern looks like: `compute.vm.create`, `compute.*`, `*.read`."""


@lru_cache(maxsize=16_384)
def permit(patterns: tuple[str, ...], permission: str) -> bool:
    """Tell whether one of the patterns matches the permission."""
    return any(fnmatchcase(permission, pattern) for pattern in patterns)


def beyond(patterns: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Those wanted that allow something which none of the patterns is seen to allow, today or with permissions to come.

    A pattern is within another if that one matches it letter by letter, its `*` included: `compute.*.read` is within
    `compute.*`. That a pattern is only within several others together is not seen.
    """
    return [each for each in wanted if not any(fnmatchcase(each, pattern) for pattern in patterns)]
