"""Label selectors: terms about the labels of a resource, all of which must hold; and the SQL of each on the table label."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Place = Callable[[object], str]
"""Keeps a value for a statement, and answers what stands for it there: `$7`."""


@dataclass(frozen=True)
class Term:
    """`in`: the label is there and has one of the values. `notin`: it has none of them, or is not there at all."""

    key: str
    relation: Literal["in", "notin", "exists", "absent"]
    values: tuple[str, ...] = ()

    def sql(self, place: Place) -> str:
        """A condition on the table resource; each row asks for one label, by the key of its table."""
        clauses = ["label.resource_id = resource.id", f"label.key = {place(self.key)}"]
        if self.values:
            clauses.append(f"label.value = ANY({place(list(self.values))}::text[])")
        negation = "NOT " if self.relation in {"notin", "absent"} else ""
        return f"{negation}EXISTS (SELECT FROM label WHERE {' AND '.join(clauses)})"  # our own columns

    @property
    def single(self) -> bool:
        """Does it ask for one value, which an index finds in the order of the resources?"""
        return self.relation == "in" and len(self.values) == 1


def equals(key: str, value: str) -> Term:
    """The label has this value."""
    return Term(key, "in", (value,))
