"""NATS and JetStream: at-least-once delivery of small messages. Nothing is true because a message says so twice, or not."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Self

import nats
import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, RetentionPolicy, StorageType, StreamConfig
from nats.js.client import JetStreamContext
from nats.js.errors import BucketNotFoundError, NotFoundError
from nats.js.kv import KeyValue

from groundplane.kernel.consumption import Consumption
from groundplane.kernel.publications import Publications

log = structlog.get_logger()

DEDUPLICATION_SECONDS = 120.0
CLOSE_SECONDS = 2
CONSUMERS_A_PAGE = 256
DEFAULT_INBOX_PREFIX = "_INBOX"


@dataclass(frozen=True)
class Queue:
    """What a consumer's readers have before them: `waiting`, and `in_flight` what they got and did not acknowledge.

    `oldest_at` is when the oldest of both was published, by the server's clock; None when there is none.
    """

    consumer: str
    waiting: int
    in_flight: int
    oldest_at: datetime | None


@dataclass
class Bus:
    """A connection that reconnects for ever. `nats` is the client, `js` its JetStream context."""

    nats: Client
    js: JetStreamContext
    _reconnected: set[Callable[[], None]] = field(default_factory=set, repr=False)
    """Called at each reconnect."""
    closed: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    """The connection is gone for good: it was closed here, or the server took the credential back."""

    def __post_init__(self) -> None:
        """Share one inbox among all publishers."""
        self._publications = Publications(self.nats)

    @classmethod
    async def connect(
        cls, url: str, name: str, *, credentials: Path | None = None, inbox_prefix: str = DEFAULT_INBOX_PREFIX
    ) -> Self:
        """Connect, waiting for ever for a server that is not there yet, or does not know the credential yet.

        `credentials` is a NATS credentials file (user JWT and seed), read anew at each reconnect. Answers come to subjects
        below `inbox_prefix`.
        """

        async def on_error(error: Exception) -> None:
            log.warning("bus.error", error=repr(error))

        reconnected: set[Callable[[], None]] = set()
        closed = asyncio.Event()

        async def on_reconnect() -> None:
            for call in tuple(reconnected):
                call()

        async def on_close() -> None:
            closed.set()

        client = await nats.connect(
            url,
            name=name,
            user_credentials=credentials,
            inbox_prefix=inbox_prefix,
            closed_cb=on_close,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.2,
            error_cb=on_error,
            reconnected_cb=on_reconnect,
            allow_reconnect=True,
        )
        return cls(client, client.jetstream(timeout=5), reconnected, closed)

    async def renew(self) -> None:
        """Connect anew, with what the credentials file says now. What is under way waits for it, or is tried again."""
        await self.nats.force_reconnect()

    async def publish(self, subject: str, payload: bytes, message_id: str) -> None:
        """Publish into a stream and wait until it is stored. The same `message_id` within two minutes is dropped."""
        await self._publications.publish(subject, payload, {"Nats-Msg-Id": message_id})

    async def consume(self, stream: str, consumer: str, *, batch: int) -> AsyncGenerator[list[Msg], None]:
        """The messages of a durable pull consumer as they come: lists of all that has arrived by now, 1 to `batch` long.

        While the reader is at work on a list, up to `batch` more are fetched and kept ours. Goes on over reconnects and
        restarts of the server; raises ConnectionClosedError once the bus is closed. Close it (`contextlib.aclosing`) when
        you leave it: what was fetched and not handed out then goes to the next reader at once.
        """
        consumption = Consumption(self.nats, stream, consumer, batch=batch)
        self._reconnected.add(consumption.renew)
        try:
            async with contextlib.aclosing(consumption.lists()) as lists:
                async for messages in lists:
                    yield messages
        finally:
            self._reconnected.discard(consumption.renew)

    async def queues(self, stream: str) -> list[Queue]:
        """What waits in a work-queue stream, by consumer. Raises what nats-py raises when the server does not answer."""
        found: list[ConsumerInfo] = []
        while page := await self.js.consumers_info(stream, len(found)):
            found += page
            if len(page) < CONSUMERS_A_PAGE:
                break
        return list(await asyncio.gather(*(self._queue(stream, info) for info in found)))

    async def _queue(self, stream: str, info: ConsumerInfo) -> Queue:
        """What is acknowledged is gone from the stream: its first message of the consumer's subject is the oldest."""
        waiting, in_flight = info.num_pending or 0, info.num_ack_pending or 0
        oldest = None
        if waiting or in_flight:
            with contextlib.suppress(NotFoundError):  # done with meanwhile
                oldest = (await self.js.get_msg(stream, 1, info.config.filter_subject, next=True)).time
        return Queue(info.name, waiting, in_flight, oldest)

    async def ensure_stream(self, name: str, subjects: str) -> None:
        """Make a work-queue stream, kept on disk, whose messages go once they are acknowledged."""
        config = StreamConfig(
            name=name,
            subjects=[subjects],
            retention=RetentionPolicy.WORK_QUEUE,
            storage=StorageType.FILE,
            duplicate_window=DEDUPLICATION_SECONDS,
        )
        try:
            await self.js.stream_info(name)
            await self.js.update_stream(config)
        except NotFoundError:
            await self.js.add_stream(config)

    async def ensure_consumer(
        self, stream: str, name: str, subject: str, *, ack_wait_seconds: float = 30, max_ack_pending: int = 65_536
    ) -> None:
        """Make a durable pull consumer with explicit acknowledgement.

        `max_ack_pending` counts what was handed back with a delay too: at that number, nobody gets anything. It is no bound
        for work; its readers have their own.
        """
        await self.js.add_consumer(
            stream,
            ConsumerConfig(
                durable_name=name,
                filter_subject=subject,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=ack_wait_seconds,
                max_ack_pending=max_ack_pending,
            ),
        )

    async def ensure_bucket(self, name: str, ttl_seconds: float) -> KeyValue:
        """Make a key-value bucket whose entries vanish `ttl_seconds` after their last write, and can be read key by key."""
        try:
            bucket = await self.js.key_value(name)
        except BucketNotFoundError:
            return await self.js.create_key_value(bucket=name, ttl=ttl_seconds, history=1, direct=True)
        config = (await bucket.status()).stream_info.config
        if not config.allow_direct:  # made by an earlier release
            await self.js.update_stream(config.evolve(allow_direct=True))
        return await self.js.key_value(name)

    async def close(self) -> None:
        """Send what is buffered, then disconnect. What was not acknowledged comes again, to others too."""
        if self.nats.is_connected:
            with contextlib.suppress(nats.errors.Error, TimeoutError):
                await self.nats.flush(timeout=CLOSE_SECONDS)
        if not self.nats.is_closed:
            await self.nats.close()
