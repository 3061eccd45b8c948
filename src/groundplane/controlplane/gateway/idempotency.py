"""Idempotency-Key: a mutation that is sent again gets the answer that it got first, and is not done again.

Key, hash of the request and answer are stored in the mutation's own transaction. Refusals are not stored: they did nothing.
"""

import asyncio
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from fastapi import Request

from groundplane.kernel.database import Database, Question, RetryableDatabaseError, Tx
from groundplane.kernel.errors import ConflictError, InvalidRequestError

log = structlog.get_logger()

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotent-Replayed"
KEPT_HOURS = 24
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class InvalidIdempotencyKeyError(InvalidRequestError):
    """The Idempotency-Key is not 1 to 255 visible ASCII characters. Send a random UUID, the same one with each repetition."""

    code = "invalid_idempotency_key"


class IdempotencyKeyReusedError(InvalidRequestError):
    """This Idempotency-Key came before with another request. Send a new key with a new request."""

    code = "idempotency_key_reused"


class IdempotencyInFlightError(ConflictError):
    """The same request, with this Idempotency-Key, is at work right now. Send it again in a moment to get its answer."""

    code = "idempotency_in_flight"


@dataclass(frozen=True)
class StoredAnswer:
    """What the first request with a key was answered: JSON text."""

    status: int
    location: str | None
    body: str


@dataclass(frozen=True)
class IdempotencyKey:
    """A key as somebody sent it to a route, and what was asked with it."""

    principal_id: UUID
    route: str
    key: str
    request_hash: str

    @classmethod
    def of(cls, request: Request, principal_id: UUID, body: bytes | str) -> "IdempotencyKey | None":
        """The request's key; None when it has none. `body` may be a digest of it. Raises InvalidIdempotencyKeyError."""
        key = request.headers.get(HEADER)
        if key is None:
            return None
        if not _KEY.fullmatch(key):
            raise InvalidIdempotencyKeyError
        path = request.scope["path"]
        digest = hashlib.sha256(request.scope["query_string"] + b"\0")
        digest.update(body.encode() if isinstance(body, str) else body)
        return cls(principal_id, f"{request.method} {path}", key, digest.hexdigest())

    def question(self) -> Question:
        """Whether the key came before. Whoever asks this first has the key until the transaction ends."""
        return Question(
            """SELECT pg_try_advisory_xact_lock(hashtextextended({0}::uuid || {1}::text || {2}::text, 7)) AS mine, stored.*
               FROM (VALUES (1)) AS one LEFT JOIN idempotency_key AS stored
                    ON principal_id = {0} AND route = {1} AND key = {2}""",
            (self.principal_id, self.route, self.key),
        )

    def recall(self, found: Mapping[str, Any]) -> StoredAnswer | None:
        """The answer that the key got before, by what was answered to the question; None when this is the first.

        Raises IdempotencyInFlightError, IdempotencyKeyReusedError.
        """
        if found["status"] is not None:
            if found["request_hash"] != self.request_hash:
                raise IdempotencyKeyReusedError
            return StoredAnswer(found["status"], found["location"], found["body"])
        if not found["mine"]:
            raise IdempotencyInFlightError
        return None

    def keep(self, tx: Tx, answer: StoredAnswer) -> None:
        """Store the answer behind. Should another have stored one since `recall` looked, this transaction is refused."""
        tx.insert("idempotency_key", {**_fields(self), **_fields(answer), "created_at": tx.now})
        tx.refuse({"idempotency_key_pkey": lambda _error: IdempotencyInFlightError()})


def _fields(record: Any) -> dict[str, Any]:
    return dict(vars(record))


async def forget_old(database: Database) -> int:
    """Delete the answers that are older than is promised; how many."""
    async with database.transaction() as tx:
        return await tx.execute(f"DELETE FROM idempotency_key WHERE created_at < now() - interval '{KEPT_HOURS} hours'")  # noqa: S608


async def forget_for_ever(database: Database, *, seconds: float = 600.0) -> None:
    """`forget_old` on a period. Any number of processes may."""
    while True:
        try:
            await forget_old(database)
        except (*RetryableDatabaseError, TimeoutError) as error:
            log.warning("idempotency.not_swept", error=repr(error))
        await asyncio.sleep(seconds)
