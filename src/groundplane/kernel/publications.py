"""Publishes into streams and waits for each answer, any number at the same time, by one inbox.

Does what nats-py's `JetStreamContext.publish` does at half its cost: no timer task, no token of its own for each.
"""

import asyncio
import itertools
import json

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.errors import APIError, NoStreamResponseError

ANSWER_SECONDS = 5.0
NO_RESPONDERS = "503"


class Publications:
    """What was sent and not yet answered."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._inbox = client.new_inbox()
        self._numbers = itertools.count()
        self._waiting: dict[str, asyncio.Future[Msg]] = {}
        self._listening: asyncio.Task[Subscription] | None = None

    async def publish(self, subject: str, payload: bytes, headers: dict[str, str]) -> None:
        """Return once it is stored. Raises what JetStream answers, and nats' TimeoutError when it answers nothing."""
        await self._listen()
        loop = asyncio.get_running_loop()
        reply = f"{self._inbox}.{next(self._numbers)}"
        answered = self._waiting[reply] = loop.create_future()
        timer = loop.call_later(ANSWER_SECONDS, _give_up, answered)
        try:
            await self._client.publish(subject, payload, reply, headers)
            _check(await answered)
        finally:
            timer.cancel()
            del self._waiting[reply]

    async def _listen(self) -> None:
        if self._listening is None:
            self._listening = asyncio.create_task(self._client.subscribe(f"{self._inbox}.*", cb=self._note))
        if not self._listening.done():
            await asyncio.shield(self._listening)

    async def _note(self, message: Msg) -> None:
        answered = self._waiting.get(message.subject)
        if answered is not None and not answered.done():
            answered.set_result(message)


def _check(answer: Msg) -> None:
    if answer.headers and answer.headers.get("Status") == NO_RESPONDERS:
        raise NoStreamResponseError
    if b'"error"' in answer.data and "error" in (told := json.loads(answer.data)):
        raise APIError.from_error(told["error"])


def _give_up(answered: "asyncio.Future[Msg]") -> None:
    if not answered.done():
        answered.set_exception(nats.errors.TimeoutError())
