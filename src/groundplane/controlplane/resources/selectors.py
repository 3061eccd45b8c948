"""Label selectors: terms about the labels of a resource, all of which must hold; and the SQL of each on the table label."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

Place = Callable[[object], str]
"""Keeps a value for a statement, and answers what stands for it there: `$7`."""


@dataclass(frozen=True)
class Term:
    """`in`: the label is there and has one of the values. `notin`: it has none of them, or is not there at all."""

    key: str
    relation: Literal["in", "notin", "exists", "absent"]
    values: tuple[str, ...] = ()

    def sql(self, place: Place, *, kind: str, organization_id: UUID | None, after: str | None) -> str:
        """A condition on the table resource, which `label_equals` can serve in the resources' order.

        `kind` and `after` stand for the kind that all of them are of, and the id that all come behind.
        """
        clauses = ["label.resource_id = resource.id", f"label.key = {place(self.key)}"]
        if self.relation == "in" and organization_id is not None:
            clauses += [f"label.organization_id = {place(organization_id)}", f"label.kind = {kind}"]
            clauses += [f"label.resource_id > {after}"] if after is not None else []
        if len(self.values) == 1:
            clauses.append(f"label.value = {place(self.values[0])}")
        elif self.values:
            clauses.append(f"label.value = ANY({place(list(self.values))}::text[])")
        negation = "NOT " if self.relation in {"notin", "absent"} else ""
        return f"{negation}EXISTS (SELECT FROM label WHERE {' AND '.join(clauses)})"  # our own columns


def equals(key: str, value: str) -> Term:
    """The label has this value."""
    return Term(key, "in", (value,))
