"""When a request may be sent again, and after how long. Decides only; sends and sleeps nothing."""

import random
from dataclasses import dataclass

import httpx

_NOTHING_WAS_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True)
class Retries:
    """Pauses grow from `first` to `most` seconds, with jitter, until `budget` seconds have passed since the first try.

    `safe` requests are those that may be carried out twice without harm; others are sent again only if nothing was sent.
    """

    budget: float = 15.0
    first: float = 0.1
    most: float = 2.0

    def pause_after_error(self, error: httpx.TransportError, *, safe: bool, attempt: int, elapsed: float) -> float | None:
        """Seconds until the next try, `attempt` being the number of those made; None when it is not worth one."""
        if safe or isinstance(error, _NOTHING_WAS_SENT):
            return self._within(self._backoff(attempt), elapsed)
        return None

    def pause_after_response(self, response: httpx.Response, *, safe: bool, attempt: int, elapsed: float) -> float | None:
        """Seconds until the next try; None when the response is the answer. Only 503 with Retry-After is worth another."""
        told = response.headers.get("retry-after", "")
        if not safe or response.status_code != httpx.codes.SERVICE_UNAVAILABLE or not told.isdecimal():
            return None
        return self._within(max(float(told), self._backoff(attempt)), elapsed)

    def _backoff(self, attempt: int) -> float:
        longest = min(self.most, self.first * 2.0 ** min(attempt - 1, 30))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311  # spreads clients, keeps no secret

    def _within(self, pause: float, elapsed: float) -> float | None:
        return pause if elapsed + pause <= self.budget else None
