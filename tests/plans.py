"""PostgreSQL's plans, as EXPLAIN tells them in JSON."""

from collections.abc import Iterator, Mapping
from typing import Any

Plan = Mapping[str, Any]


def nodes(plan: Plan) -> Iterator[Plan]:
    """All of a plan."""
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)
