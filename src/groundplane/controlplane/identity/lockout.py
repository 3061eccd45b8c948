"""Lock-out with back-off: who failed too often waits, ever longer. The table login_failure.

What is counted is a subject: an account as it was typed (whether or not there is one), an address. Counted are failures
alone, after the fact, in a short transaction of their own; whoever succeeds is asked once more whether others failed meanwhile,
so that a burst of guesses gains nothing.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

from groundplane.controlplane.identity.problems import TooManyAttemptsError
from groundplane.kernel.database import Tx

LONGEST_SECONDS = 900
FORGOTTEN_SECONDS = 3600
"""After so long without a failure, counting begins anew."""


@dataclass(frozen=True)
class Subject:
    """Something that may fail `free` times before it waits: one second, then two, four … fifteen minutes."""

    digest: bytes
    free: int


def account(email: str) -> Subject:
    """An account, by the e-mail address as it was typed."""
    return Subject(_digest("account", email.lower()), free=5)


def address(text: str | None) -> Subject | None:
    """A network address. A whole office may be behind it, so it may fail more often."""
    return Subject(_digest("address", text), free=50) if text else None


def device_codes(user_id: object) -> Subject:
    """Whoever types user codes of devices."""
    return Subject(_digest("device", str(user_id)), free=5)


def _digest(sort: str, text: str) -> bytes:
    return hashlib.sha256(f"{sort}\0{text}".encode()).digest()


async def require_not_locked(tx: Tx, subjects: Sequence[Subject | None]) -> None:
    """Return if all of them may try now. Raises TooManyAttemptsError."""
    seconds = await tx.value(
        "SELECT extract(epoch FROM max(blocked_until) - clock_timestamp()) FROM login_failure WHERE subject = ANY($1::bytea[])",
        [each.digest for each in subjects if each],
    )
    if seconds is not None and seconds > 0:
        raise TooManyAttemptsError.after(math.ceil(seconds))


async def count_failure(tx: Tx, subjects: Sequence[Subject | None]) -> None:
    """One more failure of each of them."""
    for each in sorted((each for each in subjects if each), key=lambda subject: subject.digest):  # so that nobody deadlocks
        await tx.execute(
            """INSERT INTO login_failure AS old (subject, failures, last_at, blocked_until)
               VALUES ($1, 1, clock_timestamp(), clock_timestamp())
               ON CONFLICT (subject) DO UPDATE SET last_at = clock_timestamp(),
                   failures = CASE WHEN old.last_at < clock_timestamp() - make_interval(secs => $3) THEN 1
                                   ELSE old.failures + 1 END,
                   blocked_until = CASE WHEN old.last_at < clock_timestamp() - make_interval(secs => $3)
                                             OR old.failures + 1 < $2 THEN clock_timestamp()
                       ELSE clock_timestamp() + make_interval(
                           secs => least($4, power(2, least(old.failures + 1 - $2, 20)))) END""",
            each.digest,
            each.free,
            float(FORGOTTEN_SECONDS),
            float(LONGEST_SECONDS),
        )


async def forget_failures(tx: Tx, subject: Subject) -> None:
    """It succeeded: counting begins anew."""
    await tx.execute("DELETE FROM login_failure WHERE subject = $1", subject.digest)


async def forget_old_failures(tx: Tx) -> int:
    """Delete what does not count any more; how many."""
    return await tx.execute(
        "DELETE FROM login_failure WHERE last_at < now() - make_interval(secs => $1)", float(FORGOTTEN_SECONDS)
    )
