"""Transactions that several share: a request that comes while others are under way joins them, and all are committed at once.

What a statement costs to begin and a transaction to commit is then paid once for all of them. The members take turns: each asks
what it has to ask, writes all the rest behind, and waits. When nobody is left who would take a turn, or no more than had
theirs, everything is written, in one statement, and committed; meanwhile the others take their turns in the next. So who is
alone waits for nobody, and how many share a transaction follows from how many come.

A member that raises leaves, and the others go on. But if it may have changed something, or if the commit is refused, nothing is
committed for anybody: each begins again alone, and learns there what is wrong with it.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from uuid import UUID

import asyncpg

from groundplane.kernel.database import BeginAloneError, Database, LostConnectionError, Pile, Tx, send_pile
from groundplane.kernel.session import Session
from groundplane.kernel.telemetry import child_span

LANES = 3
"""How many transactions are joined at once, at most."""
QUEUE = 12
"""So many may be before somebody who joins, while another transaction could be begun."""
FEW = 3
"""While somebody waits for their turn, no fewer than these are committed: a statement costs to begin what a few rows cost."""
MOST = 32
"""How many share a transaction at most."""
AVOIDED_SECONDS = 1.0
"""How long nobody shares with a party that was refused something."""

_BROKEN = (asyncpg.PostgresError, *LostConnectionError)


@dataclass
class _Shared:
    """What is under way: a transaction on a connection, what its members have still to write, and its end."""

    session: Session
    committed: asyncio.Future[None]
    held: AsyncExitStack
    pile: Pile = field(default_factory=Pile)
    asked: dict[Any, Any] = field(default_factory=dict)
    members: int = 0
    asking: bool = False
    """Is somebody at their turn in it?"""
    within: set[UUID | None] = field(default_factory=set)

    def is_told(self, error: Exception) -> bool:
        """Is the error the only member's own, or of a connection that was lost, after which nobody knows what was committed?"""
        own = self.members == 1 and not isinstance(error, asyncpg.LockNotAvailableError)
        return own or isinstance(error, LostConnectionError)

    def add(self, pile: Pile, within: UUID | None) -> None:
        """One more member has asked all that it had to ask."""
        if self.members:
            self.pile.add(pile)
        else:
            self.pile = pile
        self.within.add(within)
        self.members += 1


class Sharing:
    """The shared transactions of a database. Another one is begun when there are some who wait to join the first."""

    def __init__(self, database: Database, *, lanes: int = LANES) -> None:
        self._database = database
        self._lanes = [_Lane(database) for _ in range(lanes)]
        self._avoided: dict[UUID | None, float] = {}

    @asynccontextmanager
    async def transaction(self, party: UUID | None, *, within: UUID | None = None) -> AsyncIterator[Tx]:
        """As one of the database's own, in haste. Whoever opens it changes no rows that are there, but by claims.

        `within` is the organization whose rows alone are seen, None: all are. All of one `party`, who may want to hold the same
        rows, join the same: two transactions of which each holds some of them would wait for each other. Raises
        BeginAloneError when it is to be begun again as one of its own.
        """
        if self.avoids(party):
            raise BeginAloneError
        lane = self._lane(party)
        lane.parties[party] += 1
        try:
            async with lane.transaction(within) as tx:
                yield tx
        finally:
            lane.parties[party] -= 1
            if not lane.parties[party]:
                del lane.parties[party]
        await self._database.follow_up(tx)

    def avoid(self, party: UUID | None) -> None:
        """Share nothing with this party for a moment: it was refused something, and the next time may take others along."""
        self._avoided[party] = monotonic() + AVOIDED_SECONDS

    def avoids(self, party: UUID | None) -> bool:
        """Tell whether nobody shares with this party now."""
        if self._avoided.get(party, 0.0) > monotonic():
            return True
        self._avoided.pop(party, None)
        return False

    def _lane(self, party: UUID | None) -> "_Lane":
        theirs = (lane for lane in self._lanes if party in lane.parties)
        free = (lane for lane in self._lanes if lane.waiting < QUEUE)
        return next(theirs, None) or next(free, None) or min(self._lanes, key=lambda each: each.waiting)


