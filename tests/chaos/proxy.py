"""A TCP proxy between NATS clients and their server that loses, doubles, delays and re-orders messages.

Touches only what at-least-once delivery may do to a message: tasks and reports on their way into the streams and out of
them, and the acknowledgements of both. All else passes as it came. The protocol's frames are those of
https://docs.nats.io/reference/reference-protocols/nats-protocol.
"""

import asyncio
import contextlib
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Effect = Literal["lost", "answer lost", "doubled", "delayed"]
Sort = Literal["task", "report", "task delivery", "report delivery", "acknowledgement"]

LONGEST_DELAY_SECONDS = 8.0
USUAL_DELAY_SECONDS = 0.8
LINE_LIMIT = 1 << 20
TASKS_KEPT = 20_000

CHANCES: dict[Sort, dict[Effect, float]] = {
    "task": {"lost": 0.04, "answer lost": 0.02, "doubled": 0.2, "delayed": 0.2},
    "report": {"lost": 0.04, "answer lost": 0.04, "doubled": 0.2, "delayed": 0.2},
    "task delivery": {"lost": 0.02, "doubled": 0.2, "delayed": 0.2},
    "report delivery": {"lost": 0.01, "doubled": 0.2, "delayed": 0.2},
    "acknowledgement": {"lost": 0.06, "delayed": 0.1},
}
"""How likely each effect is for each sort of message, while faults are on."""


@dataclass(frozen=True)
class Frame:
    """One frame: its words, and its headers and payload (None for a frame that has neither)."""

    words: tuple[bytes, ...]
    head: bytes = b""
    body: bytes | None = None

    @property
    def verb(self) -> bytes:
        """PUB, HPUB, MSG, HMSG, or anything else."""
        return self.words[0].upper() if self.words else b""

    @property
    def subject(self) -> bytes:
        """Of a message."""
        return self.words[1]

    @property
    def reply(self) -> bytes | None:
        """Where an answer is wanted; of a message."""
        fixed = {b"PUB": 3, b"HPUB": 4, b"MSG": 4, b"HMSG": 5}[self.verb]
        place = 2 if self.verb.endswith(b"PUB") else 3
        return self.words[place] if len(self.words) > fixed else None

    def encode(self) -> bytes:
        """As it goes over the wire."""
        line = b" ".join(self.words) + b"\r\n"
        return line if self.body is None else line + self.head + self.body + b"\r\n"

    def double(self) -> "Frame":
        """A published message once more, without the id by which the server would know it, and wanting no answer."""
        if not self.verb.endswith(b"PUB") or self.body is None:
            return self
        kept = [line for line in self.head.split(b"\r\n") if line and not line.lower().startswith(b"nats-msg-id:")]
        if len(kept) < 2:
            return Frame((b"PUB", self.subject, b"%d" % len(self.body)), b"", self.body)
        head = b"\r\n".join(kept) + b"\r\n\r\n"
        return Frame((b"HPUB", self.subject, b"%d" % len(head), b"%d" % (len(head) + len(self.body))), head, self.body)


async def read_frame(reader: asyncio.StreamReader) -> Frame | None:
    """The next frame; None at the end of the stream."""
    line = await reader.readline()
    if not line.endswith(b"\r\n"):
        return None
    words = tuple(line.split())
    verb = words[0].upper() if words else b""
    if verb not in {b"PUB", b"HPUB", b"MSG", b"HMSG"}:
        return Frame((line[:-2],))
    total = int(words[-1])
    head_length = int(words[-2]) if verb in {b"HPUB", b"HMSG"} else 0
    content = await reader.readexactly(total + 2)
    return Frame(words, content[:head_length], content[head_length:-2])


def sort_of(frame: Frame) -> Sort | None:
    """What a frame is; None for what is let through."""
    if frame.body is None or frame.verb not in {b"PUB", b"HPUB", b"MSG", b"HMSG"}:
        return None
    published = frame.verb.endswith(b"PUB")
    if published and frame.subject.startswith((b"$JS.ACK.TASKS.", b"$JS.ACK.REPORTS.")):
        return "acknowledgement" if frame.body in {b"", b"+ACK"} else None
    delivered = not published and (frame.reply or b"").startswith(b"$JS.ACK.")
    if frame.subject.startswith(b"gp.task."):
        return "task" if published else "task delivery" if delivered else None
    if frame.subject.startswith(b"gp.report."):
        return "report" if published else "report delivery" if delivered else None
    return None


