"""What the platform answers, as small frozen records. Fields that a newer platform adds are left out, not refused."""

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from groundplane.sdk.errors import UnexpectedAnswerError

if TYPE_CHECKING:
    from groundplane.sdk.calls import Answer

__all__ = ["AnyText", "Record", "as_json", "decoded"]

Shape = TypeVar("Shape")

_TOLD_TO_NOBODY = frozenset(
    {"access_token", "device_code", "recovery_codes", "refresh_token", "secret", "token", "uri", "value"}
)


class AnyText:
    """What stands for `Literal` at run time: a platform that is newer may say a text that the description does not know."""

    def __class_getitem__(cls, _: object) -> type[str]:
        """Any text."""
        return str


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """An object that the platform answered. Its representation tells no token and no secret."""

    def __repr__(self) -> str:
        """Its fields, but for those that are credentials."""
        fields = ((name, getattr(self, name)) for name in self.__struct_fields__ if name not in _TOLD_TO_NOBODY)
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in fields)})"


def decoded(answer: "Answer", shape: type[Shape]) -> Shape:
    """The answer's body as a record. Raises UnexpectedAnswerError."""
    try:
        return msgspec.json.decode(answer.content, type=shape)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise UnexpectedAnswerError(f"{answer.url} answered {answer.status} with what is no {shape}: {error}") from error


def as_json(record: object) -> Any:
    """A record as the JSON that it was, to be sent back, changed or printed."""
    return msgspec.json.decode(msgspec.json.encode(record))
