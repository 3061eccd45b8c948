"""A route told to people: what it needs, takes and answers. What all routes have in common stands once, in conventions.md."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from groundplane.processes.reference.api import Operation
from groundplane.processes.reference.markdown import code, sentence, table
from groundplane.processes.reference.schema import Schema

COMMON_PARAMETERS = {
    "Idempotency-Key": "[Idempotency-Key](../conventions.md#once-and-only-once)",
    "dry_run": "[dry_run](../conventions.md#what-would-happen)",
    "If-Match": "[If-Match](../conventions.md#changes-of-what-was-read)",
    "If-None-Match": "[If-None-Match](../conventions.md#changes-of-what-was-read)",
    "limit": "[limit](../conventions.md#lists)",
    "cursor": "[cursor](../conventions.md#lists)",
}
QUIET = frozenset({"DryRunView"})
"""Schemas that conventions.md tells."""
_STATUSES = {"200": "done, or there it is", "201": "made", "202": "a job does it", "204": "done", "303": "go there"}


def overview(operations: Iterable[Operation]) -> str:
    """The table of routes."""
    return table(
        ("Route", "What it does", "Permission"),
        ((code(f"{each.method} {each.path}"), str(each.told["summary"]), needed(each)) for each in operations),
    )


def needed(operation: Operation) -> str:
    """What whoever asks must have."""
    if operation.permission:
        return code(operation.permission)
    return "none, not even a login" if operation.is_open else "a login"


def route(operation: Operation, known: set[str]) -> str:
    """The section of a route. `known` are the names of the schemas that the page has told; it is added to."""
    parts = [
        f"### {operation.told['summary'].rstrip('.')}",
        f"{code(f'{operation.method} {operation.path}')} · needs {needed(operation)}",
        sentence(operation.told.get("description", "")),
        _parameters(operation),
        *_body(operation, known),
        *_answers(operation, known),
    ]
    return "\n\n".join(part for part in parts if part)


def _parameters(operation: Operation) -> str:
    parameters: list[dict[str, Any]] = operation.told.get("parameters", [])
    common = [COMMON_PARAMETERS[each["name"]] for each in parameters if each["name"] in COMMON_PARAMETERS]
    own = (each for each in parameters if each["name"] not in COMMON_PARAMETERS and each["in"] != "path")
    told = table(("Parameter", "Type", "Meaning"), (_parameter(operation, each) for each in own))
    also = f"{'Also takes' if told else 'Takes'} {', '.join(common)}." if common else ""
    return "\n\n".join(filter(None, (told, also)))


def _parameter(operation: Operation, parameter: dict[str, Any]) -> list[str]:
    schema = parameter.get("schema", {})
    need = " (required)" if parameter.get("required") else ""
    meaning = parameter.get("description") or schema.get("description", "")
    return [code(parameter["name"]) + need, operation.teller.type_of(schema).removesuffix(" or null"), meaning]


def _body(operation: Operation, known: set[str]) -> Iterator[str]:
    request = operation.told.get("requestBody")
    if request is None:
        return
    if operation.body is None:
        media = next(iter(request["content"]))
        yield f"**Body** ({code(media)}): {request.get('description', 'the bytes')}"
        return
    schema = operation.teller.resolve(operation.body)
    if schema.get("title") in known:
        return
    yield f"**Body**: {sentence(schema.get('description', ''))}".removesuffix(": ")
    yield operation.teller.fields(operation.body, answer=False)
    yield from (request_example(operation, each) for each in schema.get("examples", [])[:1])


def request_example(operation: Operation, body: Any) -> str:
    """The request with this body, for curl."""
    method = "" if operation.method == "POST" else f" -X {operation.method}"
    path = operation.path.replace("{", "$").replace("}", "")
    return (
        f'```bash\ncurl -s{method} "$GROUNDPLANE_URL{path}" \\\n'
        f"  -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' \\\n"
        f"  -d '{json.dumps(body)}'\n```"
    )


def _answers(operation: Operation, known: set[str]) -> Iterator[str]:
    for status, response in operation.told["responses"].items():
        schema = operation.answer(status)
        if status.endswith("XX") or schema is None:
            continue
        for each in schema.get("anyOf", [schema]):
            yield from _answer(operation, f"**Answer {status}** ({_outcome(status, response['description'])})", each, known)


def _outcome(status: str, told: str) -> str:
    return _STATUSES.get(status, told) if told in {"Successful Response", "Accepted"} else told


def _answer(operation: Operation, head: str, schema: Schema, known: set[str]) -> Iterator[str]:
    """One schema that may be answered. What is told already is named; of a page, what it is a page of is told."""
    whole = operation.teller.resolve(schema)
    items = whole.get("properties", {}).get("items")
    inner = operation.teller.resolve(items["items"]) if items else whole
    name = str(inner.get("title", ""))
    what = f"a page of {code(name)}" if items else code(name)
    if name in known:
        if name not in QUIET:
            yield f"{head}: {what}, told above."
        return
    known.add(name)
    if fields := operation.teller.fields(inner, answer=True):
        yield f"{head}: {what}. {sentence(inner.get('description', ''))}".rstrip()
        yield fields
