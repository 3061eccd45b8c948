"""Typed ids: UUIDv7 in the database, text that says what it names outside (`vm_01k…`), as in TypeID.

Crockford's base 32 of the 128 bits, 26 characters, lower case: sorts as the UUID does.
"""

import os
import re
import time
from uuid import UUID

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_DIGITS = str.maketrans(_ALPHABET, "0123456789abcdefghijklmnopqrstuv")
"""As `int` writes base 32."""
_TEXT = re.compile(f"[{_ALPHABET}]{{26}}")
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]
_SHIFTS = tuple(range(110, -1, -10))


_RANDOM_BITS = 74
_last = 0


def new_id() -> UUID:
    """A fresh UUIDv7 (RFC 9562): 48 bits of milliseconds, then 74 random ones, so that ids sort by age.

    Those that one process makes in the same millisecond sort by age too: they count on by random steps (section 6.2,
    method 2).
    """
    global _last  # noqa: PLW0603  # a counter of the process, as the method wants it
    fresh = (time.time_ns() // 1_000_000) << _RANDOM_BITS | int.from_bytes(os.urandom(10), "big") >> 80 - _RANDOM_BITS
    if fresh >> _RANDOM_BITS <= _last >> _RANDOM_BITS:
        fresh = _last + 1 + int.from_bytes(os.urandom(4), "big")
    _last = fresh
    high, low = fresh >> 62, fresh & (1 << 62) - 1
    milliseconds, middle = high >> 12, high & 0xFFF
    return UUID(int=(milliseconds & (1 << 48) - 1) << 80 | 0x7 << 76 | middle << 64 | 0x2 << 62 | low)


def format_id(prefix: str, value: UUID) -> str:
    """The public text of an id: `prefix_` and 26 characters."""
    number = value.int
    return prefix + "_" + _PAIRS[number >> 120] + "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])


def parse_id(prefix: str, text: str) -> UUID | None:
    """The UUID behind a public id; None when it is not one of this prefix."""
    head, _, tail = text.rpartition("_")
    if head != prefix or not _TEXT.fullmatch(tail):
        return None
    number = int(tail.translate(_DIGITS), 32)
    return UUID(int=number) if number < 1 << 128 else None
