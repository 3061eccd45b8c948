"""Typed ids: UUIDv7 in the database, text that says what it names outside (`vm_01k…`), as in TypeID.

Crockford's base 32 of the 128 bits, 26 characters, lower case: sorts as the UUID does.
"""

import os
import time
from uuid import UUID

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUES = {char: value for value, char in enumerate(_ALPHABET)}
_LENGTH = 26


def new_id() -> UUID:
    """A fresh UUIDv7 (RFC 9562): 48 bits of milliseconds, then random bits, so that ids sort by age."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & (1 << 48) - 1) << 80 | random
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def format_id(prefix: str, value: UUID) -> str:
    """The public text of an id: `prefix_` and 26 characters."""
    number = value.int
    return prefix + "_" + "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def parse_id(prefix: str, text: str) -> UUID | None:
    """The UUID behind a public id; None when it is not one of this prefix."""
    head, _, tail = text.rpartition("_")
    if head != prefix or len(tail) != _LENGTH:
        return None
    number = 0
    for char in tail:
        value = _VALUES.get(char)
        if value is None:
            return None
        number = number << 5 | value
    return UUID(int=number) if number < 1 << 128 else None
