"""The load generator against a small server of the test's own: what it sends, how it reads answers, and how it takes turns."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from bench.load import Answer, Fired, Plan, Post, fire, read_head


@dataclass
class Server:
    """Answers every request with its own body, in two pieces; remembers heads and the most that were under way at once."""

    port: int = 0
    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    connections: int = 0
    under_way: int = 0
    most: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.under_way += 1
                self.most = max(self.most, self.under_way)
                length = int(head.lower().partition("content-length: ")[2].split("\r\n")[0])
                body = await reader.readexactly(length)
                self.heads.append(head)
                self.bodies.append(body)
                writer.write(b"HTTP/1.1 202 Accepted\r\nContent-")
                await writer.drain()
                await asyncio.sleep(0.005)
                self.under_way -= 1
                writer.write(b"Length: %d\r\n\r\n" % length + body)
        except asyncio.IncompleteReadError:
            writer.close()


@asynccontextmanager
async def running() -> AsyncIterator[Server]:
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    async with listening:
        server.port = listening.sockets[0].getsockname()[1]
        yield server


def posts(path: str, count: int) -> list[Post]:
    return [Post(path, "a-token", {"name": f"{path}-{number}"}) for number in range(count)]


async def test_everything_is_sent_once_by_so_many_connections_one_request_at_a_time() -> None:
    async with running() as server:
        fired = await fire(Plan(server.port, 4, [posts("/a", 10), posts("/b", 10)]))
    assert sorted(json.loads(body)["name"] for body in server.bodies) == sorted(
        post.body["name"] for path in ("/a", "/b") for post in posts(path, 10)
    )
    assert (server.connections, server.most) == (4, 4)
    assert len(fired.answers) == 20
    assert all(answer.status == 202 and answer.sent < answer.answered for answer in fired.answers)
    assert sorted(answer.body for answer in fired.answers) == sorted(body.decode() for body in server.bodies)
    assert fired.began == min(answer.sent for answer in fired.answers)
    assert fired.cpu > 0


async def test_each_request_says_who_asks_and_has_a_key_of_its_own() -> None:
    async with running() as server:
        await fire(Plan(server.port, 1, [posts("/a", 3)]))
    lines = [head.split("\r\n") for head in server.heads]
    assert all(line[0] == "POST /a HTTP/1.1" and "Authorization: Bearer a-token" in line for line in lines)
    keys = {entry for line in lines for entry in line if entry.startswith("Idempotency-Key: ")}
    assert len(keys) == 3


async def test_a_pause_lies_between_an_answer_and_the_next_request() -> None:
    async with running() as server:
        fired = await fire(Plan(server.port, 1, [posts("/a", 4)], pause=0.05))
    gaps = [after.sent - before.answered for before, after in zip(fired.answers, fired.answers[1:], strict=False)]
    assert len(gaps) == 3
    assert min(gaps) >= 0.045


async def test_a_server_that_hangs_up_is_an_error() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        with pytest.raises(RuntimeError, match="load generator"):
            await fire(Plan(port, 1, [posts("/a", 1)]))


def test_a_queue_that_nobody_takes_from_is_refused() -> None:
    with pytest.raises(ValueError, match="2 queues"):
        Plan(1, 1, [posts("/a", 1), posts("/b", 1)])


def test_an_answer_is_read_when_its_head_is_whole() -> None:
    answer = b"HTTP/1.1 409 Conflict\r\nserver: x\r\ncontent-length: 5\r\nx: y\r\n\r\nhello"
    end = answer.index(b"hello")
    assert all(read_head(answer[:length]) is None for length in range(end))
    assert read_head(answer[:end]) == read_head(answer) == (409, end, end + 5)


def test_an_answer_of_no_known_length_is_refused() -> None:
    with pytest.raises(ValueError, match="no known length"):
        read_head(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")


def test_another_status_than_expected_is_told_with_its_body() -> None:
    fired = Fired([Answer(1, 2, 202, "{}"), Answer(1, 2, 409, "no capacity")], 0.1)
    with pytest.raises(RuntimeError, match="409 instead of 202: no capacity"):
        fired.expect(202)