class Memory:
    """The tasks that went by, so that an old one can come once more after what it made was removed."""

    def __init__(self) -> None:
        self._ensured: dict[str, list[tuple[str, bytes]]] = {}
        self._removed: dict[str, float] = {}

    def note(self, frame: Frame) -> None:
        """Remember a published task."""
        with contextlib.suppress(ValueError, KeyError, TypeError):
            task: dict[str, Any] = json.loads(frame.body or b"")
            for operation in task["operations"]:
                if operation["verb"] == "remove":
                    self._removed.setdefault(operation["id"], time.monotonic())
                elif len(self._ensured) < TASKS_KEPT:
                    kept = self._ensured.setdefault(operation["spec"]["id"], [])
                    kept.append((frame.subject.decode(), frame.body or b""))

    def late(self, chance: random.Random, age: float) -> tuple[str, bytes] | None:
        """A task that ensures what was removed at least `age` seconds ago: its subject and payload."""
        before = time.monotonic() - age
        gone = [each for each, at in self._removed.items() if at < before and each in self._ensured]
        return chance.choice(self._ensured[chance.choice(gone)]) if gone else None


class Proxy:
    """Listens on loopback and connects each client to the server. `on` says whether faults strike; `struck` counts them."""

    def __init__(self, server_port: int, chance: random.Random) -> None:
        self.on = False
        self.struck: Counter[str] = Counter()
        self.memory = Memory()
        self.port = 0
        self._server_port = server_port
        self._chance = chance
        self._unanswered: set[bytes] = set()
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()

    async def listen(self, port: int) -> None:
        """Begin."""
        self.port = port
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, limit=LINE_LIMIT)

    async def close(self) -> None:
        """End every connection."""
        if self._server is not None:
            self._server.close()
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links.add(task)
        try:
            await self._link(reader, writer)
        except (OSError, asyncio.CancelledError, asyncio.IncompleteReadError, ValueError):
            pass  # one side is gone, and so the other one goes
        finally:
            writer.close()
            self._links.discard(task)

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._server_port, limit=LINE_LIMIT)
        there = asyncio.create_task(self._pump(reader, server_writer))
        back = asyncio.create_task(self._pump(server_reader, writer))
        try:
            await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            there.cancel()
            back.cancel()
            await asyncio.gather(there, back, return_exceptions=True)
            server_writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lane = _Lane(writer)
        while (frame := await read_frame(reader)) is not None:
            sort = sort_of(frame)
            if sort == "task":
                self.memory.note(frame)
            if frame.body is not None and frame.subject in self._unanswered:
                self._unanswered.discard(frame.subject)
                self.struck["answer to a publish lost"] += 1
            elif sort is None or not self.on:
                lane.send(frame)
            else:
                self._strike(lane, frame, sort)
            await writer.drain()

    def _strike(self, lane: "_Lane", frame: Frame, sort: Sort) -> None:
        effect = self._draw(sort)
        if effect == "lost":
            self.struck[f"{sort} lost"] += 1
        elif effect == "delayed":
            lane.hold(frame, self._delay(), lambda overtaken: self._count_delay(sort, overtaken))
        else:
            lane.send(frame, counted=True)
            if effect == "doubled":
                lane.hold(frame.double(), self._delay(), lambda _: self.struck.update([f"{sort} doubled"]))
            elif effect == "answer lost" and frame.reply is not None:
                self._unanswered.add(frame.reply)

    def _draw(self, sort: Sort) -> Effect | None:
        number = self._chance.random()
        for effect, chance in CHANCES[sort].items():
            if number < chance:
                return effect
            number -= chance
        return None

    def _delay(self) -> float:
        return min(self._chance.expovariate(1 / USUAL_DELAY_SECONDS), LONGEST_DELAY_SECONDS)

    def _count_delay(self, sort: Sort, overtaken: bool) -> None:
        self.struck[f"{sort} {'re-ordered' if overtaken else 'delayed'}"] += 1


class _Lane:
    """One direction of a connection: what is sent, and what is held back for a while."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._sent = 0

    def send(self, frame: Frame, *, counted: bool = False) -> None:
        self._sent += counted
        self._writer.write(frame.encode())

    def hold(self, frame: Frame, seconds: float, released: Callable[[bool], None]) -> None:
        """Send it later, unless the connection ends before; tell whether a message that came after it was faster."""
        sent = self._sent

        def release() -> None:
            if not self._writer.is_closing():
                overtaken = self._sent > sent
                self.send(frame, counted=True)
                released(overtaken)

        asyncio.get_running_loop().call_later(seconds, release)
