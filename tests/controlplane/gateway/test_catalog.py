"""The catalog tells all of every kind: nothing that a client needs to show or make a resource must be known otherwise."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from tests.controlplane.gateway.conftest import Api
from tests.controlplane.gateway.test_completeness import public_apps, routes
from tests.controlplane.gateway.test_tenancy import fill

from groundplane.controlplane.resources.kind import Kind
from groundplane.kernel.ids import parse_id
from groundplane.processes.catalog import KINDS

Schema = Mapping[str, Any]
KINDS_OF_NAMES = {name: kind for kind in KINDS for name in (kind.name, f"{kind.name}s", kind.plural)}
EVERY_KIND = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def models(kind: Kind) -> dict[str, Schema]:
    """The kind's schemas, as the catalog tells them."""
    taken = {name: model.model_json_schema() for name, model in (("create", kind.create), ("update", kind.update)) if model}
    told = {"spec": kind.spec, "observed": kind.observed}
    return taken | {name: model.model_json_schema(mode="serialization") for name, model in told.items()}


def fields(schema: Schema, root: Schema, path: str = "") -> Iterator[tuple[str, Schema, Schema]]:
    """Every field of a schema, those of objects within too: its path, itself, and what one value of it is."""
    for name, each in schema.get("properties", {}).items():
        where = f"{path}.{name}" if path else name
        value = one_of(each, root)
        yield where, each, value
        yield from fields(value, root, where)


def one_of(schema: Schema, root: Schema) -> Schema:
    """What a value is, or, of a list, each of its values; null aside."""
    if "$ref" in schema:
        return one_of(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    others = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    if len(others) == 1:
        return one_of(others[0], root)
    return one_of(schema["items"], root) if schema.get("type") == "array" else schema


@EVERY_KIND
def test_people_can_read_a_kind_and_its_fields(kind: Kind) -> None:
    assert kind.title[0].isupper()
    assert kind.title_plural.startswith(kind.title[:3])
    assert kind.summary.endswith(".")
    for part, schema in models(kind).items():
        for path, field, _ in fields(schema, schema):
            assert field.get("title"), f"{kind.name} {part}.{path} has no title"
            assert field.get("description"), f"{kind.name} {part}.{path} says nothing of itself"


@EVERY_KIND
def test_a_field_that_names_a_resource_says_of_which_kind(kind: Kind) -> None:
    for part, schema in models(kind).items():
        for path, _, value in fields(schema, schema):
            name = path.rpartition(".")[2]
            if value.get("description") == "A name or an id." or (value.get("type") == "string" and name in KINDS_OF_NAMES):
                assert "x-kind" in value, f"{kind.name} {part}.{path} names a resource: say of which kind with Refers"
            if "x-kind" in value and name in KINDS_OF_NAMES:
                assert value["x-kind"] == KINDS_OF_NAMES[name].name


@EVERY_KIND
def test_columns_are_fields(kind: Kind) -> None:
    told = models(kind)
    for column in kind.columns:
        part, _, path = column.path.partition(".")
        assert part in {"spec", "observed"}
        found = {where: value for where, _, value in fields(told[part], told[part])}
        assert found[path].get("type") in {"string", "integer", "boolean"} or "enum" in found[path], column.path
        assert column.title


async def test_what_resources_refer_to_is_what_their_schemas_say(api: Api) -> None:
    """Every id in the specs of a whole machine's resources stands in a field that says its kind."""
    await fill(api)
    seen = set()
    for kind in KINDS:
        schema = models(kind)["spec"]
        said = {path: value.get("x-kind") for path, _, value in fields(schema, schema)}
        rows = await api.cloud.fetch("SELECT spec FROM resource WHERE kind = $1", kind.name)
        for path, text in (found for row in rows for found in texts(row["spec"])):
            named = next((each for each in KINDS if parse_id(each.prefix, text) is not None), None)
            assert said[path] == (named.name if named else None), f"{kind.name} {path}: {text}"
            seen |= {(kind.name, named.name)} if named else set()
    assert {("vm", "volume"), ("vm", "port"), ("port", "network"), ("port", "subnet"), ("volume", "image")} <= seen


def texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a spec, and the path of its field."""
    if isinstance(value, str):
        yield path, value
    for name, each in value.items() if isinstance(value, dict) else ():
        yield from texts(each, f"{path}.{name}" if path else name)
    for each in value if isinstance(value, list) else ():
        yield from texts(each, path)


async def test_the_catalog_is_told_to_whoever_is_logged_in_and_kept_by_its_tag(api: Api) -> None:
    stranger = await api.as_(None)
    answer = await stranger.call("GET", "/api/common/v1/kinds")
    assert answer.status_code == 200
    told = {each["name"]: each for each in answer.json()["kinds"]}
    assert told.keys() == {kind.name for kind in KINDS}
    vm = told["vm"]
    assert (vm["collection"], vm["scope"], vm["namespace"]) == ("/projects/{project_id}/vms", "project", "tenant")
    assert {each["path"]: each["unit"] for each in vm["columns"]}["spec.memory_mib"] == "MiB"
    assert [each["verb"] for each in vm["actions"]] == ["start", "stop", "reboot"]
    assert vm["permissions"]["start"] == "compute.vm.start"
    assert vm["create"]["$defs"]["NicRequest"]["properties"]["network"]["anyOf"][0]["x-kind"] == "network"
    assert told["image"]["create"] is None
    assert told["image"]["permissions"]["create"] == "storage.image.create"  # by a route of its own
    assert {"reveal", "destroy"} <= told["secret"]["permissions"].keys()
    assert told["ssh_key"]["update"] is None
    assert (told["project"]["scope"], told["host"]["scope"]) == ("organization", "platform")
    stranger.headers = stranger.headers | {"If-None-Match": answer.headers["ETag"]}
    assert (await stranger.call("GET", "/api/common/v1/kinds")).status_code == 304


async def test_every_route_that_the_catalog_tells_of_is_there(api: Api) -> None:
    paths = {(route.method, route.path) for route in routes(api.app)}
    for kind in (await api.call("GET", "/api/common/v1/kinds")).json()["kinds"]:
        where = f"/api/{kind['namespace']}/v1{kind['collection']}"
        assert {("GET", where), ("GET", f"{where}/{{reference}}"), ("DELETE", f"{where}/{{reference}}")} <= paths
        assert (("POST", where) in paths) == ("create" in kind["permissions"])
        for action in kind["actions"]:
            assert ("POST", f"{where}/{{reference}}/{action['verb']}") in paths


def test_each_document_tells_of_its_kinds(api: Api) -> None:
    told = [each for _, app in public_apps(api.app) for each in app.openapi()["x-kinds"]]
    assert sorted(each["name"] for each in told) == sorted(kind.name for kind in KINDS)
    assert all("spec" not in each for each in told)
