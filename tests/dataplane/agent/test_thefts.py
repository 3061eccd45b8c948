"""What somebody can do on the bus who stole an agent's credential: nothing beyond that agent's own cluster."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import nats.errors
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from tests.dataplane.agent.guarded import GuardedServer
from tests.dataplane.agent.world import World, ensure, remove

from groundplane.contracts.rights import LEASES_PREFIX, agent_rights, inbox_prefix
from groundplane.contracts.tasks import (
    LEASES_BUCKET,
    REPORTS_STREAM,
    TASKS_STREAM,
    look_subject,
    read_subject,
    report_subject,
    stop_subject,
    task_consumer,
    task_filter,
    task_subject,
)
from groundplane.kernel.bus import Bus
from groundplane.kernel.nats_tokens import Nkey, claims_of

MINE, VICTIM = UUID(int=1), UUID(int=2)
ME, COLLEAGUE, STRANGER = UUID(int=11), UUID(int=12), UUID(int=22)
NEXT = "$JS.API.CONSUMER.MSG.NEXT"


@dataclass
class Scene:
    """Two clusters with a task each, and a thief with the credential of an agent of the first."""

    server: GuardedServer
    bus: Bus
    thief: Bus

    async def counts(self) -> dict[str, int]:
        """How many messages lie in each stream."""
        return {str(info.config.name): info.state.messages for info in await self.bus.js.streams_info()}


@pytest.fixture
async def scene(nats_server: GuardedServer) -> AsyncIterator[Scene]:
    nats_server.expected = True
    bus = await nats_server.connect_all_mighty()
    await bus.ensure_stream(TASKS_STREAM, "gp.task.>")
    await bus.ensure_stream(REPORTS_STREAM, "gp.report.>")
    await bus.ensure_bucket(LEASES_BUCKET, 60)
    for cluster_id in (MINE, VICTIM):
        await nats_server.tell(cluster_id)
        await bus.ensure_consumer(TASKS_STREAM, task_consumer(cluster_id), task_filter(cluster_id))
        await bus.publish(task_subject(cluster_id, "network"), f"task of {cluster_id}".encode(), str(cluster_id))
        await bus.js.publish(f"{LEASES_PREFIX}{cluster_id}.all", b"held")
    thief = await nats_server.connect_agent(ME, MINE)
    yield Scene(nats_server, bus, thief)
    await thief.close()
    await bus.close()


PUBLISHED = [
    f"{NEXT}.TASKS.{task_consumer(VICTIM)}",
    f"{NEXT}.REPORTS.worker",
    f"$JS.ACK.TASKS.{task_consumer(VICTIM)}.1.1.1.1.0",
    "$JS.ACK.REPORTS.worker.1.1.1.1.0",
    f"$JS.API.CONSUMER.CREATE.TASKS.mine.{task_filter(VICTIM)}",
    "$JS.API.CONSUMER.CREATE.TASKS",
    "$JS.API.CONSUMER.DURABLE.CREATE.TASKS.mine",
    f"$JS.API.CONSUMER.INFO.TASKS.{task_consumer(VICTIM)}",
    f"$JS.API.CONSUMER.DELETE.TASKS.{task_consumer(VICTIM)}",
    "$JS.API.CONSUMER.LIST.TASKS",
    "$JS.API.INFO",
    "$JS.API.STREAM.LIST",
    "$JS.API.STREAM.NAMES",
    "$JS.API.STREAM.INFO.TASKS",
    "$JS.API.STREAM.INFO.KV_leases",
    "$JS.API.STREAM.MSG.GET.TASKS",
    "$JS.API.STREAM.PURGE.TASKS",
    "$JS.API.STREAM.DELETE.REPORTS",
    "$JS.API.STREAM.UPDATE.TASKS",
    "$JS.API.DIRECT.GET.TASKS",
    "$JS.API.DIRECT.GET.KV_leases",
    f"$JS.API.DIRECT.GET.KV_leases.{LEASES_PREFIX}{VICTIM}.all",
    f"{LEASES_PREFIX}{VICTIM}.all",
    task_subject(VICTIM, "network"),
    task_subject(MINE, "network"),
    report_subject(VICTIM),
    stop_subject(VICTIM),
    stop_subject(MINE),
    look_subject(MINE),
    read_subject(MINE),
    f"{inbox_prefix(COLLEAGUE)}.x",
    "_INBOX.x",
    "$SYS.REQ.CLAIMS.UPDATE",
    "$SYS.REQ.USER.INFO.x",
]
HEARD = [
    ">",
    "*",
    "gp.>",
    task_filter(VICTIM),
    task_filter(MINE),
    report_subject(MINE),
    report_subject(VICTIM),
    stop_subject(VICTIM),
    look_subject(VICTIM),
    read_subject(VICTIM),
    f"{inbox_prefix(COLLEAGUE)}.>",
    f"{inbox_prefix(STRANGER)}.>",
    "_INBOX.>",
    "$JS.>",
    f"{LEASES_PREFIX}>",
    "_R_.>",
    "$SYS.>",
]


async def _refusal(scene: Scene, act: Callable[[Client], Awaitable[object]]) -> str:
    """What the server says to an act, in its log."""
    before = len(scene.server.violations)
    await act(scene.thief.nats)
    await scene.thief.nats.flush()
    deadline = time.monotonic() + 2
    while len(scene.server.violations) == before and time.monotonic() < deadline:  # noqa: ASYNC110  # it is a file
        await asyncio.sleep(0.02)
    return "".join(scene.server.violations[before:])


@pytest.mark.parametrize("subject", PUBLISHED)
async def test_nothing_is_said_that_is_not_the_agents_to_say(scene: Scene, subject: str) -> None:
    before = await scene.counts()
    told = await _refusal(scene, lambda client: client.publish(subject, b"{}", f"{inbox_prefix(ME)}.x"))
    assert "Publish Violation" in told
    assert subject in told
    assert await scene.counts() == before


@pytest.mark.parametrize("subject", HEARD)
async def test_nothing_is_heard_that_is_not_the_agents_to_hear(scene: Scene, subject: str) -> None:
    told = await _refusal(scene, lambda client: client.subscribe(subject))
    assert "Subscription Violation" in told
    assert subject in told


FORGED = b'{"type": "report"}'
PLACES = [
    report_subject(VICTIM),
    task_subject(VICTIM, "network"),
    task_subject(MINE, "network"),
    stop_subject(VICTIM),
    f"{LEASES_PREFIX}{VICTIM}.all",
    "$JS.API.STREAM.PURGE.TASKS",
    "$JS.API.CONSUMER.CREATE.TASKS",
    "$SYS.REQ.CLAIMS.UPDATE",
]


@pytest.mark.parametrize("value", [FORGED, b"{}", b""], ids=["report", "empty object", "nothing"])
@pytest.mark.parametrize("place", PLACES)
async def test_an_answer_that_the_thief_composed_goes_nowhere_else(scene: Scene, place: str, value: bytes) -> None:
    """JetStream publishes an answer wherever it is asked for: in one account for all, that would forge anything."""
    lease = f"{LEASES_PREFIX}{MINE}.all"
    heard: list[Msg] = []
    before = await scene.counts()
    await scene.bus.nats.subscribe(place if not place.startswith("$SYS") else "nothing", cb=_noting(heard))
    await scene.bus.nats.flush()
    await scene.thief.js.publish(lease, value)
    await scene.thief.nats.publish(f"$JS.API.DIRECT.GET.KV_leases.{lease}", b"", place)
    await scene.thief.nats.publish(f"{NEXT}.TASKS.{task_consumer(MINE)}", b'{"batch": 1, "expires": 500000000}', place)
    await scene.thief.nats.publish(lease, value, place)
    await scene.thief.nats.flush()
    await asyncio.sleep(0.3)
    assert heard == []
    assert await scene.counts() == before
    assert (await scene.bus.js.stream_info(TASKS_STREAM)).state.consumer_count == 2


def _noting(heard: list[Msg]) -> Callable[[Msg], Awaitable[None]]:
    async def note(message: Msg) -> None:
        heard.append(message)

    return note


async def test_the_agents_own_is_open_to_it(scene: Scene) -> None:
    """Or the refusals would prove nothing."""
    lists = scene.thief.consume(TASKS_STREAM, task_consumer(MINE), batch=4)
    async with asyncio.timeout(5):
        (message,) = await anext(lists)
    assert message.data == f"task of {MINE}".encode()
    await message.ack()
    await lists.aclose()
    await scene.thief.publish(report_subject(MINE), b"report", "1")
    assert (await scene.counts())["REPORTS"] == 1
    assert scene.server.violations == []


async def test_what_was_issued_for_another_operators_platform_is_refused(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = GuardedServer(tmp_path / "other")
    path = other.agent_file(ME, MINE, Nkey.generate("user"))
    await _assert_shut_out(scene.server, path)


async def test_rights_cannot_be_written_into_a_token_by_its_holder(scene: Scene) -> None:
    key = Nkey.generate("user")
    path = scene.server.agent_file(ME, MINE, key)
    text = path.read_text()
    token = text.splitlines()[1]
    head, _, signature = token.split(".")
    claims = claims_of(token)
    claims["nats"]["pub"] = {}
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    path.write_text(text.replace(token, f"{head}.{forged}.{signature}"))
    await _assert_shut_out(scene.server, path)


async def _assert_shut_out(server: GuardedServer, credentials: Path) -> None:
    client = Client()
    with pytest.raises(nats.errors.Error, match="Authorization Violation"):
        await client.connect(server.url, user_credentials=credentials, allow_reconnect=False, error_cb=_ignore)
    assert client._transport is not None
    client._transport.close()  # type: ignore[no-untyped-call]  # which a client that was refused leaves open
    with suppress(OSError):
        await client._transport.wait_closed()  # type: ignore[no-untyped-call]


async def _ignore(_error: Exception) -> None:
    """It is raised too."""


async def test_a_revoked_key_is_cut_off_at_once_and_stays_out(world: World) -> None:
    """By an update of its cluster's account. The colleague takes over; what was under way comes again."""
    world.server.expected = True
    first, second = await world.start_agent(), await world.start_agent()
    done = await world.report(await world.ask(ensure(volume := uuid4())))
    assert done.outcome == "done"
    credentials = (world.server.home / f"{first.agent_id}.creds").read_text().splitlines()[1]
    await world.server.tell(world.cluster_id, {claims_of(credentials)["sub"]: int(time.time()) + 300})
    await asyncio.wait_for(first.bus.closed.wait(), 2)
    await _assert_shut_out(world.server, world.server.home / f"{first.agent_id}.creds")
    assert not second.bus.closed.is_set()
    report = await world.report(await world.ask(remove(volume, fence=2)), seconds=30)
    assert (report.outcome, report.agent_id) == ("done", second.agent_id)
    world.agents.remove(first)
    first.running.cancel()
    await asyncio.wait([first.running])


