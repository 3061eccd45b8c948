"""Migrations: plain SQL files, run in order and remembered by Alembic. One at a time, under a lock of the database."""

from pathlib import Path
from typing import Any

from alembic import command, op
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.util import await_only

HERE = Path(__file__).parent
_LOCK = 7_301_977


async def migrate(url: str) -> None:
    """Bring the database at `url` (an asyncpg address) to the newest schema. Safe to call from several machines."""
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with engine.begin() as connection:
        await connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        await connection.run_sync(_upgrade)
    await engine.dispose()


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def run_sql(name: str) -> None:
    """Run a SQL file as it stands: many statements, asyncpg's simple protocol."""
    driver: Any = op.get_bind().connection.driver_connection
    await_only(driver.execute((HERE / name).read_text()))
