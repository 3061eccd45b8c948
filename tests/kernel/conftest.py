"""A database with little in it, for what is about transactions and not about us."""

from collections.abc import AsyncIterator

import pytest_asyncio
from tests.conftest import MakeDatabase

from groundplane.kernel.database import Database

TABLES = """
    CREATE TABLE thing (id uuid PRIMARY KEY, name text NOT NULL CONSTRAINT thing_name UNIQUE, size int DEFAULT 7,
                        tags jsonb NOT NULL DEFAULT '{}', CONSTRAINT small CHECK (size < 100));
    CREATE TABLE note (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, thing_id uuid REFERENCES thing, text text);
    CREATE TABLE tally (id uuid PRIMARY KEY, count int NOT NULL CONSTRAINT enough CHECK (count >= 0));
    INSERT INTO tally VALUES ('00000000-0000-0000-0000-000000000001', 2);
"""


@pytest_asyncio.fixture
async def things(make_database: MakeDatabase) -> AsyncIterator[Database]:
    """A database with three small tables."""
    database = await Database.connect(await make_database())
    async with database.transaction() as tx:
        await tx.connection.execute(TABLES)
    yield database
    await database.close()
