"""The types that requests and specs are made of: strict, bounded, and refusing what they do not know."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

NAME_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
_LABEL_KEY = re.compile(r"[a-z0-9]([a-z0-9._/-]{0,62}[a-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?)?")
MAX_LABELS = 32

Name = Annotated[
    str,
    StringConstraints(pattern=NAME_PATTERN),
    Field(description="Lower-case letters, digits and hyphens, at most 63; unique among the project's living of a kind."),
]
Reference = Annotated[
    str, StringConstraints(min_length=1, max_length=80, pattern=r"^[a-z0-9_-]+$"), Field(description="A name or an id.")
]


Text = Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00]*$"), Field(description="Free text for people.")]


def _check_labels(labels: dict[str, str]) -> dict[str, str]:
    if len(labels) > MAX_LABELS:
        raise ValueError(f"at most {MAX_LABELS} labels")
    for key, value in labels.items():
        if not _LABEL_KEY.fullmatch(key):
            raise ValueError(f"label key {key!r}: lower-case letters, digits, '.', '_', '/', '-', at most 64")
        if not _LABEL_VALUE.fullmatch(value):
            raise ValueError(f"label value of {key!r}: letters, digits, '.', '_', '-', at most 64")
    return labels


Labels = Annotated[dict[str, str], AfterValidator(_check_labels)]


class Strict(BaseModel):
    """A request or a spec: unknown fields and coercions are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Stored(BaseModel):
    """What lies in the database: older rows may know more, or less, than today's model."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Nothing(Stored):
    """A kind that has no fields of this sort."""


JsonObject = dict[str, Any]
