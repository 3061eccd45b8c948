"""Users: creation, login without telling who exists, renewal of hashes, disabling, the first administrator."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest
from argon2 import PasswordHasher

from groundplane.controlplane.identity import (
    FIRST_ADMINISTRATOR,
    EmailTakenError,
    InvalidCredentialsError,
    InvalidTokenError,
    LastAdministratorError,
    User,
    UserNotFoundError,
    WeakPasswordError,
    authorize,
    bind,
    create_user,
    disable_user,
    ensure_first_administrator,
    find_user_by_email,
    get_user,
    list_bindings,
    list_users,
    log_in,
    unbind,
)
from groundplane.kernel.database import Database
from groundplane.kernel.ids import new_id

PASSWORD = "correct horse battery"


async def _user(database: Database, email: str | None = None) -> User:
    async with database.transaction() as tx:
        return await create_user(tx, email=email or f"{new_id().hex}@example.org", name="Somebody", password=PASSWORD)


async def test_a_user_logs_in_whatever_the_case_of_the_address(database: Database) -> None:
    user = await _user(database, "Ada@Example.org")
    assert await log_in(database, email="ada@example.ORG", password=PASSWORD) == user
    async with database.transaction() as tx:
        assert await get_user(tx, user.id) == user
        assert await find_user_by_email(tx, "ADA@example.org") == user


async def test_wrong_password_and_unknown_user_are_told_apart_by_nothing(database: Database) -> None:
    user = await _user(database)
    answers = []
    for email, password in ((user.email, "wrong" * 4), ("nobody@example.org", PASSWORD)):
        with pytest.raises(InvalidCredentialsError) as refused:
            await log_in(database, email=email, password=password)
        answers.append(refused.value.problem())
    assert answers[0] == answers[1]


async def test_an_unknown_user_costs_a_hash_too(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    verify = PasswordHasher.verify

    def watched(hasher: PasswordHasher, encoded: str, password: str) -> bool:
        seen.append(encoded)
        return verify(hasher, encoded, password)

    monkeypatch.setattr(PasswordHasher, "verify", watched)
    with pytest.raises(InvalidCredentialsError):
        await log_in(database, email="nobody@example.org", password=PASSWORD)
    assert len(seen) == 1
    assert seen[0].startswith("$argon2id$v=19$m=65536,t=3,p=4$")


async def test_the_hash_is_argon2id_and_renewed_when_outdated(database: Database) -> None:
    user = await _user(database)
    weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    async with database.transaction() as tx:
        await tx.execute("UPDATE user_account SET password_hash = $2 WHERE id = $1", user.id, weak)
    await log_in(database, email=user.email, password=PASSWORD)
    async with database.transaction() as tx:
        renewed = await tx.value("SELECT password_hash FROM user_account WHERE id = $1", user.id)
    assert renewed.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert await log_in(database, email=user.email, password=PASSWORD) == user


@pytest.mark.parametrize("password", ["", "x" * 11, "x" * 257])
async def test_weak_passwords_are_refused(database: Database, password: str) -> None:
    with pytest.raises(WeakPasswordError):
        async with database.transaction() as tx:
            await create_user(tx, email="weak@example.org", name="Weak", password=password)


async def test_an_address_is_taken_once_whatever_its_case(database: Database) -> None:
    await _user(database, "taken@example.org")
    with pytest.raises(EmailTakenError):
        await _user(database, "TAKEN@example.org")


async def test_one_of_two_racing_creates_wins(database: Database) -> None:
    results = await asyncio.gather(*(_user(database, "race@example.org") for _ in range(4)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["EmailTakenError"] * 3 + ["User"]


async def test_users_are_listed_page_by_page(database: Database) -> None:
    made = [await _user(database) for _ in range(3)]
    seen: list[UUID] = []
    after: UUID | None = None
    async with database.transaction() as tx:
        while users := await list_users(tx, after=after, limit=2):
            assert len(users) <= 2
            after = users[-1].id
            seen += [user.id for user in users]
    assert seen == sorted(set(seen))
    assert {user.id for user in made} <= set(seen)


async def test_a_disabled_user_neither_logs_in_nor_does_anything(database: Database) -> None:
    async with database.transaction() as tx:
        await ensure_first_administrator(tx)
    user = await _user(database)
    async with database.transaction() as tx:
        await bind(tx, user_id=user.id, role="admin")
        await authorize(tx, user.actor, "fleet.host.list", organization_id=None, project_id=None)
        first = await disable_user(tx, user.id)
        assert first.disabled_at is not None
        assert await disable_user(tx, user.id) == first
    with pytest.raises(InvalidCredentialsError):
        await log_in(database, email=user.email, password=PASSWORD)
    async with database.transaction() as tx:
        with pytest.raises(InvalidTokenError):
            await authorize(tx, user.actor, "fleet.host.list", organization_id=None, project_id=None)
        with pytest.raises(UserNotFoundError):
            await disable_user(tx, new_id())


async def test_the_first_administrator_is_made_once_however_many_ask(make_database: Callable[[], Awaitable[str]]) -> None:
    database = await Database.connect(await make_database())

    async def ask() -> str | None:
        async with database.transaction() as tx:
            return await ensure_first_administrator(tx)

    answers = await asyncio.gather(*(ask() for _ in range(4)))
    (password,) = [answer for answer in answers if answer]
    administrator = await log_in(database, email=FIRST_ADMINISTRATOR, password=password)
    async with database.transaction() as tx:
        await authorize(tx, administrator.actor, "fleet.host.delete", organization_id=None, project_id=None)
        await authorize(tx, administrator.actor, "compute.vm.delete", organization_id=new_id(), project_id=None)
        (binding,) = await list_bindings(tx, organization_id=None)
    with pytest.raises(LastAdministratorError):
        async with database.transaction() as tx:
            await disable_user(tx, administrator.id)
    with pytest.raises(LastAdministratorError):
        async with database.transaction() as tx:
            await unbind(tx, binding.id, organization_id=None)
    assert await ask() is None
    await database.close()
