"""A standing request: every message comes once, at once, and in lists; also after the server was started again."""

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import aclosing
from pathlib import Path
from uuid import uuid4

import nats.errors
import pytest
from tests.dataplane.agent.server import NatsServer

from groundplane.kernel import consumption
from groundplane.kernel.bus import Bus

STREAM = "CONSUMED"
CONSUMER = "reader"
SUBJECT = "consumed.all"
AT_ONCE_SECONDS = 20
"""Before the ack wait of 30 s, and with patience for a machine that is busy."""


async def furnish(bus: Bus, *, ack_wait_seconds: float = 30) -> None:
    """An empty stream with its consumer."""
    await bus.ensure_stream(STREAM, "consumed.>")
    await bus.js.purge_stream(STREAM)
    await bus.ensure_consumer(STREAM, CONSUMER, SUBJECT, ack_wait_seconds=ack_wait_seconds)


async def tell(bus: Bus, numbers: range) -> None:
    """Publish the numbers in their order."""
    for number in numbers:
        await bus.publish(SUBJECT, str(number).encode(), uuid4().hex)


async def unfinished(bus: Bus) -> tuple[int, int]:
    """How many messages wait to be delivered, and how many to be acknowledged."""
    info = await bus.js.consumer_info(STREAM, CONSUMER)
    return info.num_pending or 0, info.num_ack_pending or 0


async def nothing_left(bus: Bus) -> None:
    """Every message is acknowledged, or will be in a moment: the server takes its time."""
    async with asyncio.timeout(30):
        while await unfinished(bus) != (0, 0):  # noqa: ASYNC110  # the server has no event for it
            await asyncio.sleep(0.02)


async def read(bus: Bus, count: int, *, batch: int = 16, seconds: float = 10) -> list[list[int]]:
    """Read and acknowledge until `count` messages came: their numbers, list by list."""
    lists: list[list[int]] = []
    async with asyncio.timeout(seconds), aclosing(bus.consume(STREAM, CONSUMER, batch=batch)) as consumed:
        async for messages in consumed:
            for message in messages:
                await message.ack()
            lists.append([int(message.data) for message in messages])
            if sum(map(len, lists)) >= count:
                break
    return lists


@pytest.fixture
async def stream(bus: Bus) -> AsyncIterator[Bus]:
    """A bus with an empty stream."""
    await furnish(bus)
    yield bus
    await bus.js.delete_stream(STREAM)


@pytest.fixture
def own_server() -> Iterator[NatsServer]:
    """A nats-server that may be killed."""
    with tempfile.TemporaryDirectory(prefix="gp-consume-", ignore_cleanup_errors=True) as home:
        server = NatsServer(Path(home))
        server.start()
        yield server
        server.kill()


async def test_all_come_once_and_in_order(stream: Bus) -> None:
    reading = asyncio.create_task(read(stream, 500))
    await tell(stream, range(500))
    lists = await reading
    assert [number for each in lists for number in each] == list(range(500))
    await nothing_left(stream)


async def test_what_is_there_comes_in_lists(stream: Bus) -> None:
    await tell(stream, range(100))
    lists = await read(stream, 100, batch=10)
    assert [number for each in lists for number in each] == list(range(100))
    assert max(map(len, lists)) == 10
    assert len(lists) < 50


async def test_a_message_comes_at_once(stream: Bus) -> None:
    told: list[float] = []
    async with aclosing(stream.consume(STREAM, CONSUMER, batch=8)) as consumed:
        first = asyncio.create_task(anext(consumed))
        for _ in range(5):
            await asyncio.sleep(0.1)
            before = time.monotonic()
            await tell(stream, range(1))
            (message,) = await first
            told.append(time.monotonic() - before)
            await message.ack()
            first = asyncio.create_task(anext(consumed))
        first.cancel()
        await asyncio.wait([first])
    assert sorted(told)[2] < 0.05


