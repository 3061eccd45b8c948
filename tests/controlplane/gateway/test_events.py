"""The change stream: complete and in order whatever is cut, only for those who may hear it, and cheap for the database."""

import asyncio
import contextlib
import random
import socket
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.controlplane.cloud import Cloud
from tests.controlplane.gateway.conftest import Api
from tests.controlplane.gateway.listening import STREAM, Told, listening, serving, the_next, the_rest

from groundplane.controlplane.gateway import changes, events
from groundplane.controlplane.gateway.changes import MOST_OF_ONE, Stream
from groundplane.controlplane.identity import Actor, Credential, Place, Revocations, create_role, end_session, unbind
from groundplane.controlplane.identity.bindings import bindings_of_user
from groundplane.controlplane.network.network import NETWORK, NetworkSpec
from groundplane.controlplane.resources import journal
from groundplane.controlplane.resources.journal import Position
from groundplane.kernel.database import Tx
from groundplane.kernel.ids import format_id, new_id
from groundplane.kernel.news import Announcer

BOSS = Actor(new_id(), "system", "somebody who may give anything")


@pytest.fixture
async def url(api: Api) -> AsyncIterator[str]:
    """Where the real server is; other processes are told over the bus, as the real ones are."""
    api.cloud.database.on_write = Announcer(api.services.bus)
    async with serving(api.app, api.services.settings) as (_, address):
        yield address


async def _page(api: Api, path: str = "", **query: Any) -> httpx.Response:
    return await api.call("GET", path or f"{api.project}/events", params=query)


async def _now(api: Api, path: str = "") -> str:
    cursor: str = (await _page(api, path)).json()["next"]
    return cursor


async def test_pages_tell_what_came_since(api: Api) -> None:
    answer = await _page(api)
    assert answer.json()["items"] == []
    lan = await api.made("networks", "lan")
    items = (await _page(api, cursor=answer.json()["next"])).json()["items"]
    of_network = [each for each in items if each["entity"] == "resource"]
    assert {each["id"] for each in of_network} == {lan["id"]}
    assert [each["revision"] for each in of_network] == list(range(1, lan["revision"] + 1))
    assert (of_network[0]["status"], of_network[-1]["status"], of_network[-1]["name"]) == ("creating", "active", "lan")
    assert of_network[0]["changed_by"].startswith("usr_")
    of_job = [each for each in items if each["entity"] == "job"]
    assert {(each["workflow"], each["resource_id"]) for each in of_job} == {("network.ensure", lan["id"])}
    assert of_job[-1]["state"] == "SUCCEEDED"
    assert not any(each["deleted"] for each in of_network)

    some: list[Any] = []
    cursor = answer.json()["next"]
    while page := (body := (await _page(api, cursor=cursor, limit=2)).json())["items"]:
        assert len(page) <= 2
        some += page
        cursor = body["next"]
    assert some == items

    await api.call("DELETE", f"{api.project}/networks/lan")
    await api.cloud.run()
    gone = (await _page(api, cursor=cursor)).json()["items"]
    assert [each["deleted"] for each in gone if each["entity"] == "resource"][-1] is True


@pytest.mark.parametrize("cursor", ["1", "x-y", "1-1; DROP", "g" * 40, "-1-1", "1-ffffffffffffffff", "", "1-1\x00"])
async def test_what_is_no_cursor_is_refused(api: Api, cursor: str) -> None:
    assert (await _page(api, cursor=cursor)).status_code == 422
    if cursor.isprintable():
        headers = {**api.headers, "Last-Event-ID": cursor or "x"}
        assert (await api.client.get(f"{api.project}/events", headers=headers)).status_code == 422


