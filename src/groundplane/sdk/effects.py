"""What a conversation with the platform needs done: the few things that differ between threads and asyncio.

The rest of this package is generators of these effects. `session` does them in the caller's thread, `async_session` on the
caller's event loop; both answer an effect by what it says, or throw the error that doing it ended in.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from groundplane.sdk.calls import Answer, Call
from groundplane.sdk.retries import Retries

Result = TypeVar("Result")


@dataclass(frozen=True)
class Ask:
    """Have a request answered, whatever tries and tokens that takes: an Answer. Throws ApiError, ConnectionFailedError."""

    call: Call
    key: str | None = None
    retries: Retries | None = None


@dataclass(frozen=True)
class Send:
    """Send a request once: an Answer, whatever its status. Throws ConnectionFailedError."""

    call: Call
    token: str | None


@dataclass(frozen=True)
class Read:
    """The next bytes of a streamed answer; None at its end. Throws ConnectionFailedError."""

    answer: Answer


@dataclass(frozen=True)
class Pause:
    """Wait so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Alone:
    """Do steps while nobody else does such, and answer what they answer."""

    steps: "Generator[Effect, Any, Any]"


@dataclass(frozen=True)
class Renew:
    """Ask whoever keeps the tokens for another than the one that was refused: a token, or None."""

    refused: str | None


@dataclass(frozen=True)
class Give:
    """Hand something to who iterates."""

    value: Any


@dataclass
class Opened:
    """The streamed answer that is being read, to be dropped when nobody reads on."""

    answer: Answer | None = None


Effect = Ask | Send | Read | Pause | Alone | Renew | Give
Steps = Generator[Effect, Any, Result]


class Walk(Generic[Result]):
    """A walk through steps: `effect` is what is to be done now; None when they are over, with their `result`."""

    effect: Effect | None
    result: Result

    def __init__(self, steps: Steps[Result]) -> None:
        self._steps = steps
        self._go(lambda: next(steps))

    def answer(self, value: Any) -> None:
        """Go on: the effect is done, and answered so."""
        self._go(lambda: self._steps.send(value))

    def fail(self, error: Exception) -> None:
        """Go on: doing the effect ended so. Raises what the steps make of it."""
        self._go(lambda: self._steps.throw(error))

    def _go(self, on: Callable[[], Effect]) -> None:
        try:
            self.effect = on()
        except StopIteration as end:
            self.effect, self.result = None, end.value