async def test_a_request_that_ran_out_is_asked_anew(stream: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumption, "REQUEST_SECONDS", 0.2)
    reading = asyncio.create_task(read(stream, 3))
    for number in range(3):
        await asyncio.sleep(0.5)
        await tell(stream, range(number, number + 1))
    assert await reading == [[0], [1], [2]]


async def test_what_was_handed_back_comes_again(stream: Bus) -> None:
    await tell(stream, range(3))
    async with aclosing(stream.consume(STREAM, CONSUMER, batch=8)) as consumed:
        async for messages in consumed:
            for message in messages:
                await message.nak()
            break
    lists = await read(stream, 3, seconds=AT_ONCE_SECONDS)
    assert sorted(number for each in lists for number in each) == [0, 1, 2]


async def test_a_reader_that_leaves_loses_nothing(stream: Bus) -> None:
    """What was fetched and not handed out goes to the next reader at once."""
    await tell(stream, range(64))
    seen: list[int] = []
    for _ in range(4):
        async with aclosing(stream.consume(STREAM, CONSUMER, batch=8)) as consumed:
            messages = await anext(consumed)
            await asyncio.sleep(0.05)  # the next ones come in the meantime
            for message in messages:
                await message.ack()
            seen += [int(message.data) for message in messages]
    lists = await read(stream, 64 - len(seen), seconds=AT_ONCE_SECONDS)
    assert sorted(seen + [number for each in lists for number in each]) == list(range(64))
    await nothing_left(stream)


async def test_a_reader_that_is_cancelled_loses_nothing(stream: Bus) -> None:
    seen: list[int] = []

    async def reader() -> None:
        async with aclosing(stream.consume(STREAM, CONSUMER, batch=4)) as consumed:
            async for messages in consumed:
                try:
                    await asyncio.shield(asyncio.gather(*(message.ack() for message in messages)))
                finally:  # who is cancelled here has acknowledged them all the same: what was handed out is the reader's
                    seen.extend(int(message.data) for message in messages)

    telling = asyncio.create_task(tell(stream, range(300)))
    while not telling.done():
        reading = asyncio.create_task(reader())
        await asyncio.sleep(0.01)
        reading.cancel()
        await asyncio.wait([reading])
    left = 300 - len(set(seen))
    if left:
        seen += [number for each in await read(stream, left, seconds=AT_ONCE_SECONDS) for number in each]
    assert set(seen) == set(range(300))
    await nothing_left(stream)