class _Lane:
    """One transaction that is joined, and another one that is being committed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turn = asyncio.Lock()
        self.parties: Counter[UUID | None] = Counter()
        self.waiting = 0
        """How many are at their turn, or wait for it."""
        self._shared: _Shared | None = None
        self._writing: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def transaction(self, within: UUID | None) -> AsyncIterator[Tx]:
        """Take part; ends when all is committed. Who left ends then too: until then it holds what it has locked."""
        shared = None
        try:
            async with self._in_turn():
                shared = await self._join()
                async with self._taking_part(shared, within) as tx:
                    yield tx
        except Exception:
            if shared is not None:
                await asyncio.wait([shared.committed])
            raise
        await asyncio.shield(shared.committed)

    @asynccontextmanager
    async def _taking_part(self, shared: _Shared, within: UUID | None) -> AsyncIterator[Tx]:
        shared.session.changed = False
        if within is None:
            shared.session.leave()
        else:
            shared.session.enter(within)
        tx = Tx(shared.session, self._database.now, haste=True, within=within, ahead=shared.pile, asked=shared.asked)
        shared.asking = True
        try:
            with child_span("transaction"):
                yield tx
                pile = await tx.hand_over()
        except BaseException as error:
            if not shared.members or not isinstance(error, Exception) or _harmful(error, shared.session):
                await self._end(shared, BeginAloneError())
            if isinstance(error, asyncpg.LockNotAvailableError):
                raise BeginAloneError from error
            raise
        finally:
            shared.asking = False
        shared.add(pile, tx.within)

    @asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        """One at a time, when all who come at one time are counted: half of them are written while the others ask."""
        self.waiting += 1
        try:
            await asyncio.sleep(0)
            async with self._turn:
                yield
        finally:
            self.waiting -= 1
            self._commit_if_whole()

    async def _join(self) -> _Shared:
        if self._shared is not None and self._shared.members >= MOST and self._writing is not None:
            await asyncio.wait([self._writing])
        if self._shared is None:
            held = AsyncExitStack()
            connection = await held.enter_async_context(self._database.connection())
            self._shared = _Shared(Session(connection, impatient=True), asyncio.get_running_loop().create_future(), held)
        return self._shared

    def _commit_if_whole(self) -> None:
        """Let the members' transaction be written, if the one before is, and no more would join than did, or are wanted."""
        shared = self._shared
        if shared is None or not shared.members or shared.asking or self._writing is not None:
            return
        if not self.waiting or shared.members >= min(MOST, max(FEW, self.waiting)):
            self._shared = None
            self._writing = asyncio.create_task(self._write(shared))

    async def _write(self, shared: _Shared) -> None:
        if len(shared.within) > 1:
            shared.session.leave()
        try:
            if shared.pile:
                await send_pile(shared.pile, shared.session.finish, haste=True)
            else:
                await shared.session.commit()
            error: Exception | None = None
        except Exception as raised:
            error = raised if shared.is_told(raised) else BeginAloneError()
        finally:
            self._writing = None
            self._commit_if_whole()  # before the members are told: PostgreSQL need not wait for our answers
        await self._end(shared, error)

    async def _end(self, shared: _Shared, error: Exception | None) -> None:
        """All of it is done, or nothing: tell everybody."""
        if self._shared is shared:
            self._shared = None
        async with shared.held:
            if error is None:
                shared.committed.set_result(None)
                return
            try:
                with suppress(*LostConnectionError):
                    await shared.session.rollback()  # first: who begins again finds nothing held
            finally:
                shared.committed.set_exception(error)
                shared.committed.exception()  # there may be nobody left to be told


def _harmful(error: Exception, session: Session) -> bool:
    """May a member that raised have left something behind, or have broken the transaction?"""
    return session.changed or isinstance(error, _BROKEN)
