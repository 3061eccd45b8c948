"""The conversation of the tasks of one event loop with the platform."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

from groundplane.sdk.calls import PROGRAM, Answer, Call
from groundplane.sdk.conversation import Conversation
from groundplane.sdk.effects import Alone, Ask, Effect, Give, Opened, Pause, Read, Renew, Result, Send, Steps, Walk
from groundplane.sdk.errors import ClientError
from groundplane.sdk.retries import Retries

if TYPE_CHECKING:
    from groundplane.sdk.transport import AsyncTransport

AsyncRenewal = Callable[["AsyncSession", str | None], Awaitable[str | None]]
"""As `Renewal` of sessions of threads. Called by one task at a time."""


class AsyncSession:
    """As `Session`, awaited."""

    def __init__(
        self,
        base_url: str,
        token: str | None = None,
        retries: Retries | None = None,
        *,
        refresh_token: str | None = None,
        renewal: AsyncRenewal | None = None,
        program: str = PROGRAM,
    ) -> None:
        self._base_url = base_url
        self._program = program
        self._opened: AsyncTransport | None = None
        self._alone = asyncio.Lock()
        self._renewal = renewal
        self.conversation = Conversation(token, refresh_token, retries, kept_elsewhere=renewal is not None)

    async def close(self) -> None:
        """Close every connection."""
        if self._opened is not None:
            await self._opened.close()

    async def json(self, call: Call, *, idempotency_key: str | None = None, retries: Retries | None = None) -> Any:
        """Send and read a JSON answer; None if it is empty. Raises ApiError, ConnectionFailedError."""
        answer = await self.send(call, idempotency_key=idempotency_key, retries=retries)
        return json.loads(answer.content) if answer.content else None

    async def send(self, call: Call, *, idempotency_key: str | None = None, retries: Retries | None = None) -> Answer:
        """Send and read the whole answer. A mutation has the key, or a new one. Raises ApiError, ConnectionFailedError."""
        return await self.run(self.conversation.exchange(call, idempotency_key, retries))

    async def run(self, steps: Steps[Result]) -> Result:
        """Do steps to their end."""
        walk = Walk(steps)
        while walk.effect is not None:
            await self._go(walk, walk.effect)
        return walk.result

    async def stream(self, steps: Steps[None]) -> AsyncGenerator[Any, None]:
        """What steps give, one after the other."""
        walk, opened = Walk(steps), Opened()
        try:
            while walk.effect is not None:
                if isinstance(walk.effect, Give):
                    yield walk.effect.value
                    walk.answer(None)
                else:
                    await self._go(walk, walk.effect, opened)
        finally:
            await self._drop(opened)

    async def _go(self, walk: Walk[Any], effect: Effect, opened: Opened | None = None) -> None:
        try:
            result = await self._do(effect)
        except ClientError as error:
            walk.fail(error)
        else:
            if opened is not None and isinstance(result, Answer) and result.stream is not None:
                await self._drop(opened)
                opened.answer = result
            walk.answer(result)

    async def _do(self, effect: Effect) -> Any:
        match effect:
            case Ask(call, key, retries):
                return await self.run(self.conversation.exchange(call, key, retries))
            case Send(call, token):
                return await self._transport().send(call, token)
            case Read(answer):
                return await self._transport().read(answer)
            case Pause(seconds):
                return await asyncio.sleep(seconds)
            case Alone(steps):
                async with self._alone:
                    return await self.run(steps)
            case Renew(refused):
                return await self._renewal(self, refused) if self._renewal is not None else None
            case Give():
                raise TypeError("Nobody iterates over these steps.")

    async def _drop(self, opened: Opened) -> None:
        answer, opened.answer = opened.answer, None
        if answer is not None:
            await self._transport().drop(answer)

    def _transport(self) -> "AsyncTransport":
        if self._opened is None:
            from groundplane.sdk.transport import AsyncTransport  # noqa: PLC0415  # httpx is loaded by whoever sends

            self._opened = AsyncTransport(self._base_url, self._program)
        return self._opened
