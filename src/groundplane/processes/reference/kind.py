"""The page of a kind: what is asked for, what it is, what may be done with it. It follows from the kind's declaration."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from groundplane.processes.reference import errors
from groundplane.processes.reference.api import NAMESPACES, Api, Operation
from groundplane.processes.reference.markdown import code, page, sentence, table
from groundplane.processes.reference.routes import QUIET, overview, request_example, route
from groundplane.processes.reference.schema import Schema

COMMON_FIELDS = "[fields that all resources have](index.md#fields-that-all-resources-have)"


def kind_page(api: Api, kind: Mapping[str, Any]) -> str:
    """The whole page."""
    operations = {each.id: each for each in api.of_tag(kind["plural"])}
    name = kind["name"]
    create, read, update = (operations.get(f"{name}_{verb}") for verb in ("create", "read", "update"))
    return page(
        kind["title_plural"],
        kind["summary"],
        _facts(kind),
        _asked(kind, create),
        _changed(update),
        _is(read),
        "## Routes",
        overview(operations.values()),
        *_particular(operations.values(), kind),
        "## Errors",
        errors.of_kind(api, kind),
    )


def _facts(kind: Mapping[str, Any]) -> str:
    whose = {"project": "a project", "organization": "an organization", "platform": "the platform"}[kind["scope"]]
    noun = ("ops " if kind["namespace"] == "ops" else "") + _dashed(kind)
    where = f"/api/{kind['namespace']}/v1{kind['collection']}"
    rows = [
        ["Ids", code(f"{kind['prefix']}_…")],
        ["Belongs to", whose],
        ["Routes", f"{NAMESPACES[kind['namespace']].lower()}, at {code(where)}"],
        ["Command", f"[{code(f'gp {noun}')}](../cli.md#{noun.replace(' ', '-')})"],
        ["Permissions", code(f"{kind['service']}.{kind['name']}.*")],
    ]
    rows += [[f"Verb {code(each['verb'])}", each["summary"]] for each in kind["actions"]]
    return table(("Kind", code(kind["name"])), rows)


def _asked(kind: Mapping[str, Any], create: Operation | None) -> str:
    if create is None or (spec := _spec(create, create.body)) is None:
        return ""
    fields = create.teller.fields(spec, answer=False) or "Nothing beyond a name and labels."
    text = f"## What is asked for\n\n`spec` of a create request. {_says(spec)}\n\n{fields}"
    examples = spec.get("examples", [] if spec.get("required") else [{}])
    return "\n\n".join(
        [text, *(request_example(create, {"name": f"my-{_dashed(kind)}", "spec": each}) for each in examples[:1])]
    )


def _changed(update: Operation | None) -> str:
    if update is None:
        return ""
    spec = _spec(update, update.body)
    fields = update.teller.fields(spec, answer=False) if spec else ""
    if spec is None or not fields:
        return "## What may be changed\n\nName and labels."
    return f"## What may be changed\n\nName, labels, and `spec`. {_says(spec)}\n\n{fields}"


def _is(read: Operation | None) -> str:
    if read is None or (answer := read.answer("200")) is None:
        return ""
    view = read.teller.resolve(answer)
    parts = ["## What it is", f"Beside the {COMMON_FIELDS}:"]
    for part, title in (("spec", "`spec`: what should be"), ("observed", "`observed`: what is")):
        schema = read.teller.resolve(view["properties"].get(part, {}))
        if fields := read.teller.fields(schema, answer=True):
            parts += [f"### {title}", fields]
    return "\n\n".join(parts if len(parts) > 2 else ["## What it is", f"No more than the {COMMON_FIELDS}."])


def _particular(operations: Collection[Operation], kind: Mapping[str, Any]) -> Iterator[str]:
    """The routes that no other kind has in this way, or that take parameters of their own."""
    usual = {f"{kind['name']}_{verb}" for verb in ("create", "read", "update", "delete", "history", "why", "links")}
    usual |= {f"{kind['name']}_{each['verb']}" for each in kind["actions"]}
    known = _told_above(operations)
    for each in operations:
        if each.id not in usual or each.told.get("requestBody", {}).get("description"):
            yield route(each, known)


def _told_above(operations: Collection[Operation]) -> set[str]:
    """The schemas of the kind itself."""
    found = set(QUIET)
    for each in operations:
        if each.id.endswith(("_create", "_update", "_read")):
            schemas = [each.body, *map(each.answer, each.told["responses"])]
            alternatives = [one for schema in schemas if schema for one in schema.get("anyOf", [schema])]
            found |= {str(each.teller.resolve(one).get("title")) for one in alternatives}
    return found


def _spec(operation: Operation, body: Schema | None) -> Schema | None:
    if body is None:
        return None
    field = operation.teller.resolve(body)["properties"].get("spec")
    if field is None:
        return None
    others = [each for each in field.get("anyOf", [field]) if each.get("type") != "null"]
    return operation.teller.resolve(others[0])


def _says(schema: Schema) -> str:
    return sentence(schema.get("description", ""))


def _dashed(kind: Mapping[str, Any]) -> str:
    return str(kind["name"]).replace("_", "-")
