"""The one way in which every simulated provider changes its engine: faults, fence, permission, work, in this order."""

from collections.abc import Callable

from groundplane.contracts.reports import State
from groundplane.dataplane.providers.provider import Context
from groundplane.dataplane.providers.simulated.engine import Key, Resource, SimulatedEngine
from groundplane.dataplane.providers.simulated.injections import Drawn, Verb

Work = Callable[[Resource | None], State]


def draw(engine: SimulatedEngine, verb: Verb, key: Key) -> Drawn:
    """The faults ordered for this call."""
    return engine.injections.draw(verb, key.kind, key.scope, str(key.id))


async def change(engine: SimulatedEngine, context: Context, key: Key, fence: int, *, drawn: Drawn, work: Work) -> State:
    """Carry out `work` on what is found under `key`, in one transaction. Raises `stale_fence` and what `work` raises."""
    await drawn.strike_before(context.check)
    with engine.transaction():
        found = engine.find_newer_than_none(key, fence)
        context.check()
        state = work(found)
    drawn.strike_after()
    return state


async def remove(engine: SimulatedEngine, context: Context, key: Key, fence: int) -> State:
    """Leave a tombstone in the place of whatever was there."""
    drawn = draw(engine, "remove", key)
    return await change(engine, context, key, fence, drawn=drawn, work=lambda _found: engine.bury(key, fence))
