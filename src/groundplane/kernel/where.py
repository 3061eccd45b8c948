"""A WHERE that is put together from what a list is asked for. Columns are our own; what users say is always a value."""

from datetime import datetime, timedelta
from uuid import UUID

CLOCKS = timedelta(hours=1)
"""How far the clock in a row's UUIDv7 may be from the one in its column."""

AFTER_Z = "{"
"""The character behind `z`: greater than all that names are made of."""


class Where:
    """Conditions that must all hold, and the statement's values in their order. None for a filter means any."""

    def __init__(self) -> None:
        self.clauses: list[str] = []
        self.values: list[object] = []

    def place(self, value: object) -> str:
        """Keep a value; what stands for it in the statement: `$7`."""
        self.values.append(value)
        return f"${len(self.values)}"

    def equal(self, **wanted: object | None) -> None:
        """These columns have these values."""
        self.clauses += [f"{column} = {self.place(value)}" for column, value in wanted.items() if value is not None]

    def after(self, value: object | None, *, column: str = "id") -> None:
        """Only rows behind this one, in a list that rises: that begins with the oldest."""
        self.clauses += [f"{column} > {self.place(value)}"] if value is not None else []

    def before(self, value: object | None, *, column: str = "id") -> None:
        """Only rows behind this one, in a list that falls: that begins with the newest."""
        self.clauses += [f"{column} < {self.place(value)}"] if value is not None else []

    def begins(self, prefix: str, *, column: str) -> str:
        """A condition: the text begins so. As a range, which row-level security lets an index answer, and LIKE not."""
        return f"{column} >= {self.place(prefix)} AND {column} < {self.place(prefix + AFTER_Z)}"

    def made(self, since: datetime | None, until: datetime | None, *, at: str = "created_at", row_id: str = "id") -> None:
        """`since` included, `until` not: by the time in the id, which the index has, and then exactly by the column."""
        if since is not None:
            self.clauses += [f"{row_id} >= {self.place(_first_id(since - CLOCKS))}", f"{at} >= {self.place(since)}"]
        if until is not None:
            self.clauses += [f"{row_id} < {self.place(_first_id(until + CLOCKS))}", f"{at} < {self.place(until)}"]

    @property
    def sql(self) -> str:
        """With its keyword; empty if there is no condition."""
        return f"WHERE {' AND '.join(self.clauses)}" if self.clauses else ""


def _first_id(at: datetime) -> UUID:
    """No UUIDv7 of that millisecond or later is smaller."""
    milliseconds = int(at.timestamp() * 1000)
    return UUID(int=min(max(milliseconds, 0), (1 << 48) - 1) << 80)