async def test_a_cursor_of_too_long_ago_or_of_nowhere_begins_anew(api: Api, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = await _now(api)
    await api.made("networks", "lan")
    monkeypatch.setattr(events, "MOST_BEHIND", 2)
    for cursor in (before, "ffffffffffffffff-0"):
        answer = await _page(api, cursor=cursor)
        assert (answer.status_code, answer.json()["code"]) == (410, "cursor_too_old")
        async with listening(url, api, cursor=cursor) as told:
            reset = await the_next(told, "reset")
            await api.made("networks", f"lan-{new_id().hex[-8:]}")
            assert (await the_next(told, "resource")).data["status"] == "creating"
        assert reset.id == reset.data["cursor"]


async def test_a_change_is_told_at_once(api: Api, url: str) -> None:
    async with listening(url, api) as told:
        hello = await the_next(told, "hello")
        assert hello.id == hello.data["cursor"]
        delays = []
        for number in range(10):
            answer = await api.post("/networks", {"name": f"lan-{number}"})
            began = time.monotonic()
            while (await the_next(told, "resource")).data["id"] != answer.json()["id"]:
                pass
            delays.append(time.monotonic() - began)
        assert sorted(delays)[len(delays) // 2] < 0.3


async def test_what_is_written_behind_nobodys_back_is_told_without_a_word_on_the_bus(api: Api, url: str) -> None:
    api.cloud.database.on_write = None
    async with listening(url, api) as told:
        await the_next(told, "hello")
        await api.post("/networks", {"name": "lan"})
        assert (await the_next(told, "resource", seconds=2)).data["name"] == "lan"


# Complete: the listener is cut again and again, while transactions commit in another order than they wrote in.

WRITERS = 8
ROUNDS = 30


async def _write(cloud: Cloud, resources: Sequence[UUID], seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311  # chance that can be repeated
    for number in range(ROUNDS):
        with contextlib.suppress(ZeroDivisionError):
            async with cloud.database.transaction() as tx:
                for resource_id in dice.sample(list(resources), dice.randint(1, len(resources))):
                    await _touch(tx, resource_id, number)
                    await asyncio.sleep(dice.choice([0, 0.01, 0.03, 0.1]))
                if dice.random() < 0.15:
                    raise ZeroDivisionError  # rolled back: nobody hears of it
        await asyncio.sleep(dice.choice([0, 0.01]))


async def _touch(tx: Tx, resource_id: UUID, number: int) -> None:
    labels = {"round": str(number), "salt": new_id().hex}
    await tx.execute("UPDATE resource SET labels = $2, reason = 'a test' WHERE id = $1", resource_id, labels)
    await tx.execute("UPDATE job SET step = $2 WHERE resource_id = $1", resource_id, new_id().hex)


async def _listen(url: str, api: Api, cursor: str, done: asyncio.Event, seen: list[tuple[str, str]], seed: int) -> None:
    """Listen until the journal's end; cut the connection after a random number of events, or a random while."""
    dice = random.Random(seed)  # noqa: S311  # chance that can be repeated
    while True:
        finished = done.is_set()
        patience = 1.0 if finished else dice.uniform(0.02, 0.3)
        until = dice.choice([0, 3, 100, 400]) if not finished else 10_000
        how = {"cursor": cursor} if dice.random() < 0.5 else {"resumed": cursor}
        with contextlib.suppress(TimeoutError):
            async with listening(url, api, **how) as told:
                while until:
                    async with asyncio.timeout(patience):
                        event = await anext(told)
                    assert event.id is not None
                    assert event.name in {"resource", "job", ""}
                    cursor = event.id
                    if event.name:
                        seen.append((event.id, event.data["id"]))
                        until -= 1
        if finished:
            return


async def test_whatever_is_cut_nothing_is_missed_and_nothing_told_twice(api: Api, url: str) -> None:
    cloud = api.cloud
    for number in range(WRITERS * 2):
        await api.post("/networks", {"name": f"lan-{number}"})
    rows = await cloud.fetch("SELECT id FROM resource WHERE project_id = $1 AND kind = 'network' ORDER BY id", cloud.project_id)
    ids = [row["id"] for row in rows]
    start = await _now(api)
    done = asyncio.Event()
    heard: list[list[tuple[str, str]]] = [[], [], []]
    listeners = [asyncio.create_task(_listen(url, api, start, done, seen, seed)) for seed, seen in enumerate(heard)]
    await asyncio.gather(*(_write(cloud, ids[number::WRITERS], number) for number in range(WRITERS)))
    done.set()
    await asyncio.gather(*listeners)

    transaction, sequence = (int(part, 16) for part in start.split("-"))
    journaled = await cloud.fetch(
        """SELECT transaction_id::text AS transaction, sequence, entity, entity_id FROM revision
           WHERE (transaction_id, sequence) > ($1::text::xid8, $2) AND project_id = $3 ORDER BY transaction_id, sequence""",
        str(transaction),
        sequence,
        cloud.project_id,
    )
    expected = [
        (
            f"{int(row['transaction']):x}-{row['sequence']:x}",
            format_id({"job": "job"}.get(row["entity"], "net"), row["entity_id"]),
        )
        for row in journaled
    ]
    assert len(expected) > WRITERS * ROUNDS
    sequences = [row["sequence"] for row in journaled]
    assert sequences != sorted(sequences), "transactions did not commit out of order: the test shows nothing"
    for seen in heard:
        assert seen == expected


async def test_a_database_that_hung_up_costs_no_event(api: Api, url: str) -> None:
    async with listening(url, api) as told:
        await the_next(told, "hello")
        for number in range(3):
            await api.cloud.value(
                """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()"""
            )
            await api.cloud.make(NETWORK, NetworkSpec(), name=f"lan-{number}")
            assert (await the_next(told, "resource")).data["name"] == f"lan-{number}"


# Only for those who may.


async def test_a_project_hears_nothing_of_another(api: Api, url: str) -> None:
    cloud = api.cloud
    viewer = await api.as_("viewer", cloud.organization_id, cloud.project_id)
    own, project_id = api.project, cloud.project_id
    async with listening(url, viewer, f"{own}/events") as told, listening(url, api, "/api/ops/v1/events") as everything:
        cursor = (await the_next(told, "hello")).data["cursor"]
        await the_next(everything, "hello")
        await cloud.open_project("sibling")
        await api.made("networks", "theirs")
        cloud.project_id = project_id
        await api.made("networks", "ours")
        assert (await the_next(told, "resource")).data["name"] == "ours"
        heard = [(await the_next(everything, "resource")).data["name"] for _ in range(3)]
        assert heard[:2] == ["sibling", "theirs"]
    assert {each["name"] for each in (await _page(viewer, cursor=cursor)).json()["items"] if "name" in each} == {"ours"}


async def test_of_what_one_may_not_read_one_hears_nothing(api: Api, url: str) -> None:
    cloud = api.cloud
    async with cloud.database.transaction() as tx:
        patterns = ("resources.event.list", "network.*")
        await create_role(tx, BOSS, organization_id=cloud.organization_id, name="netter", description="", permissions=patterns)
    netter = await api.as_("netter", cloud.organization_id, cloud.project_id)
    async with listening(url, netter) as told:
        cursor = (await the_next(told, "hello")).data["cursor"]
        await api.post("/ssh-keys", {"name": "mine", "spec": {"public_key": SSH_KEY}})
        await api.made("networks", "lan")
        first = await anext(told)
        assert (first.name, first.data["kind"], first.data["name"]) == ("resource", "network", "lan")
    caught_up = (await _page(netter, cursor=cursor)).json()["items"]
    assert {each["kind"] for each in caught_up} == {"network"}
    async with listening(url, netter, cursor=cursor) as told:
        assert (await anext(told)).data == caught_up[0]


SSH_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHVbH0hBVPpZ8DLNFZQcyvNB+8ss3JEhtvwzXlbYsgyP somebody"


async def test_it_ends_with_the_session(api: Api, url: str) -> None:
    session_id = new_id()
    user_id = await api.cloud.value("SELECT id FROM user_account LIMIT 1")
    await api.cloud.value(
        """INSERT INTO session (id, user_id, method, expires_at) VALUES ($1, $2, 'password', now() + interval '1 hour')
           RETURNING id""",
        session_id,
        user_id,
    )
    token, _ = api.services.tokens.issue_user(Actor(user_id, "user", "it"), session_id)
    with_session = Api(api.app, api.cloud, api.services, api.client, {"Authorization": f"Bearer {token}"})
    async with listening(url, with_session) as told:
        await the_next(told, "hello")
        async with api.cloud.database.transaction() as tx:
            await end_session(tx, session_id, user_id=user_id, reason="logout")
        await api.services.revocations.refresh(api.cloud.database, lives_seconds=900)  # as every process does each second
        assert (await the_rest(told, seconds=3))[-1].comment == "the session was ended"
    answer = await with_session.client.get(f"{api.project}/events", headers=with_session.headers)
    assert answer.status_code == 401


async def test_it_ends_with_the_role(api: Api, url: str) -> None:
    cloud = api.cloud
    viewer = await api.as_("viewer", cloud.organization_id, cloud.project_id)
    me = (await viewer.call("GET", "/api/common/v1/me")).json()
    async with listening(url, viewer) as told, listening(url, api) as others:
        await the_next(told, "hello")
        await the_next(others, "hello")
        async with cloud.database.transaction() as tx:
            user_id = await tx.value("SELECT id FROM user_account WHERE email = $1", me["user"]["email"])
            (binding,) = await bindings_of_user(tx, user_id)
            await unbind(tx, binding.id, organization_id=cloud.organization_id)
        assert (await the_rest(told, seconds=6))[-1].comment == "the permission was lost"
        await api.post("/networks", {"name": "lan"})
        assert (await the_next(others, "resource")).data["name"] == "lan"


def test_it_ends_with_the_token() -> None:
    now = datetime.now(UTC)
    credential = Credential(None, now + timedelta(seconds=1))
    stream = Stream(BOSS, Place(), credential, frozenset({"vm"}), None, ending=lambda: False)
    stream.check(Revocations(), now)
    assert stream.over is None
    stream.check(Revocations(), now + timedelta(seconds=2))
    assert stream.over == "the token expired"


async def test_nobody_has_more_streams_than_their_share(api: Api, url: str) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(MOST_OF_ONE):
            told = await stack.enter_async_context(listening(url, api))
        await the_next(told, "hello")
        async with httpx.AsyncClient(base_url=url) as client:
            answer = await client.get(f"{api.project}/events", headers={**api.headers, **STREAM})
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_streams")
        other = await api.as_("viewer", api.cloud.organization_id, api.cloud.project_id)
        async with listening(url, other) as told:
            await the_next(told, "hello")
    async with listening(url, api) as told:  # what was closed counts no more
        await the_next(told, "hello")


# Cheap, and never in the way.


async def test_many_streams_cost_the_database_one_reader(api: Api, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0
    real = journal.horizon

    async def counted(tx: Tx) -> Position:
        nonlocal asked
        asked += 1
        return await real(tx)

    async with contextlib.AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(listening(url, api)) for _ in range(MOST_OF_ONE)]
        for told in streams:
            await the_next(told, "hello")
        monkeypatch.setattr(journal, "horizon", counted)
        await asyncio.sleep(1.0)
        assert 1 <= asked <= 10
        await api.post("/networks", {"name": "lan"})
        for told in streams:
            assert (await the_next(told, "resource")).data["name"] == "lan"
    await asyncio.sleep(0.5)
    asked = 0
    await asyncio.sleep(0.5)
    assert asked == 0, "it reads though nobody listens"


async def test_who_is_too_slow_is_told_to_begin_anew(api: Api, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(url, api) as told:
        await the_next(told, "hello")
        monkeypatch.setattr(changes, "MOST_WAITING", 3)
        await api.call("POST", f"{api.project}/networks", json={"name": "lan", "count": 20})
        rest = await the_rest(told)
        reset, last = rest[-2:]
    assert (reset.name, last.comment) == ("reset", "too slow")
    assert reset.id == reset.data["cursor"]
    monkeypatch.undo()
    async with listening(url, api, resumed=reset.id) as told:
        await api.post("/networks", {"name": "later"})
        assert (await the_next(told, "resource")).data["name"] == "later"


async def test_who_takes_nothing_is_hung_up_on(api: Api, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "SEND_SECONDS", 0.3)
    await api.post("/networks", {"name": "lan"})
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        host, _, port = url.removeprefix("http://").partition(":")
        deaf.connect((host, int(port)))
        head = "".join(f"{name}: {value}\r\n" for name, value in {**api.headers, **STREAM, "Host": host}.items())
        deaf.sendall(f"GET {api.project}/events HTTP/1.1\r\n{head}\r\n".encode())
        async with asyncio.timeout(20):
            while not api.services.changes._streams:  # noqa: ASYNC110  # it has no event for it
                await asyncio.sleep(0.02)
            number = 0
            while api.services.changes._streams:
                async with api.cloud.database.transaction() as tx:
                    for _ in range(100):
                        await tx.execute(
                            "UPDATE resource SET labels = $2, reason = 'a test' WHERE project_id = $1 AND kind = 'network'",
                            api.cloud.project_id,
                            {"number": str(number := number + 1)},
                        )
                await asyncio.sleep(0.05)


async def test_a_silence_is_broken_by_signs_of_life_from_which_one_goes_on(
    api: Api, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "BEAT_SECONDS", 0.2)
    async with listening(url, api) as told:
        hello = await the_next(told, "hello")
        cloud = api.cloud
        project_id = cloud.project_id
        await cloud.open_project("sibling")  # nothing that is told here
        cloud.project_id = project_id
        signs = [await the_next(told, "") for _ in range(3)]
    assert signs[-1].comment == "still here"
    assert signs[-1].id is not None
    assert _parsed(signs[-1].id) > _parsed(str(hello.id))
    async with listening(url, api, resumed=signs[-1].id) as told:
        await api.post("/networks", {"name": "lan"})
        assert (await the_next(told, "resource")).data["name"] == "lan"


def _parsed(cursor: str) -> tuple[int, int]:
    transaction, _, sequence = cursor.partition("-")
    return int(transaction, 16), int(sequence, 16)


async def test_a_shutdown_waits_for_no_listener(api: Api) -> None:
    async with serving(api.app, api.services.settings) as (server, url), listening(url, api) as told:
        await the_next(told, "hello")
        server.should_exit = True
        began = time.monotonic()
        rest: list[Told] = await the_rest(told)
        assert rest[-1].comment == "the server ends"
        assert time.monotonic() - began < 3


async def test_asked_for_the_head_alone_it_ends(api: Api, url: str) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=5) as client:
        answer = await client.head(f"{api.project}/events", headers={**api.headers, **STREAM})
    assert (answer.status_code, answer.content) == (200, b"")
