"""Passwords: argon2id with RFC 9106's second recommended parameters, hashed in threads. A password is never kept or logged."""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import ParamSpec, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from groundplane.controlplane.identity.problems import WeakPasswordError

MIN_LENGTH = 12
MAX_LENGTH = 256

P = ParamSpec("P")
T = TypeVar("T")

_hasher = PasswordHasher(time_cost=3, memory_cost=64 << 10, parallelism=4)
# Each hash takes 64 MiB and two threads of work keep two cores busy: more at once would only take memory.
_threads = ThreadPoolExecutor(2, thread_name_prefix="password")


async def hash_password(password: str) -> str:
    """The encoded hash. Raises WeakPasswordError."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise WeakPasswordError
    return await _in_thread(_hasher.hash, password)


async def verify_password(encoded: str | None, password: str) -> bool:
    """Tell whether the password is right. None (an unknown user) takes as long as a wrong password."""
    decoy = await _in_thread(_decoy)
    right = await _in_thread(_verify, encoded or decoy, password)
    return right and encoded is not None


def needs_rehash(encoded: str) -> bool:
    """Tell whether a hash was made with other parameters than today's."""
    return _hasher.check_needs_rehash(encoded)


def generate_password() -> str:
    """A random password of 144 bits."""
    return secrets.token_urlsafe(18)


@cache
def _decoy() -> str:
    return _hasher.hash(generate_password())


def _verify(encoded: str, password: str) -> bool:
    try:
        return _hasher.verify(encoded, password)
    except (VerificationError, InvalidHashError):
        return False


async def _in_thread(function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    return await asyncio.get_running_loop().run_in_executor(_threads, partial(function, *arguments, **named))
