"""The proxy does to messages what it says, and lets everything else pass."""

import random
from collections.abc import AsyncIterator
from uuid import uuid4

import nats.errors
import pytest
from tests.chaos.proxy import CHANCES, Effect, Frame, Proxy, Sort, sort_of

from groundplane.kernel.bus import Bus
from groundplane.processes.layout import free_port

STREAM = "TASKS"
SUBJECT = "gp.task.cluster.host"
TASK = b'{"operations": [{"verb": "ensure", "spec": {"id": "it"}}]}'
REMOVAL = b'{"operations": [{"verb": "remove", "id": "it"}]}'


@pytest.fixture
async def proxy(nats_url: str) -> AsyncIterator[Proxy]:
    """Before this session's server; it does nothing yet."""
    proxy = Proxy(int(nats_url.rpartition(":")[2]), random.Random(1))  # noqa: S311 - chance, not secrecy
    await proxy.listen(free_port())
    yield proxy
    await proxy.close()


@pytest.fixture
async def through(proxy: Proxy) -> AsyncIterator[Bus]:
    """A client behind the proxy, with an empty stream of tasks."""
    bus = await Bus.connect(f"nats://127.0.0.1:{proxy.port}", "test")
    bus.js._timeout = 1
    await bus.ensure_stream(STREAM, "gp.task.>")
    await bus.ensure_consumer(STREAM, "agent-cluster", "gp.task.cluster.>")
    yield bus
    await bus.js.delete_stream(STREAM)
    await bus.close()


def only(monkeypatch: pytest.MonkeyPatch, proxy: Proxy, sort: Sort, effect: Effect) -> None:
    """From now on this is what strikes, and it always does."""
    for each in CHANCES:
        monkeypatch.setitem(CHANCES, each, {effect: 1.0} if each == sort else {})
    proxy.on = True


async def stored(bus: Bus) -> int:
    """How many messages the stream holds."""
    return (await bus.js.stream_info(STREAM)).state.messages


async def test_a_lost_publish_and_a_lost_answer_look_the_same_to_the_client(
    proxy: Proxy, through: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    for effect, left in (("lost", 0), ("answer lost", 1)):
        only(monkeypatch, proxy, "task", effect)  # type: ignore[arg-type]  # they are effects
        with pytest.raises(nats.errors.TimeoutError):
            await through.publish(SUBJECT, TASK, str(uuid4()))
        assert await stored(through) == left
    assert proxy.struck == {"task lost": 1, "answer to a publish lost": 1}


async def test_the_server_does_not_know_a_double(proxy: Proxy, through: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.chaos.proxy.USUAL_DELAY_SECONDS", 0.01)
    only(monkeypatch, proxy, "task", "doubled")
    await through.publish(SUBJECT, TASK, "one-id")
    subscription = await through.js.pull_subscribe_bind("agent-cluster", STREAM)
    bodies = [(await subscription.fetch(1, timeout=5))[0].data for _ in range(2)]
    assert bodies == [TASK, TASK]
    assert proxy.struck == {"task doubled": 1}


async def test_a_delayed_delivery_is_overtaken(proxy: Proxy, through: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.chaos.proxy.USUAL_DELAY_SECONDS", 1.0)
    for body in (TASK, REMOVAL):
        await through.publish(SUBJECT, body, str(uuid4()))
    effects: list[Effect | None] = ["delayed", None]
    monkeypatch.setattr(proxy, "_draw", lambda _sort: effects.pop(0))
    proxy.on = True
    subscription = await through.js.pull_subscribe_bind("agent-cluster", STREAM)
    bodies = [message.data for message in await subscription.fetch(2, timeout=5)]
    assert bodies == [REMOVAL, TASK]
    assert proxy.struck == {"task delivery re-ordered": 1}


async def test_a_lost_acknowledgement_lets_the_message_come_again(
    proxy: Proxy, through: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    await through.publish(SUBJECT, TASK, str(uuid4()))
    subscription = await through.js.pull_subscribe_bind("agent-cluster", STREAM)
    only(monkeypatch, proxy, "acknowledgement", "lost")
    (message,) = await subscription.fetch(1, timeout=5)
    await message.in_progress()
    await message.ack()
    await through.nats.flush()
    assert proxy.struck == {"acknowledgement lost": 1}
    assert await stored(through) == 1


async def test_an_old_task_is_remembered_once_its_resource_is_removed(proxy: Proxy, through: Bus) -> None:
    await through.publish(SUBJECT, TASK, str(uuid4()))
    assert proxy.memory.late(random.Random(1), 0.0) is None  # noqa: S311 - chance, not secrecy
    await through.publish(SUBJECT, REMOVAL, str(uuid4()))
    assert proxy.memory.late(random.Random(1), 0.0) == (SUBJECT, TASK)  # noqa: S311 - chance, not secrecy
    assert proxy.memory.late(random.Random(1), 60.0) is None  # noqa: S311 - chance, not secrecy
    assert proxy.struck == {}


def test_a_double_keeps_its_other_headers() -> None:
    head = b"NATS/1.0\r\nNats-Msg-Id: 1\r\nTrace: 2\r\n\r\n"
    published = Frame((b"HPUB", b"gp.report.c", b"_INBOX.1", b"%d" % len(head), b"%d" % (len(head) + 4)), head, b"body")
    kept = b"NATS/1.0\r\nTrace: 2\r\n\r\n"
    assert published.double().encode() == b"HPUB gp.report.c 22 26\r\n" + kept + b"body\r\n"
    assert sort_of(published) == "report"
    assert sort_of(Frame((b"PUB", b"$KV.leases.x", b"_INBOX.1", b"1"), b"", b"x")) is None
