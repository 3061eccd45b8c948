"""What no route takes: unknown or repeated query parameters, bodies where none belong, JSON that is twisted.

One dependency of every route; runs before anybody is authorized, as all validation does, and tells nothing of what there is.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn
from weakref import WeakKeyDictionary

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from groundplane.controlplane.gateway import dryrun
from groundplane.controlplane.gateway.problems import MalformedJsonError, pointer_to
from groundplane.kernel.errors import FieldProblem, InvalidRequestError

DEEPEST = 32
"""How deep JSON may be nested."""

ANY_QUERY = "x-any-query"
"""In a route's `openapi_extra`: others add parameters of their own, which mean nothing here."""

_MUTATIONS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_known: WeakKeyDictionary[Any, frozenset[str]] = WeakKeyDictionary()


async def strict_request(request: Request) -> None:
    """Raise InvalidRequestError, which names each, or MalformedJsonError."""
    route = request.scope["route"]
    strict = request.scope["query_string"] and ANY_QUERY not in (route.openapi_extra or {})
    problems = _query_problems(request, route) if strict else []
    if problems:
        raise InvalidRequestError(errors=problems)
    if request.method not in _MUTATIONS:
        return
    if route.body_field is not None:
        problems = json_problems(await request.body())
    elif "requestBody" not in (route.openapi_extra or {}) and await _has_body(request):
        problems = [FieldProblem(pointer="", detail="Nothing is taken as a body here. Leave it out.")]
    if problems:
        raise InvalidRequestError(errors=problems)


async def _has_body(request: Request) -> bool:
    """An empty object says nothing, and does no harm."""
    if request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers:
        return False
    return (await request.body()).strip() not in {b"", b"{}"}


def _query_problems(request: Request, route: APIRoute) -> list[FieldProblem]:
    known = _parameters(route)
    names = [name for name, _ in request.query_params.multi_items()]
    problems = {name: "There is no such parameter here." for name in names if name not in known}
    problems |= {name: "It is given more than once." for name in set(names) & known if names.count(name) > 1}
    return [FieldProblem(pointer=pointer_to(("query", name)), detail=detail) for name, detail in problems.items()]


def _parameters(route: APIRoute) -> frozenset[str]:
    """The names of the query parameters that a route takes."""
    found = _known.get(route.endpoint)
    if found is None:
        names = set(_names(route.dependant))
        extra = route.openapi_extra or {}
        if _MUTATIONS & (route.methods or set()) and ("x-permission" in extra or "x-mutation" in extra):
            names.add(dryrun.PARAMETER)
        found = _known[route.endpoint] = frozenset(names)
    return found


def _names(dependant: Dependant) -> Iterator[str]:
    yield from (field.alias for field in dependant.query_params)
    for inner in dependant.dependencies:
        yield from _names(inner)


def json_problems(body: bytes) -> list[FieldProblem]:
    """What is wrong with JSON that Python's parser takes. Raises MalformedJsonError for what is no JSON at all."""
    if not body:
        return []
    twice: set[str] = set()

    def once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        seen = dict(pairs)
        if len(seen) < len(pairs):
            names = [name for name, _ in pairs]
            twice.update(name for name in names if names.count(name) > 1)
        return seen

    try:
        parsed = json.loads(body, object_pairs_hook=once, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return []  # whoever reads the body says so
    problems = [FieldProblem(pointer=pointer_to((name,)), detail="It is given more than once.") for name in sorted(twice)]
    if body.count(b"[") + body.count(b"{") > DEEPEST and (path := _too_deep(parsed)) is not None:
        problems.append(FieldProblem(pointer=pointer_to(path), detail=f"It is nested deeper than {DEEPEST} levels."))
    return problems


def _no_number(text: str) -> NoReturn:
    raise MalformedJsonError(f"{text} is not JSON. Mend it and send it again.")


def _too_deep(value: object) -> tuple[object, ...] | None:
    """Where something is nested too deep, if something is."""
    waiting: list[tuple[tuple[object, ...], object]] = [((), value)]
    while waiting:
        path, each = waiting.pop()
        if isinstance(each, dict | list) and len(path) >= DEEPEST:
            return path
        if isinstance(each, dict):
            waiting += [((*path, name), inner) for name, inner in each.items()]
        elif isinstance(each, list):
            waiting += [((*path, place), inner) for place, inner in enumerate(each)]
    return None