async def test_a_reader_that_is_cancelled_while_it_asks_for_more_loses_nothing(
    stream: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds a list then that it has given to nobody."""
    publish, requests, asks = stream.nats.publish, 0, asyncio.Event()

    async def hang_at_the_second(subject: str, *rest: bytes | str, **more: dict[str, str]) -> None:
        nonlocal requests
        requests += "MSG.NEXT" in subject
        if "MSG.NEXT" in subject and requests == 2:
            asks.set()
            await asyncio.Event().wait()
        await publish(subject, *rest, **more)  # type: ignore[arg-type]  # whatever it is given

    monkeypatch.setattr(stream.nats, "publish", hang_at_the_second)
    reading = asyncio.create_task(read(stream, 2, batch=2, seconds=30))
    await tell(stream, range(2))
    await asyncio.wait_for(asks.wait(), 10)
    reading.cancel()
    await asyncio.wait([reading])
    assert sorted(number for each in await read(stream, 2, seconds=AT_ONCE_SECONDS) for number in each) == [0, 1]
    await nothing_left(stream)


async def test_what_the_server_sends_behind_its_pong_is_handed_back(stream: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has done so, rarely, to a reader that left: here what comes again is late by a moment."""
    process, flush = stream.nats._process_msg, stream.nats.flush
    late: list[Awaitable[None]] = []
    sent: list[asyncio.Future[list[None]]] = []

    async def hold_back(sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        message = process(sid, subject, reply, data, headers)
        if f".{CONSUMER}.2.".encode() in reply:
            late.append(message)
        else:
            await message

    async def send_late() -> list[None]:
        await asyncio.sleep(0.01)
        return await asyncio.gather(*late)

    async def answer_first() -> None:
        await flush()
        if not sent:
            sent.append(asyncio.create_task(send_late()))

    await tell(stream, range(3))
    with monkeypatch.context() as patch:
        async with aclosing(stream.consume(STREAM, CONSUMER, batch=8)) as consumed:
            messages = await anext(consumed)
            patch.setattr(stream.nats, "_process_msg", hold_back)
            for message in messages:
                await message.nak()
            async with asyncio.timeout(10):
                while len(late) < len(messages):  # noqa: ASYNC110  # nobody says so
                    await asyncio.sleep(0.02)
            patch.setattr(stream.nats, "flush", answer_first)
    lists = await read(stream, 3, seconds=AT_ONCE_SECONDS)
    assert sorted(number for each in lists for number in each) == [0, 1, 2]
    (sending,) = sent
    assert len(await sending) == len(messages)


async def test_readers_share(stream: Bus) -> None:
    counts: Counter[int] = Counter()

    async def reader() -> None:
        async with aclosing(stream.consume(STREAM, CONSUMER, batch=4)) as consumed:
            async for messages in consumed:
                for message in messages:
                    await message.ack()
                    counts[int(message.data)] += 1

    readers = [asyncio.create_task(reader()) for _ in range(3)]
    await tell(stream, range(300))
    async with asyncio.timeout(30):
        while len(counts) < 300:  # noqa: ASYNC110  # three readers, one goal
            await asyncio.sleep(0.02)
    for each in readers:
        each.cancel()
    await asyncio.wait(readers)
    assert set(counts.values()) == {1}


async def test_a_slow_reader_keeps_what_waits_for_it(stream: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was fetched ahead is not given to others while its reader is alive, nor does it come twice."""
    await furnish(stream, ack_wait_seconds=1)
    monkeypatch.setattr(consumption, "KEEP_SECONDS", 0.3)
    await tell(stream, range(8))
    seen: list[int] = []
    async with asyncio.timeout(30), aclosing(stream.consume(STREAM, CONSUMER, batch=2)) as consumed:
        async for messages in consumed:
            for message in messages:
                await message.ack()
                seen.append(int(message.data))
            await asyncio.sleep(2.2)  # longer than the ack wait
            if len(seen) >= 8:
                break
    assert seen == list(range(8))


async def test_no_more_than_a_batch_is_fetched_ahead(stream: Bus) -> None:
    await tell(stream, range(100))
    async with aclosing(stream.consume(STREAM, CONSUMER, batch=8)) as consumed:
        messages = await anext(consumed)
        await asyncio.sleep(0.3)
        _pending, here = await unfinished(stream)
        assert len(messages) <= 8
        assert here <= len(messages) + 8


async def test_it_goes_on_when_the_server_was_started_again(own_server: NatsServer) -> None:
    bus = await Bus.connect(own_server.url, "reader")
    await furnish(bus, ack_wait_seconds=2)
    seen: Counter[int] = Counter()

    async def reader() -> None:
        async with aclosing(bus.consume(STREAM, CONSUMER, batch=8)) as consumed:
            async for messages in consumed:
                for message in messages:
                    await message.ack()
                    seen[int(message.data)] += 1

    reading = asyncio.create_task(reader())
    for start in (0, 20, 40):
        await tell(bus, range(start, start + 20))
        own_server.kill()
        await asyncio.sleep(0.3)
        own_server.start()
        async with asyncio.timeout(30):
            while not bus.nats.is_connected:  # noqa: ASYNC110  # nats-py has no event for it
                await asyncio.sleep(0.02)
        before = time.monotonic()
        await tell(bus, range(start + 100, start + 120))
        async with asyncio.timeout(30):
            while not seen.keys() >= set(range(start + 100, start + 120)):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert time.monotonic() - before < 3
    async with asyncio.timeout(30):
        while len(seen) < 120:  # noqa: ASYNC110  # an acknowledgement that was lost with the server brings a message again
            await asyncio.sleep(0.02)
    reading.cancel()
    await asyncio.wait([reading])
    await bus.close()


async def test_a_connection_that_breaks_doubles_no_request(nats_url: str, stream: Bus) -> None:
    """The server may remember the request of before: still no more is fetched ahead, and nothing is lost."""
    bus = await Bus.connect(nats_url, "reader")
    seen: Counter[int] = Counter()
    async with asyncio.timeout(40), aclosing(bus.consume(STREAM, CONSUMER, batch=8)) as consumed:
        for start in (0, 50, 100):
            first = asyncio.create_task(anext(consumed))
            await asyncio.sleep(0.1)
            bus.nats._transport.close()  # type: ignore[union-attr]
            await asyncio.sleep(1)
            await tell(stream, range(start, start + 50))
            messages = await first
            await asyncio.sleep(0.3)
            _pending, here = await unfinished(stream)
            assert here <= len(messages) + 2 * 8  # once the request of before the break, and once the new one
            while True:
                for message in messages:
                    await message.ack()
                    seen[int(message.data)] += 1
                if len(seen) >= start + 50:
                    break
                messages = await anext(consumed)
    assert set(seen) == set(range(150))
    assert set(seen.values()) == {1}
    await bus.close()


async def test_it_ends_with_the_bus(nats_url: str, stream: Bus) -> None:
    other = await Bus.connect(nats_url, "other")
    reading = asyncio.create_task(read(other, 1, seconds=10))
    await asyncio.sleep(0.1)
    await other.close()
    with pytest.raises(nats.errors.ConnectionClosedError):
        await reading


async def test_a_consumer_of_before_gets_the_bound_of_now(stream: Bus) -> None:
    await stream.ensure_consumer(STREAM, CONSUMER, SUBJECT, max_ack_pending=10)
    await stream.ensure_consumer(STREAM, CONSUMER, SUBJECT)
    assert (await stream.js.consumer_info(STREAM, CONSUMER)).config.max_ack_pending == 65_536


async def test_a_consumer_that_is_made_later_is_waited_for(stream: Bus) -> None:
    """Nobody answers at first; then the consumer is taken away while it is read, and made anew."""
    await stream.js.delete_consumer(STREAM, CONSUMER)
    reading = asyncio.create_task(read(stream, 2))
    await asyncio.sleep(0.3)
    assert not reading.done()
    await stream.ensure_consumer(STREAM, CONSUMER, SUBJECT)
    await tell(stream, range(1))
    await nothing_left(stream)
    await stream.js.delete_consumer(STREAM, CONSUMER)
    await asyncio.sleep(0.3)
    await stream.ensure_consumer(STREAM, CONSUMER, SUBJECT)
    await tell(stream, range(1, 2))
    assert await reading == [[0], [1]]


async def test_a_request_that_nothing_is_heard_of_is_asked_anew(stream: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever became of it: here the server was never asked."""
    monkeypatch.setattr(consumption, "REQUEST_SECONDS", 0.2)
    monkeypatch.setattr(consumption, "OVERDUE_SECONDS", 0.2)
    monkeypatch.setattr(consumption, "KEEP_SECONDS", 0.1)
    publish, lost = stream.nats.publish, 0

    async def lose_the_first(subject: str, *rest: bytes | str) -> None:
        nonlocal lost
        if "MSG.NEXT" in subject and not lost:
            lost += 1
            return
        await publish(subject, *rest)  # type: ignore[arg-type]  # whatever it is given

    monkeypatch.setattr(stream.nats, "publish", lose_the_first)
    await tell(stream, range(1))
    assert await read(stream, 1, seconds=3) == [[0]]
    assert lost == 1
