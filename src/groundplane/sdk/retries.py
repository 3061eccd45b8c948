"""When a request is worth sending again, and after how long. Decides only; sends and sleeps nothing."""

import random
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from groundplane.sdk.errors import ApiError

if TYPE_CHECKING:
    from groundplane.sdk.calls import Answer

IN_FLIGHT = "idempotency_in_flight"
"""The code of the answer to a repetition whose first request is still at work."""


@dataclass(frozen=True)
class Retries:
    """Pauses grow from `first` to `most` seconds, with jitter, until `budget` seconds have passed since the first try.

    Any request may be sent again: reads change nothing, and a mutation carries a key by which it is done once.
    """

    budget: float = 15.0
    first: float = 0.1
    most: float = 2.0

    def pause_after_error(self, *, attempt: int, elapsed: float) -> float | None:
        """Seconds until the next try, `attempt` being the number of those made; None when it is not worth one."""
        return self._within(self.backoff(attempt), elapsed)

    def pause_after_answer(self, answer: "Answer", *, attempt: int, elapsed: float) -> float | None:
        """Seconds until the next try; None when it is the answer.

        Worth another are 503 with Retry-After, and a mutation that is at work already: its answer is yet to come.
        """
        if answer.status == HTTPStatus.CONFLICT and ApiError.from_answer(answer).code == IN_FLIGHT:
            return self._within(self.backoff(attempt), elapsed)
        told = answer.headers.get("retry-after", "")
        if answer.status != HTTPStatus.SERVICE_UNAVAILABLE or not told.isdecimal():
            return None
        return self._within(max(float(told), self.backoff(attempt)), elapsed)

    def backoff(self, attempt: int) -> float:
        """Seconds to wait after so many tries, whatever they have taken."""
        longest = min(self.most, self.first * 2.0 ** min(attempt - 1, 30))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311  # spreads clients, keeps no secret

    def _within(self, pause: float, elapsed: float) -> float | None:
        return pause if elapsed + pause <= self.budget else None
