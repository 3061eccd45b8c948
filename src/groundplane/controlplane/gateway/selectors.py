"""Label selectors as they are written in a query: `env=prod, tier in (web,api), !retired`."""

import re

from groundplane.controlplane.resources.selectors import Term
from groundplane.kernel.errors import FieldProblem, InvalidRequestError

MOST_TERMS = 16

_KEY = r"[^\s,=!()]+"
_VALUE = r"[^\s,=!()]*"
_TERM = re.compile(
    rf"""\s*(?: (?P<absent>!)\s*(?P<without>{_KEY})
             | (?P<of>{_KEY})\s+(?P<set>in|notin)\s*\((?P<values>[^()]*)\)
             | (?P<key>{_KEY})\s*(?P<sign>==|=|!=)\s*(?P<value>{_VALUE})
             | (?P<present>{_KEY}) )\s*(?:,|$)""",
    re.VERBOSE,
)


def parse_selector(text: str | None) -> list[Term]:
    """The terms of a selector: `k=v`, `k!=v`, `k`, `!k`, `k in (a,b)`, `k notin (a,b)`. Raises InvalidRequestError."""
    terms: list[Term] = []
    place = 0
    while text and place < len(text):
        found = _TERM.match(text, place)
        if found is None:
            raise _bad(f"{text[place:].strip()!r} is no term. Write k=v, k!=v, k, !k, k in (a,b) or k notin (a,b).")
        terms.append(_term(found))
        place = found.end()
    if text and text.rstrip().endswith(","):
        raise _bad("Something is missing after the last comma.")
    if len(terms) > MOST_TERMS:
        raise _bad(f"There are more than {MOST_TERMS} terms.")
    return terms


def _term(found: re.Match[str]) -> Term:
    if found["absent"]:
        return Term(found["without"], "absent")
    if found["of"]:
        return Term(found["of"], "in" if found["set"] == "in" else "notin", _values(found["values"]))
    if found["key"]:
        return Term(found["key"], "notin" if found["sign"] == "!=" else "in", (found["value"],))
    return Term(found["present"], "exists")


def _values(text: str) -> tuple[str, ...]:
    values = tuple(value.strip() for value in text.split(","))
    if any(not re.fullmatch(_VALUE, value) for value in values) or values == ("",):
        raise _bad(f"({text}) is no list of values. Separate them by commas.")
    return values


def _bad(detail: str) -> InvalidRequestError:
    return InvalidRequestError(errors=[FieldProblem(pointer="/query/label", detail=detail)])
