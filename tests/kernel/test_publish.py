"""What was published is stored when `publish` returns; what was not is told."""

import asyncio
from uuid import uuid4

import nats.errors
import pytest
from nats.js.errors import APIError, NoStreamResponseError

from groundplane.kernel import publications
from groundplane.kernel.bus import Bus

STREAM = "PUBLISHED"


async def stored(bus: Bus) -> int:
    """How many messages the stream has."""
    return (await bus.js.stream_info(STREAM)).state.messages


async def test_it_is_stored_when_it_returns(bus: Bus) -> None:
    await bus.ensure_stream(STREAM, "published.>")
    for number in range(1, 6):
        await bus.publish("published.one", b"x", uuid4().hex)
        assert await stored(bus) == number


async def test_many_at_once_are_stored_once_each(bus: Bus) -> None:
    await bus.ensure_stream(STREAM, "published.>")
    await bus.js.purge_stream(STREAM)
    twice = [uuid4().hex for _ in range(200)] * 2
    await asyncio.gather(*(bus.publish("published.many", b"x", name) for name in twice))
    assert await stored(bus) == 200


async def test_what_no_stream_takes_is_refused(bus: Bus) -> None:
    with pytest.raises(NoStreamResponseError):
        await bus.publish("nobody.listens", b"x", uuid4().hex)


async def test_what_the_stream_refuses_is_refused(bus: Bus) -> None:
    await bus.ensure_stream(STREAM, "published.>")
    info = await bus.js.stream_info(STREAM)
    info.config.max_msg_size = 10
    await bus.js.update_stream(info.config)
    with pytest.raises(APIError):
        await bus.publish("published.large", b"x" * 1000, uuid4().hex)
    await bus.js.delete_stream(STREAM)


async def test_no_answer_is_an_error(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publications, "ANSWER_SECONDS", 0.1)
    subscription = await bus.nats.subscribe("mute")  # somebody hears it, and answers nothing
    with pytest.raises(nats.errors.TimeoutError):
        await bus.publish("mute", b"x", uuid4().hex)
    await subscription.unsubscribe()
