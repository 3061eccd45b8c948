"""What is wrong with a field, in a sentence that says what is wanted instead. Pure."""

from collections.abc import Mapping
from typing import Any

from groundplane.controlplane.resources.fields import NAME_PATTERN, REFERENCE_PATTERN, TEXT_PATTERN

_WANTED = {
    "missing": "This is needed.",
    "extra_forbidden": "There is no such field here.",
    "string_type": "Text is needed here.",
    "int_type": "A whole number is needed here.",
    "int_from_float": "A whole number is needed here.",
    "int_parsing": "A whole number is needed here.",
    "float_type": "A number is needed here.",
    "bool_type": "Either true or false is needed here.",
    "bool_parsing": "Either true or false is needed here.",
    "list_type": "A list is needed here.",
    "dict_type": "An object with fields is needed here.",
    "model_type": "An object with fields is needed here.",
    "model_attributes_type": "An object with fields is needed here.",
    "literal_error": "One of these is needed: {expected}.",
    "enum": "One of these is needed: {expected}.",
    "greater_than_equal": "The least is {ge}.",
    "greater_than": "More than {gt} is needed.",
    "less_than_equal": "The most is {le}.",
    "less_than": "Less than {lt} is needed.",
    "string_too_short": "The least is {min_length} characters.",
    "string_too_long": "The most is {max_length} characters.",
    "too_short": "The least is {min_length}, not {actual_length}.",
    "too_long": "The most is {max_length}.",
    "datetime_from_date_parsing": "A time is needed here, such as 2030-01-31T12:00:00Z.",
    "datetime_parsing": "A time is needed here, such as 2030-01-31T12:00:00Z.",
    "datetime_type": "A time is needed here, such as 2030-01-31T12:00:00Z.",
    "timezone_aware": "The time needs an offset, as in 2030-01-31T12:00:00Z.",
    "string_pattern_mismatch": "This must match the pattern {pattern}.",
}
"""By Pydantic's types of errors (docs.pydantic.dev/latest/errors/validation_errors) and what they come with."""

_PATTERNS = {
    NAME_PATTERN: "A name has lower-case letters, digits and hyphens, at most 63, and begins and ends with a letter or digit.",
    REFERENCE_PATTERN: "A name or an id is needed here: lower-case letters, digits, hyphens and underscores.",
    TEXT_PATTERN: "Text must not contain the character NUL.",
}


def sentence_of(error: Mapping[str, Any]) -> str:
    """Of one of Pydantic's errors; for a type that we have no words for, Pydantic's own."""
    context = error.get("ctx", {})
    if pattern := _PATTERNS.get(context.get("pattern", "")):
        return pattern
    if wanted := _WANTED.get(error["type"]):
        return wanted.format(**context)
    said = str(error["msg"]).removeprefix("Value error, ")
    return said[:1].upper() + said[1:] + ("" if said.endswith((".", "?", "!")) else ".")
