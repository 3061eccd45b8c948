"""The types that requests and specs are made of: strict, bounded, and refusing what they do not know."""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetJsonSchemaHandler, StringConstraints
from pydantic_core import CoreSchema

NAME_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
REFERENCE_PATTERN = r"^[a-z0-9_-]+$"
TEXT_PATTERN = r"^[^\x00]*$"
_LABEL_KEY = re.compile(r"[a-z0-9]([a-z0-9._/-]{0,62}[a-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?)?")
MAX_LABELS = 32

Name = Annotated[
    str,
    StringConstraints(pattern=NAME_PATTERN),
    Field(description="Lower-case letters, digits and hyphens, at most 63; unique among the project's living of a kind."),
]
Reference = Annotated[
    str, StringConstraints(min_length=1, max_length=80, pattern=REFERENCE_PATTERN), Field(description="A name or an id.")
]
Id = Annotated[str, Field(description="An id.")]
Text = Annotated[str, StringConstraints(max_length=1000, pattern=TEXT_PATTERN), Field(description="Free text for people.")]


@dataclass(frozen=True)
class Refers:
    """In a field's type: the text names a resource of this kind. Schemas tell it as `x-kind`, so that a form can offer them.

    image: Annotated[Reference, Refers("image")]     in a request: by name or id
    image: Annotated[Id, Refers("image")]            in a spec: by id
    """

    kind: str

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Pydantic's hook: the text's own schema, and the kind."""
        return {**handler(core), "x-kind": self.kind}


_SPELLED = {
    "vcpus": "vCPUs", "mib": "(MiB)", "gib": "(GiB)", "bytes": "(bytes)", "cidr": "CIDR", "dns": "DNS", "mac": "MAC",
    "mtu": "MTU", "nics": "NICs", "sha256": "SHA-256", "ssh": "SSH", "id": "ID",
}  # fmt: skip


def title_of(name: str, _info: object = None) -> str:
    """How people read a field's name: `memory_mib` as `Memory (MiB)`. A field may say another title itself."""
    first, *others = name.split("_")
    return " ".join([_SPELLED.get(first, first.capitalize()), *(_SPELLED.get(word, word) for word in others)])


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

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, field_title_generator=title_of)


def example(spec: dict[str, Any]) -> ConfigDict:
    """For the model of a create request: what a request may look like. It stands in the schema, the reference and forms."""
    return ConfigDict(json_schema_extra={"examples": [spec]})


class Stored(BaseModel):
    """What lies in the database: older rows may know more, or less, than today's model."""

    model_config = ConfigDict(extra="ignore", frozen=True, field_title_generator=title_of)


class Nothing(Stored):
    """A kind that has no fields of this sort."""


JsonObject = dict[str, Any]
