"""What was ended before its time: sessions and API keys, known to each api process without a question per request.

Each process reads the whole set every second: what was ended lately enough that something which was given out, or is
remembered, may still be good. What a process ended itself it knows at once.
"""

from uuid import UUID

from groundplane.kernel.database import Database

POLL_SECONDS = 1.0
_SLACK_SECONDS = 120


class Revocations:
    """The ids of ended sessions and API keys of which tokens may still live."""

    def __init__(self) -> None:
        self._ended: frozenset[UUID] = frozenset()
        self._own: set[UUID] = set()

    def __contains__(self, credential_id: object) -> bool:
        return credential_id in self._ended

    def add(self, *credential_ids: UUID) -> None:
        """These are ended, and that is committed."""
        self._own.update(credential_ids)
        self._ended |= frozenset(credential_ids)

    async def refresh(self, database: Database, *, lives_seconds: int) -> None:
        """Read the set anew. `lives_seconds`: how long what is given out is good without being looked up."""
        self._own.clear()
        async with database.transaction() as tx:
            rows = await tx.fetch(
                """SELECT id FROM session WHERE revoked_at > now() - make_interval(secs => $1)
                   UNION ALL SELECT id FROM api_key WHERE revoked_at > now() - make_interval(secs => $1)""",
                float(lives_seconds + _SLACK_SECONDS),
            )
        self._ended = frozenset({row["id"] for row in rows} | self._own)  # what was added meanwhile may not be in the answer
