"""The laws of provider.py, for every kind of every provider."""

import asyncio

from tests.dataplane.conformance.rigs import MakeSubject, Permit, Subject, listening, refusal, until

from groundplane.contracts.faults import ProviderError
from groundplane.contracts.reports import State

SAME_TIME = 20


async def test_ensure_makes_what_observe_then_tells(subject: Subject) -> None:
    assert await subject.observed() is None
    made = await subject.ensure(Permit(), 7)
    assert (made.kind, made.id, made.present, made.fence) == (subject.kind, subject.id, True, 7)
    assert await subject.observed() == made


async def test_ensure_twice_is_ensure_once(subject: Subject) -> None:
    first = await subject.ensure(Permit(), 1)
    assert await subject.ensure(Permit(), 1) == first
    assert await subject.observed() == first


async def test_a_higher_fence_is_remembered(subject: Subject) -> None:
    await subject.ensure(Permit(), 1)
    assert (await subject.ensure(Permit(), 5)).fence == 5
    observed = await subject.observed()
    assert observed is not None
    assert observed.fence == 5


async def test_remove_leaves_nothing_to_observe(subject: Subject) -> None:
    await subject.ensure(Permit(), 1)
    gone = await subject.remove(Permit(), 2)
    assert (gone.kind, gone.id, gone.present, gone.fence) == (subject.kind, subject.id, False, 2)
    assert await subject.observed() is None


async def test_remove_twice_is_remove_once(subject: Subject) -> None:
    await subject.ensure(Permit(), 1)
    first = await subject.remove(Permit(), 2)
    assert await subject.remove(Permit(), 2) == first
    assert await subject.observed() is None


async def test_what_never_was_can_be_removed(subject: Subject) -> None:
    gone = await subject.remove(Permit(), 2)
    assert not gone.present
    assert await refusal(subject.ensure(Permit(), 1)) == ("stale_fence", "permanent")


async def test_a_lower_fence_changes_nothing(subject: Subject) -> None:
    made = await subject.ensure(Permit(), 5)
    assert await refusal(subject.ensure(Permit(), 4)) == ("stale_fence", "permanent")
    assert await refusal(subject.remove(Permit(), 4)) == ("stale_fence", "permanent")
    assert await subject.observed() == made


async def test_a_late_ensure_does_not_bring_back_what_was_removed(subject: Subject) -> None:
    await subject.ensure(Permit(), 1)
    await subject.remove(Permit(), 3)
    assert await refusal(subject.ensure(Permit(), 1)) == ("stale_fence", "permanent")
    assert await refusal(subject.ensure(Permit(), 2)) == ("stale_fence", "permanent")
    assert await refusal(subject.remove(Permit(), 2)) == ("stale_fence", "permanent")
    assert await subject.observed() is None


async def test_a_higher_fence_makes_it_anew(subject: Subject) -> None:
    await subject.ensure(Permit(), 1)
    await subject.remove(Permit(), 2)
    made = await subject.ensure(Permit(), 3)
    assert made.present
    assert await subject.observed() == made


async def test_without_permission_nothing_is_made(subject: Subject) -> None:
    assert await refusal(subject.ensure(Permit(allowed=0), 1)) == ("lease_lost", "transient")
    assert await subject.observed() is None


async def test_without_permission_nothing_is_removed(subject: Subject) -> None:
    made = await subject.ensure(Permit(), 1)
    assert await refusal(subject.remove(Permit(allowed=0), 2)) == ("lease_lost", "transient")
    assert await subject.observed() == made
    # Nor was the fence taken: the task of fence 1 is still the newest that touched the engine.
    assert await subject.ensure(Permit(), 1) == made


async def test_every_interruption_is_finished_by_the_next_call(make_subject: MakeSubject) -> None:
    """Cut off before its first, second, third … change, the same call once more does the rest."""
    for allowed in range(1, 50):
        subject = await make_subject()
        if not await _is_cut(subject, allowed):
            return
        made = await subject.ensure(Permit(), 1)
        assert made.present
        assert await subject.observed() == made
        await subject.remove(Permit(), 2)
    raise AssertionError("the call never came to its end")


async def _is_cut(subject: Subject, allowed: int) -> bool:
    try:
        await subject.ensure(Permit(allowed), 1)
    except ProviderError as error:
        if error.fault.code != "lease_lost":
            raise
        return True
    return False


async def test_a_deletion_from_outside_is_noticed(subject: Subject) -> None:
    def told() -> bool:
        return any((state.kind, state.id, state.present) == (subject.kind, subject.id, False) for state in heard)

    await subject.ensure(Permit(), 1)
    async with listening(subject.observer) as heard:
        await subject.outside_delete(subject.kind, subject.id)
        if subject.tells_deletion:
            await until(told, heard)
    assert await subject.observed() is None
    made = await subject.ensure(Permit(), 2)
    assert await subject.observed() == made


async def test_at_the_same_time_the_same_resource(subject: Subject) -> None:
    states = await asyncio.gather(*(subject.ensure(Permit(), 1) for _ in range(SAME_TIME)))
    assert all(state == states[0] for state in states)
    assert await subject.observed() == states[0]


async def test_at_the_same_time_with_other_fences_the_highest_wins(subject: Subject) -> None:
    calls = (subject.ensure(Permit(), fence) for fence in range(1, SAME_TIME + 1))
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    for outcome in outcomes:
        assert isinstance(outcome, State) or (isinstance(outcome, ProviderError) and outcome.fault.code == "stale_fence"), (
            outcome
        )
    observed = await subject.observed()
    assert observed is not None
    assert observed.fence == SAME_TIME


async def test_at_the_same_time_different_resources(make_subject: MakeSubject) -> None:
    subjects = [await make_subject() for _ in range(SAME_TIME)]
    made = await asyncio.gather(*(subject.ensure(Permit(), 1) for subject in subjects))
    observed = {(state.kind, state.id): state for state in await subjects[0].observer.observe()}
    for state in made:
        assert observed[state.kind, state.id] == state
    await asyncio.gather(*(subject.remove(Permit(), 2) for subject in subjects))
    left = {state.id for state in await subjects[0].observer.observe()}
    assert left.isdisjoint(subject.id for subject in subjects)
