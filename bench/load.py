"""A load generator that costs little: HTTP/1.1 kept alive, no pipelining, every request's bytes made before the first is sent.

Runs in a process of its own, so that what it costs is counted by itself: `fire` starts it, `python -m bench.load` is it. Knows
nothing of what it asks for.
"""

import asyncio
import json
import resource
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self, cast
from uuid import uuid4

import uvloop

REPOSITORY = Path(__file__).parents[1]
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length:"


@dataclass(frozen=True)
class Post:
    """A POST of JSON in some user's name. Each is sent with an Idempotency-Key of its own."""

    path: str
    token: str
    body: Mapping[str, Any]

    def wire(self, host: str) -> bytes:
        """All the bytes of the request."""
        body = json.dumps(self.body, separators=(",", ":")).encode()
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {self.token}\r\n"
            f"Idempotency-Key: {uuid4()}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


@dataclass(frozen=True)
class Get:
    """A GET in some user's name. The path has its query, encoded."""

    path: str
    token: str

    def wire(self, host: str) -> bytes:
        """All the bytes of the request."""
        return f"GET {self.path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {self.token}\r\n\r\n".encode()


@dataclass(frozen=True)
class Plan:
    """What is to be sent to 127.0.0.1:`port`.

    `clients` connections share the queues out among them, each taking from one only, so there are no more queues than clients.
    A client sends its next request `pause` seconds after the answer to the one before.
    """

    port: int
    clients: int
    queues: Sequence[Sequence[Post | Get]]
    pause: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a queue that nobody would take from."""
        if self.clients < len(self.queues):
            raise ValueError(f"{len(self.queues)} queues need as many clients, not {self.clients}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """A plan as `fire` sends it."""
        raw = json.loads(text)
        queues = [[_request(each) for each in queue] for queue in raw.pop("queues")]
        return cls(queues=queues, **raw)


def _request(raw: Mapping[str, Any]) -> Post | Get:
    return Post(**raw) if "body" in raw else Get(**raw)


@dataclass(frozen=True)
class Answer:
    """One answer. Times are seconds since the epoch; `body` is the answer's, as text."""

    sent: float
    answered: float
    status: int
    body: str


@dataclass(frozen=True)
class Fired:
    """All answers, in the order in which they came, and the CPU seconds that the load generator took."""

    answers: Sequence[Answer]
    cpu: float

    @property
    def began(self) -> float:
        """When the first request was sent, in seconds since the epoch."""
        return min(answer.sent for answer in self.answers)

    def expect(self, status: int) -> None:
        """Raise RuntimeError with the first answer of another status."""
        other = next((answer for answer in self.answers if answer.status != status), None)
        if other is not None:
            raise RuntimeError(f"{other.status} instead of {status}: {other.body[:1000]}")


async def fire(plan: Plan) -> Fired:
    """Carry out the plan in another process. Raises RuntimeError when that fails."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.load", cwd=REPOSITORY, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        told, _ = await process.communicate(json.dumps(asdict(plan)).encode())
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        raise RuntimeError("the load generator failed; see above")
    raw = json.loads(told)
    return Fired([Answer(*each) for each in raw["answers"]], raw["cpu"])


def read_head(received: bytes | bytearray) -> tuple[int, int, int] | None:
    """Of an answer's beginning: status, where its body begins and where it ends; None while the head is not whole.

    Raises ValueError for an answer that does not say its length.
    """
    end = received.find(_HEAD_END)
    if end < 0:
        return None
    head = bytes(received[:end]).lower()
    place = head.find(_LENGTH)
    if place < 0:
        raise ValueError(f"an answer of no known length: {head!r}")
    length = int(head[place + len(_LENGTH) :].split(b"\r\n", 1)[0])
    begin = end + len(_HEAD_END)
    return int(head[9:12]), begin, begin + length


class _Client(asyncio.Protocol):
    """One connection: sends, waits for the whole answer, sends the next."""

    def __init__(self, queue: deque[bytes], pause: float, answers: list[tuple[float, float, int, bytes]]) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self._queue = queue
        self._pause = pause
        self._answers = answers
        self._received = bytearray()
        self._sent = 0.0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass

    def send_next(self) -> None:
        """Send what comes next in the queue; the client is done when nothing does."""
        if not self._queue:
            self.done.set_result(None)
            self._transport.close()
            return
        request = self._queue.popleft()
        self._sent = time.time()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head = read_head(self._received)
        if head is None or len(self._received) < head[2]:
            return
        status, begin, end = head
        self._answers.append((self._sent, time.time(), status, bytes(self._received[begin:end])))
        self._received.clear()
        if self._pause:
            asyncio.get_running_loop().call_later(self._pause, self.send_next)
        else:
            self.send_next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the api hung up"))


async def _carry_out(plan: Plan) -> None:
    host = f"127.0.0.1:{plan.port}"
    queues = [deque(request.wire(host) for request in queue) for queue in plan.queues]
    answers: list[tuple[float, float, int, bytes]] = []
    loop = asyncio.get_running_loop()
    clients = []
    for number in range(plan.clients):
        make = partial(_Client, queues[number % len(queues)], plan.pause, answers)
        clients.append((await loop.create_connection(make, "127.0.0.1", plan.port))[1])
    before = _cpu()
    for client in clients:
        client.send_next()
    await asyncio.gather(*(client.done for client in clients))
    cpu = _cpu() - before
    print(json.dumps({"answers": [(*rest, body.decode()) for *rest, body in answers], "cpu": cpu}))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    uvloop.run(_carry_out(Plan.parse(sys.stdin.read())))
