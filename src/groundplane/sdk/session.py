"""The conversation of a caller's threads with the platform."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from groundplane.sdk.calls import PROGRAM, Answer, Call
from groundplane.sdk.conversation import Conversation
from groundplane.sdk.effects import Alone, Ask, Effect, Give, Opened, Pause, Read, Renew, Result, Send, Steps, Walk
from groundplane.sdk.errors import ClientError
from groundplane.sdk.retries import Retries

if TYPE_CHECKING:
    from groundplane.sdk.transport import Transport

__all__ = ["Call", "Renewal", "Session"]

Renewal = Callable[["Session", str | None], str | None]
"""Answers the token to go on with, when the one that it is given was refused or there was none; None when there is no other.

For tokens that are kept outside of a process, such as those that processes share. Called by one thread at a time.
"""


class Session:
    """Thread-safe. After `log_in` it refreshes its token before that expires; if it may not, it logs in again.

    `program` is what it is called where sessions are listed: the first half of its User-Agent.
    """

    def __init__(
        self,
        base_url: str,
        token: str | None = None,
        retries: Retries | None = None,
        *,
        refresh_token: str | None = None,
        renewal: Renewal | None = None,
        program: str = PROGRAM,
    ) -> None:
        self._base_url = base_url
        self._program = program
        self._opened: Transport | None = None
        self._opening = threading.Lock()
        self._alone = threading.RLock()
        self._renewal = renewal
        self.conversation = Conversation(token, refresh_token, retries, kept_elsewhere=renewal is not None)

    def close(self) -> None:
        """Close every connection."""
        if self._opened is not None:
            self._opened.close()

    def json(self, call: Call, *, idempotency_key: str | None = None, retries: Retries | None = None) -> Any:
        """Send and read a JSON answer; None if it is empty. Raises ApiError, ConnectionFailedError."""
        answer = self.send(call, idempotency_key=idempotency_key, retries=retries)
        return json.loads(answer.content) if answer.content else None

    def send(self, call: Call, *, idempotency_key: str | None = None, retries: Retries | None = None) -> Answer:
        """Send and read the whole answer. A mutation has the key, or a new one. Raises ApiError, ConnectionFailedError."""
        return self.run(self.conversation.exchange(call, idempotency_key, retries))

    def run(self, steps: Steps[Result]) -> Result:
        """Do steps to their end."""
        walk = Walk(steps)
        while walk.effect is not None:
            self._go(walk, walk.effect)
        return walk.result

    def stream(self, steps: Steps[None]) -> Iterator[Any]:
        """What steps give, one after the other."""
        walk, opened = Walk(steps), Opened()
        try:
            while walk.effect is not None:
                if isinstance(walk.effect, Give):
                    yield walk.effect.value
                    walk.answer(None)
                else:
                    self._go(walk, walk.effect, opened)
        finally:
            self._drop(opened)

    def _go(self, walk: Walk[Any], effect: Effect, opened: Opened | None = None) -> None:
        try:
            result = self._do(effect)
        except ClientError as error:
            walk.fail(error)
        else:
            if opened is not None and isinstance(result, Answer) and result.stream is not None:
                self._drop(opened)
                opened.answer = result
            walk.answer(result)

    def _do(self, effect: Effect) -> Any:
        match effect:
            case Ask(call, key, retries):
                return self.run(self.conversation.exchange(call, key, retries))
            case Send(call, token):
                return self._transport().send(call, token)
            case Read(answer):
                return self._transport().read(answer)
            case Pause(seconds):
                return time.sleep(seconds)
            case Alone(steps):
                with self._alone:
                    return self.run(steps)
            case Renew(refused):
                return self._renewal(self, refused) if self._renewal is not None else None
            case Give():
                raise TypeError("Nobody iterates over these steps.")

    def _drop(self, opened: Opened) -> None:
        answer, opened.answer = opened.answer, None
        if answer is not None:
            self._transport().drop(answer)

    def _transport(self) -> "Transport":
        with self._opening:
            if self._opened is None:
                from groundplane.sdk.transport import Transport  # noqa: PLC0415  # httpx is loaded by whoever sends

                self._opened = Transport(self._base_url, self._program)
            return self._opened
