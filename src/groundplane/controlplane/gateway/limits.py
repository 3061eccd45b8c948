"""Rate limits: how much one address, before anybody is authenticated, and one principal, after, may ask for.

Counting is the library `limits`' sliding window; replicas share their counts when the storage is Redis or Valkey.
Answers say what is left in the fields of draft-ietf-httpapi-ratelimit-headers. A storage that does not answer limits nobody.
"""

import asyncio
import math
import time
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, Literal

import structlog
from limits import RateLimitItem, parse
from limits.aio.storage import RedisStorage, SlidingWindowCounterSupport, Storage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from starlette.types import ASGIApp, Receive, Scope, Send

from groundplane.controlplane.gateway.problems import problem_response
from groundplane.kernel.errors import GroundplaneError
from groundplane.kernel.settings import Settings

log = structlog.get_logger()

STORAGE_SECONDS = 0.25
"""How long a shared storage may take."""

RouteClass = Literal["read", "write", "upload", "login", "address", "console"]


class RateLimitedError(GroundplaneError):
    """Too many requests. Wait as long as `Retry-After` says, and then send fewer."""

    code = "rate_limited"
    status = 429
    title = "Too many requests"


class WindowCounts(Storage, SlidingWindowCounterSupport):
    """The counts of the present and the last window in this process, by the window's length.

    The library's own memory storage looks at all of its keys with every hit: a millisecond with ten thousand of them.
    """

    STORAGE_SCHEME = ["async+windows"]

    def __init__(self, uri: str | None = None, wrap_exceptions: bool = False, **options: float | str | bool) -> None:
        super().__init__(uri, wrap_exceptions, **options)
        self._windows: dict[int, tuple[int, dict[str, int], dict[str, int]]] = {}

    @property
    def base_exceptions(self) -> type[Exception]:
        """It has none of its own."""
        return KeyError

    def _turn(self, expiry: int, now: float) -> tuple[dict[str, int], dict[str, int]]:
        """The present window's counts and the last one's."""
        number = int(now // expiry)
        known, present, last = self._windows.get(expiry, (number, {}, {}))
        if known != number or expiry not in self._windows:
            last = present if known == number - 1 else {}
            present = {} if known != number else present
            self._windows[expiry] = (number, present, last)
        return present, last

    async def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count, unless that would be more than the limit."""
        now = time.time()
        present, last = self._turn(expiry, now)
        count = present.get(key, 0)
        if int(last.get(key, 0) * (1 - now / expiry % 1) + count) + amount > limit:
            return False
        present[key] = count + amount
        return True

    async def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """Last count, seconds that it still weighs, present count, seconds that it will weigh."""
        now = time.time()
        present, last = self._turn(expiry, now)
        rest = (1 - now / expiry % 1) * expiry
        before = last.get(key, 0)
        return before, rest if before else 0.0, present.get(key, 0), rest + expiry

    async def clear_sliding_window(self, key: str, expiry: int) -> None:
        """Forget a key."""
        for counts in self._turn(expiry, time.time()):
            counts.pop(key, None)

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count without a limit."""
        present, _ = self._turn(expiry, time.time())
        present[key] = present.get(key, 0) + amount
        return present[key]

    async def get(self, key: str) -> int:
        """A key's present count in all windows."""
        return sum(present.get(key, 0) for _, present, _ in self._windows.values())

    async def get_expiry(self, key: str) -> float:
        """When the longest window that knows the key ends, in seconds since 1970."""
        return max((number + 1) * expiry for expiry, (number, present, _) in self._windows.items() if key in present)

    async def check(self) -> bool:
        """It is always there."""
        return True

    async def reset(self) -> int | None:
        """Forget everything."""
        self._windows.clear()
        return None

    async def clear(self, key: str) -> None:
        """Forget a key in all windows."""
        for _, present, last in self._windows.values():
            present.pop(key, None)
            last.pop(key, None)


class RateLimits:
    """What each class of routes allows, and the counts. A class that has no limit is not in `limits`."""

    def __init__(self, settings: Settings) -> None:
        texts: Mapping[RouteClass, str] = {
            "read": settings.rate_limit_read,
            "write": settings.rate_limit_write,
            "upload": settings.rate_limit_upload,
            "login": settings.rate_limit_login,
            "address": settings.rate_limit_address,
            "console": settings.rate_limit_console,
        }
        self.limits: Mapping[RouteClass, RateLimitItem] = {name: parse(text) for name, text in texts.items() if text}
        url = settings.rate_limit_storage.get_secret_value()
        self._seconds = STORAGE_SECONDS if url else None
        self._connections: Any = None
        storage: Storage = WindowCounts()
        if url:
            from redis.asyncio import ConnectionPool  # noqa: PLC0415  # a start without it is a quarter of a second shorter

            # One client speaks to Redis and to Valkey: what they differ in is not used here.
            url = url.replace("valkey", "redis", 1)
            self._connections = ConnectionPool.from_url(url)
            storage = RedisStorage(f"async+{url}", connection_pool=self._connections, implementation="redispy")
        self._limiter = SlidingWindowCounterRateLimiter(storage)

    async def close(self) -> None:
        """Let go of the shared storage."""
        if self._connections is not None:
            await self._connections.aclose()

    async def refusal(self, name: RouteClass, whom: str, scope: Scope) -> "RateLimitedError | None":
        """Count a request of `whom`; the error to answer it with if it is one too many.

        Leaves what is left in the request's state, for the answer's headers.
        """
        limit = self.limits.get(name)
        if limit is None:
            return None
        try:
            async with asyncio.timeout(self._seconds):
                allowed = await self._limiter.hit(limit, name, whom)
                if allowed and name in {"address", "console"}:  # told only to whom it hits: what follows tells its own
                    return None
                reset, remaining = await self._limiter.get_window_stats(limit, name, whom)
        except Exception as error:  # whatever is wrong with it: a limit must not take the api down
            log.warning("limits.not_counted", error=repr(error))
            return None
        seconds = max(1, math.ceil(reset - time.time()))
        scope["state"]["rate_limit"] = (
            ("RateLimit-Policy", f'"{name}";q={limit.amount};w={limit.get_expiry()}'),
            ("RateLimit", f'"{name}";r={remaining if allowed else 0};t={seconds}'),
        )
        if allowed:
            return None
        detail = f"That is more than {limit}, the limit of {_OF_WHAT[name]}. Wait {seconds} s, and then send fewer."
        return RateLimitedError(detail, context={"limit": name, "retry_after_seconds": seconds})


_OF_WHAT: Mapping[RouteClass, str] = {
    "read": "one user's reading",
    "write": "one user's changes",
    "upload": "one user's uploads",
    "login": "one address's logins",
    "address": "one address",
    "console": "one address's reading of the console's files",
}


class AddressLimits:
    """Middleware for the whole api: by the client's address, before anybody is authenticated; what takes secrets strictly.

    `logins` are the beginnings of the paths that take one: passwords, codes, one-time tokens.
    """

    def __init__(self, app: ASGIApp, *, limits: RateLimits, logins: tuple[str, ...], console_path: str) -> None:
        self.app = app
        self.limits = limits
        self.logins = logins
        self.console_path = console_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        name = self._class_of(scope)
        if name is None:
            await self.app(scope, receive, send)
            return
        whom = network_of(scope["client"][0]) if scope.get("client") else ""
        error = await self.limits.refusal(name, whom, scope)
        if error is None and scope["method"] == "POST" and scope["path"].startswith(self.logins):
            error = await self.limits.refusal("login", whom, scope)
        await (self.app if error is None else _refusal(error, scope))(scope, receive, send)

    def _class_of(self, scope: Scope) -> RouteClass | None:
        """What is limited by address: the api, and apart from it, since a page is many files, the console."""
        if scope["type"] != "http":
            return None
        if scope["path"].startswith("/api/"):
            return "address"
        return "console" if f"{scope['path']}/".startswith(f"{self.console_path}/") else None


class PrincipalLimits:
    """Middleware inside of the authentication: by who asks, each class of routes for itself."""

    def __init__(self, app: ASGIApp, *, limits: RateLimits) -> None:
        self.app = app
        self.limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        actor = scope["state"].get("actor") if scope["type"] == "http" else None
        error = await self.limits.refusal(class_of(scope), str(actor.id), scope) if actor else None
        await (self.app if error is None else _refusal(error, scope))(scope, receive, send)


def class_of(scope: Scope) -> RouteClass:
    """The class of a request of somebody who is known."""
    if scope["method"] in {"GET", "HEAD", "OPTIONS"}:
        return "read"
    return "upload" if scope["method"] == "POST" and scope["path"].endswith("/images") else "write"


def network_of(address: str) -> str:
    """Whom an address stands for: an IPv6 user has a whole /64 of them."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((parsed, 64), strict=False)) if isinstance(parsed, IPv6Address) else address


def _refusal(error: RateLimitedError, scope: Scope) -> ASGIApp:
    response = problem_response(error, scope)
    response.headers["Retry-After"] = str(error.context["retry_after_seconds"])
    return response
