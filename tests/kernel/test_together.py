"""Questions that several ask at one time: one statement for all, and each gets the answer to theirs."""

import asyncio
from collections.abc import Sequence

import pytest

from groundplane.kernel.together import Together


class Asker:
    """Answers a number with its double, after a while; remembers what was asked together."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.let_go = asyncio.Event()

    async def __call__(self, numbers: Sequence[int]) -> Sequence[int]:
        self.asked.append(list(numbers))
        await self.let_go.wait()
        if 0 in numbers:
            raise ZeroDivisionError
        return [2 * number for number in numbers]


async def begun(*questions: asyncio.Future[int]) -> None:
    """Until all of them wait."""
    for _ in range(5):
        await asyncio.sleep(0)
    assert not any(question.done() for question in questions)


async def test_what_is_asked_while_others_wait_for_an_answer_goes_together_with_the_next() -> None:
    asker = Asker()
    together = Together(asker)
    first = together.ask(1)
    await begun(first)
    later = [together.ask(number) for number in (2, 3, 2)]
    await begun(first, *later)
    assert asker.asked == [[1]]
    asker.let_go.set()
    assert await asyncio.gather(first, *later) == [2, 4, 6, 4]
    assert asker.asked == [[1], [2, 3, 2]]
    assert await together.ask(5) == 10


async def test_what_goes_wrong_is_told_to_those_who_asked_and_to_nobody_after_them() -> None:
    asker = Asker()
    together = Together(asker)
    asker.let_go.set()
    told = await asyncio.gather(together.ask(0), together.ask(1), return_exceptions=True)
    assert [type(each) for each in told] == [ZeroDivisionError, ZeroDivisionError]
    assert await together.ask(1) == 2


async def test_who_is_cancelled_keeps_nobody_from_their_answer() -> None:
    asker = Asker()
    together = Together(asker)
    gone, stays = (together.ask(number) for number in (1, 2))
    await begun(gone, stays)
    gone.cancel()
    asker.let_go.set()
    assert await stays == 4
    with pytest.raises(asyncio.CancelledError):
        await gone