async def test_a_credential_is_renewed_without_losing_work(world: World) -> None:
    """The token of a connection that works all the time is replaced, the old one expires, and no task is lost or doubled."""
    agent = await world.start_agent()
    key = Nkey.generate("user")
    world.server.agent_file(agent.agent_id, world.cluster_id, key, seconds=4)
    await agent.bus.renew()
    tasks = []
    for number in range(60):
        if number == 20:
            world.server.agent_file(agent.agent_id, world.cluster_id, key, seconds=300)
            await agent.bus.renew()
        tasks.append(await world.ask(ensure(uuid4())))
        await asyncio.sleep(0.1)
    for task in tasks:
        assert (await world.report(task)).outcome == "done"
    assert not agent.bus.closed.is_set()
    assert await world.waiting_tasks() == (0, 0)


async def test_an_expired_credential_ends_the_connection(world: World) -> None:
    agent_id = uuid4()
    path = world.server.agent_file(agent_id, world.cluster_id, Nkey.generate("user"), seconds=2)
    bus = await Bus.connect(world.server.url, "agent", credentials=path, inbox_prefix=inbox_prefix(agent_id))
    await asyncio.wait_for(bus.closed.wait(), 5)


def test_every_right_bears_the_cluster_and_no_other() -> None:
    for right in agent_rights(MINE):
        assert str(MINE) in right.subject
        assert "*" not in right.subject
