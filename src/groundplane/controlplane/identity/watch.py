"""What each api process does on the side: learns what was ended and which keys there are, writes what was used."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from groundplane.controlplane.identity.api_keys import ApiKeys
from groundplane.controlplane.identity.device import forget_old_devices
from groundplane.controlplane.identity.external import forget_old_attempts
from groundplane.controlplane.identity.lockout import forget_old_failures
from groundplane.controlplane.identity.revocations import POLL_SECONDS, Revocations
from groundplane.controlplane.identity.sessions import forget_old_sessions
from groundplane.controlplane.identity.tokens import Tokens
from groundplane.kernel.database import Database, RetryableDatabaseError

log = structlog.get_logger()

SWEEP_SECONDS = 600.0


@dataclass(frozen=True)
class CredentialWatch:
    """The parts of one api process that must not grow old."""

    database: Database
    tokens: Tokens
    revocations: Revocations
    api_keys: ApiKeys

    async def look(self) -> None:
        """Learn what others ended and which signing keys there are; write when API keys were used."""
        self.tokens.reload_keys()
        await self.revocations.refresh(self.database, lives_seconds=self.tokens.access_seconds)
        await self.api_keys.write_uses(self.database)

    async def sweep(self) -> None:
        """Delete what nobody asks for any more."""
        async with self.database.transaction() as tx:
            await forget_old_sessions(tx)
            await forget_old_failures(tx)
            await forget_old_devices(tx)
            await forget_old_attempts(tx)

    async def run(self) -> None:
        """`look` every second, `sweep` every ten minutes, for ever."""
        await asyncio.gather(_for_ever(self.look, POLL_SECONDS), _for_ever(self.sweep, SWEEP_SECONDS))


async def _for_ever(work: Callable[[], Awaitable[None]], seconds: float) -> None:
    while True:
        try:
            await work()
        except (*RetryableDatabaseError, TimeoutError) as error:
            log.warning("credentials.not_watched", error=repr(error))
        except Exception:  # a spoilt key file, say: what was ended must still be learnt the next time
            log.exception("credentials.not_watched")
        await asyncio.sleep(seconds)
