"""The second factor: time-based one-time passwords (RFC 6238), and recovery codes for when the device is lost.

The secret is stored sealed, recovery codes are stored hashed. No code is taken twice. The tables totp and recovery_code.
"""

import secrets
from dataclasses import dataclass, field
from uuid import UUID

import pyotp

from groundplane.controlplane.identity.problems import TotpExistsError, TotpNotFoundError
from groundplane.controlplane.identity.secret_text import digest
from groundplane.kernel.database import Tx
from groundplane.kernel.secrets import SecretBox

ISSUER = "Groundplane"
RECOVERY_CODES = 10
_STEP_SECONDS = 30
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # without what looks alike
_CODE_LENGTH = 16  # 79 random bits


@dataclass(frozen=True)
class Enrolment:
    """What the user's device learns, once: the secret, and the same as a URI to be shown as a picture."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)


async def enrol(tx: Tx, box: SecretBox, user_id: UUID, email: str) -> Enrolment:
    """Make a secret, which counts once a code confirms it; one that was never confirmed is replaced. Raises TotpExistsError."""
    secret = pyotp.random_base32()
    made = await tx.execute(
        """INSERT INTO totp (user_id, envelope) VALUES ($1, $2)
           ON CONFLICT (user_id) DO UPDATE SET envelope = excluded.envelope, last_step = 0, created_at = clock_timestamp()
           WHERE totp.confirmed_at IS NULL""",
        user_id,
        box.seal(secret.encode(), _bound_to(user_id)),
    )
    if not made:
        raise TotpExistsError
    return Enrolment(secret, pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER))


async def confirm(tx: Tx, box: SecretBox, user_id: UUID, code: str) -> list[str] | None:
    """The recovery codes, told only now; None when the code is not right. Raises TotpNotFoundError, TotpExistsError."""
    row = await tx.row("SELECT confirmed_at FROM totp WHERE user_id = $1 FOR UPDATE", user_id)
    if row is None:
        raise TotpNotFoundError
    if row["confirmed_at"] is not None:
        raise TotpExistsError
    if not await _take_code(tx, box, user_id, code):
        return None
    await tx.execute("UPDATE totp SET confirmed_at = clock_timestamp() WHERE user_id = $1", user_id)
    codes = ["".join(secrets.choice(_ALPHABET) for _ in range(_CODE_LENGTH)) for _ in range(RECOVERY_CODES)]
    await tx.many("INSERT INTO recovery_code (user_id, hash) VALUES ($1, $2)", [(user_id, digest(each)) for each in codes])
    return codes


async def has_totp(tx: Tx, user_id: UUID) -> bool:
    """Tell whether a login of this user needs a code."""
    return bool(await tx.value("SELECT EXISTS (SELECT FROM totp WHERE user_id = $1 AND confirmed_at IS NOT NULL)", user_id))


async def take_code(tx: Tx, box: SecretBox, user_id: UUID, code: str) -> bool:
    """Tell whether it is a code of this user's confirmed second factor, or a recovery code; it is used up then."""
    locked = "SELECT confirmed_at IS NOT NULL FROM totp WHERE user_id = $1 FOR UPDATE"
    if not await tx.value(locked, user_id):
        return False
    if len(code) == _CODE_LENGTH:
        return bool(
            await tx.execute(
                "UPDATE recovery_code SET used_at = clock_timestamp() WHERE user_id = $1 AND hash = $2 AND used_at IS NULL",
                user_id,
                digest(code),
            )
        )
    return await _take_code(tx, box, user_id, code)


async def recovery_codes_left(tx: Tx, user_id: UUID) -> int:
    """How many recovery codes are not used yet."""
    return int(await tx.value("SELECT count(*) FROM recovery_code WHERE user_id = $1 AND used_at IS NULL", user_id))


async def remove_totp(tx: Tx, user_id: UUID) -> None:
    """Take the second factor away, its recovery codes too. Raises TotpNotFoundError."""
    if not await tx.execute("DELETE FROM totp WHERE user_id = $1", user_id):
        raise TotpNotFoundError


async def _take_code(tx: Tx, box: SecretBox, user_id: UUID, code: str) -> bool:
    """A code of the step before, this one, or the next is good, if no code of that step or a later one was taken."""
    row = await tx.one("SELECT envelope, last_step FROM totp WHERE user_id = $1", user_id)
    device = pyotp.TOTP(box.open(row["envelope"], _bound_to(user_id)).decode())
    now = int(tx.now.timestamp()) // _STEP_SECONDS
    good = [step for step in (now - 1, now, now + 1) if secrets.compare_digest(device.generate_otp(step), code)]
    fresh = [step for step in good if step > row["last_step"]]
    if not fresh:
        return False
    await tx.execute("UPDATE totp SET last_step = $2 WHERE user_id = $1", user_id, fresh[0])
    return True


def _bound_to(user_id: UUID) -> bytes:
    return f"totp {user_id}".encode()
