"""Bytes read from agents: an agent is asked over NATS and answers by a POST to this very process.

The bytes pass through: a few pieces are held at a time, never a whole answer.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from groundplane.contracts.tasks import ConsoleRead, read_subject
from groundplane.kernel.errors import NotFoundError, UnavailableError

if TYPE_CHECKING:
    from groundplane.controlplane.gateway.services import Services

ANSWER_SECONDS = 5.0
"""How long an agent may take to begin its answer."""
PIECE_SECONDS = 30.0
"""How long the reader or the agent may take for one piece of it."""
_PIECES = 4


class AgentUnreachableError(UnavailableError):
    """The agent that serves this machine did not answer in time. Try again in a few seconds."""

    code = "agent_unreachable"


class ConsoleNotFoundError(NotFoundError):
    """This machine has no console log yet. Start the machine, or try again in a few seconds."""

    code = "console_not_found"


@dataclass(frozen=True)
class Waiting:
    """A reader who waits for an agent of this cluster. `begun` is resolved by what the agent found."""

    cluster_id: UUID
    limit: int
    begun: "asyncio.Future[bool]"
    pieces: MemoryObjectSendStream[bytes]


class Answers:
    """The readers that wait in this process, by unguessable tokens that are good once."""

    def __init__(self) -> None:
        self._waiting: dict[str, Waiting] = {}

    def open(self, cluster_id: UUID, limit: int) -> tuple[str, Waiting, MemoryObjectReceiveStream[bytes]]:
        """Expect an answer: its token, who waits, and where the bytes will come out."""
        sender, receiver = anyio.create_memory_object_stream[bytes](_PIECES)
        waiting = Waiting(cluster_id, limit, asyncio.get_running_loop().create_future(), sender)
        token = secrets.token_urlsafe(32)
        self._waiting[token] = waiting
        return token, waiting, receiver

    def take(self, token: str, cluster_id: UUID | None) -> Waiting | None:
        """Who waits for this answer of this cluster; nobody the second time."""
        waiting = self._waiting.get(token)
        if waiting is None or waiting.cluster_id != cluster_id:
            return None
        del self._waiting[token]
        return waiting

    def give_up(self, token: str) -> None:
        """Nobody waits any more."""
        self._waiting.pop(token, None)


async def deliver(waiting: Waiting, body: AsyncIterator[bytes], *, found: bool) -> None:
    """Pass an agent's answer on to who waits for it, no faster than it is read. A reader who left ends it."""
    with waiting.pieces:
        if not waiting.begun.done():
            waiting.begun.set_result(found)
        left = waiting.limit
        async for piece in body:
            if not found or left <= 0:
                return
            try:
                async with asyncio.timeout(PIECE_SECONDS):
                    await waiting.pieces.send(piece[:left])
            except (TimeoutError, anyio.BrokenResourceError):
                return
            left -= len(piece)


async def read_console(
    services: "Services", cluster_id: UUID, host_id: UUID, vm_id: UUID, offset: int, limit: int
) -> AsyncIterator[bytes]:
    """A guest's console log from `offset`, at most `limit` bytes. Await it, then iterate: errors come before the first byte.

    Raises AgentUnreachableError, ConsoleNotFoundError.
    """
    token, waiting, receiver = services.answers.open(cluster_id, limit)
    answer_url = f"{services.settings.api_url}/api/agent/v1/answers/{token}"
    ask = ConsoleRead(host_id=host_id, vm_id=vm_id, answer_url=answer_url, offset=offset, limit=limit)
    try:
        await _begin(services, cluster_id, ask, waiting)
    except BaseException:
        receiver.close()
        waiting.pieces.close()
        raise
    finally:
        services.answers.give_up(token)
    return _pieces(receiver)


async def _begin(services: "Services", cluster_id: UUID, ask: ConsoleRead, waiting: Waiting) -> None:
    await services.bus.nats.publish(read_subject(cluster_id), ask.model_dump_json().encode())
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            found = await waiting.begun
    except TimeoutError as error:
        raise AgentUnreachableError from error
    if not found:
        raise ConsoleNotFoundError


async def _pieces(receiver: MemoryObjectReceiveStream[bytes]) -> AsyncIterator[bytes]:
    with receiver:
        async for piece in receiver:
            yield piece
