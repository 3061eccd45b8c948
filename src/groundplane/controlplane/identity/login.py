"""Login with e-mail address and password, and with a code where there is a second factor.

Tells nobody what of it was wrong, and makes whoever fails too often wait.
"""

from dataclasses import fields
from uuid import UUID

from groundplane.controlplane.identity.lockout import account, address, count_failure, forget_failures, require_not_locked
from groundplane.controlplane.identity.passwords import hash_password, needs_rehash, verify_password
from groundplane.controlplane.identity.problems import (
    InvalidCodeError,
    InvalidCredentialsError,
    TotpRequiredError,
    WrongProofError,
)
from groundplane.controlplane.identity.totp import has_totp, take_code
from groundplane.controlplane.identity.users import User, get_user
from groundplane.kernel.database import Database, Tx
from groundplane.kernel.secrets import SecretBox

_COLUMNS = ", ".join(item.name for item in fields(User))


async def log_in(database: Database, *, email: str, password: str, client_address: str | None = None) -> User:
    """The user with these credentials; a hash of outdated parameters is renewed. Holds no connection while hashing.

    Raises:
        InvalidCredentialsError: tells nobody whether there is such a user.
        TooManyAttemptsError: this account, or this address, failed too often and has to wait.
        TotpRequiredError: the password is right, and the user has a second factor.
    """
    subjects = [account(email), address(client_address)]
    async with database.transaction() as tx:
        await require_not_locked(tx, subjects)
        row = await tx.row(
            f"SELECT {_COLUMNS}, password_hash FROM user_account WHERE lower(email) = lower($1)",  # noqa: S608  # our own
            email,
        )
    encoded: str | None = row["password_hash"] if row else None
    right = await verify_password(encoded, password)
    if row is None or encoded is None or not right or row["disabled_at"] is not None:
        async with database.transaction() as tx:
            await count_failure(tx, subjects)
        raise InvalidCredentialsError
    user = User(**{item.name: row[item.name] for item in fields(User)})
    renewed = await hash_password(password) if needs_rehash(encoded) else None
    async with database.transaction() as tx:
        await require_not_locked(tx, subjects)
        if renewed is not None:
            await tx.execute(
                "UPDATE user_account SET password_hash = $3 WHERE id = $1 AND password_hash = $2", user.id, encoded, renewed
            )
        second_factor = await has_totp(tx, user.id)
        if not second_factor:
            await forget_failures(tx, account(email))
    if second_factor:
        raise TotpRequiredError(user.id)
    return user


async def log_in_with_code(
    database: Database, box: SecretBox, user_id: UUID, code: str, *, client_address: str | None = None
) -> User:
    """The user, who knew the password already and shows a code of the second factor, or a recovery code.

    Raises InvalidCodeError, InvalidCredentialsError (disabled meanwhile), TooManyAttemptsError.
    """
    async with database.transaction() as tx:
        user = await get_user(tx, user_id)
        if user.disabled_at is not None:
            raise InvalidCredentialsError
        right = await _try_code(tx, box, user, code, client_address)
    if not right:
        raise InvalidCodeError
    return user


async def prove(
    database: Database, box: SecretBox, user_id: UUID, *, password: str | None = None, code: str | None = None
) -> None:
    """Return if whoever is logged in as this user shows the password, or else a code of the second factor.

    Raises WrongProofError, TooManyAttemptsError: wrong ones are counted as failed logins are.
    """
    async with database.transaction() as tx:
        user = await get_user(tx, user_id)
        await require_not_locked(tx, [account(user.email)])
        encoded = await tx.value("SELECT password_hash FROM user_account WHERE id = $1", user_id)
    right = password is not None and await verify_password(encoded, password)
    async with database.transaction() as tx:
        if code is not None:
            right = await _try_code(tx, box, user, code, None)
        elif not right:
            await count_failure(tx, [account(user.email)])
    if not right:
        raise WrongProofError


async def _try_code(tx: Tx, box: SecretBox, user: User, code: str, client_address: str | None) -> bool:
    subjects = [account(user.email), address(client_address)]
    await require_not_locked(tx, subjects)
    right = await take_code(tx, box, user.id, code)
    await (forget_failures(tx, account(user.email)) if right else count_failure(tx, subjects))
    return right
