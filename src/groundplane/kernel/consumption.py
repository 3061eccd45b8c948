"""A standing request to a JetStream pull consumer: messages come at once, in lists of what has arrived by now.

nats-py's own `fetch` asks anew for each list, and holds the first message of several back until the time is up.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator
from functools import partial

import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from groundplane.kernel.ending import ending

log = structlog.get_logger()

REQUEST_SECONDS = 10.0
"""After which the server forgets a request and says so."""
OVERDUE_SECONDS = 2.0
"""How much later a request that nothing was heard of counts as forgotten."""
KEEP_SECONDS = 2.0
"""How often the server hears that messages which wait here for their reader are not lost. Less than any consumer's ack wait."""
RETRY_SECONDS = 0.2
END_SECONDS = 2.0
LATE_SECONDS = 0.05
"""How long what was on its way when we left may take."""

HEARTBEAT = "100"
TIME_IS_UP = "408"
PENDING = "Nats-Pending-Messages"


class Consumption:
    """One reader's share of the consumer `consumer`. At most `batch` messages are asked for or wait here at any time."""

    def __init__(self, client: Client, stream: str, consumer: str, *, batch: int) -> None:
        self._client = client
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._consumer = consumer
        self._batch = batch
        self._inbox = ""
        self._inboxes: list[Subscription] = []
        self._arrived: list[Msg] = []
        self._awake = asyncio.Event()
        self._renewing = True
        self._asked = 0
        self._asked_until = 0.0

    async def lists(self) -> AsyncGenerator[list[Msg], None]:
        """See Bus.consume."""
        keeping = asyncio.create_task(self._keep())
        try:
            while not ending():
                if self._renewing:
                    await self._take_new_inbox()
                await self._top_up()
                await self._awake.wait()
                self._awake.clear()
                if self._client.is_closed:
                    raise nats.errors.ConnectionClosedError
                if self._arrived:
                    arrived, self._arrived = self._arrived[: self._batch], self._arrived[self._batch :]
                    if self._arrived:  # asked for twice, since the server had not forgotten us
                        self._awake.set()
                    try:
                        await self._top_up()  # the next ones come while the reader is at work on these
                    except asyncio.CancelledError:
                        self._arrived = arrived + self._arrived  # not handed out: handed back
                        raise
                    yield arrived
        finally:
            keeping.cancel()
            await self._hand_back()

    def renew(self) -> None:
        """Ask anew: the server may have forgotten the request, as it does when it is started again."""
        self._renewing = True
        self._awake.set()

    async def _take_new_inbox(self) -> None:
        """What is left of earlier requests, should the server still have them, is heard but not counted."""
        while len(self._inboxes) > 1:
            await self._inboxes.pop(0).unsubscribe()
        self._inbox = self._client.new_inbox()
        self._asked = 0
        self._inboxes.append(await self._client.subscribe(self._inbox, cb=partial(self._note, self._inbox)))
        self._renewing = False

    async def _note(self, inbox: str, message: Msg) -> None:
        current = inbox == self._inbox
        status = "" if message.reply else (message.headers or {}).get("Status", "")
        if not status:
            self._asked -= current
            self._arrived.append(message)
            self._awake.set()
            await self._top_up()
        elif current and status != HEARTBEAT:
            await self._end(status, message.headers or {})

    async def _end(self, status: str, headers: dict[str, str]) -> None:
        """A request is over. At its time, the server says how many of those asked for will not come; else start anew."""
        left = headers.get(PENDING, "")
        if status == TIME_IS_UP and left.isdigit():
            self._asked -= int(left)
            await self._top_up()
            return
        log.warning("consumption.refused", consumer=self._consumer, status=status)
        asyncio.get_running_loop().call_later(RETRY_SECONDS, self.renew)

    async def _top_up(self) -> None:
        """Ask for as many as there is room for, once that is half of a batch."""
        room = self._batch - self._asked - len(self._arrived)
        if self._renewing or 2 * room < self._batch or not self._client.is_connected:
            return
        self._asked += room
        self._asked_until = time.monotonic() + REQUEST_SECONDS + OVERDUE_SECONDS
        request = {"batch": room, "expires": int(REQUEST_SECONDS * 1e9)}
        try:
            await self._client.publish(self._subject, json.dumps(request).encode(), self._inbox)
        except nats.errors.Error as error:
            log.warning("consumption.not_asked", consumer=self._consumer, error=repr(error))
            self._asked_until = 0.0

    async def _keep(self) -> None:
        """Ask anew when the server has forgotten us, and keep ours what waits for its reader."""
        while True:
            await asyncio.sleep(KEEP_SECONDS)
            if self._client.is_closed:
                self._awake.set()
            elif self._asked and time.monotonic() > self._asked_until:
                self.renew()
            with contextlib.suppress(nats.errors.Error):
                for message in tuple(self._arrived):
                    await message.in_progress()

    async def _hand_back(self) -> None:
        """What has come, or is on its way, goes to the next reader at once, not after the ack wait."""
        self._renewing = True  # nothing more is asked for
        with contextlib.suppress(nats.errors.Error, TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                if self._client.is_connected:
                    await self._say_good_bye()
                for inbox in self._inboxes:
                    await (inbox.drain() if self._client.is_connected else inbox.unsubscribe())  # type: ignore[no-untyped-call]
        with contextlib.suppress(nats.errors.Error):  # also what came before a server that was too slow to answer
            for message in self._arrived:
                await message.nak()

    async def _say_good_bye(self) -> None:
        """Have the server send no more, and listen on: it may be sending already, even behind its answer to a PING.

        `drain` stops to listen with that answer; nats-py has no other way to say this but its own.
        """
        for inbox in self._inboxes:
            await self._client._send_unsubscribe(inbox._id)  # noqa: SLF001  # see above
        await self._client.flush()
        await asyncio.sleep(LATE_SECONDS)
