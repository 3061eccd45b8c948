"""Texts become values, or a sentence about what they should be."""

from datetime import UTC, datetime
from typing import Any

import pytest

from groundplane.cli.failures import CommandError
from groundplane.cli.table import Command, Field
from groundplane.cli.values import body_of, missing, read, read_time

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        ("int", "3", 3), ("number", "1.5", 1.5), ("bool", "yes", True), ("text", "true", "true"),
        ("json", '{"a": 1}', {"a": 1}),
        ("labels", "a=b=c", ("a", "b=c")), ("labels", "a=", ("a", "")),
    ],
)  # fmt: skip
def test_a_text_is_read(type_: str, text: str, value: Any) -> None:
    assert read(Field("f", "body", "f", type_), text) == value


@pytest.mark.parametrize(("type_", "text"), [("int", "x"), ("number", ""), ("bool", "maybe"), ("json", "{"), ("labels", "a")])
def test_a_text_that_is_no_such_value_is_told(type_: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        read(Field("f", "body", "f", type_), text)


def test_an_entry_has_only_the_fields_that_it_may_have() -> None:
    field = Field("nic", "body", "nics", "entry", many=True, parts={"port_min": "int", "groups": "texts"})
    assert read(field, "port-min=22,groups=a+b") == {"port_min": 22, "groups": ["a", "b"]}
    with pytest.raises(ValueError, match="port_min, groups"):
        read(field, "colour=red")


def test_times_are_said_from_now() -> None:
    assert read_time("2h", past=False, now=NOW) == "2026-01-01T14:00:00+00:00"
    assert read_time("1d", past=True, now=NOW) == "2025-12-31T12:00:00+00:00"
    assert read_time("2030-01-31T12:00:00Z", past=False) == "2030-01-31T12:00:00+00:00"
    with pytest.raises(ValueError, match="is no time"):
        read_time("tomorrow", past=False)


COMMAND = Command(
    "thing", "create", "o", "POST", "/things", "s", traits=frozenset({"body", "spec"}),
    fields=(
        Field("name", "body", "name", required=True), Field("size", "body", "spec.size", "int", required=True),
        Field("tag", "body", "spec.tags", many=True), Field("label", "body", "labels", "labels", many=True),
        Field("open", "body", "spec.open", "bool", default=True), Field("net", "body", "spec.nics[].net", many=True),
    ),
)  # fmt: skip


def test_a_body_is_made_of_what_is_said() -> None:
    said = {"name": "a", "spec.tags": ("x", "y"), "labels": (("k", "v"),), "spec.nics[].net": ("lan",)}
    body = body_of(COMMAND, said, None, ["size=2", 'more={"deep": [1]}', "other.path=text"])
    assert body == {
        "name": "a", "labels": {"k": "v"},
        "spec": {"tags": ["x", "y"], "nics": [{"net": "lan"}], "size": 2, "more": {"deep": [1]}, "other": {"path": "text"},
                 "open": True},
    }  # fmt: skip
    assert missing(COMMAND, body) == []
    assert [field.name for field in missing(COMMAND, {"spec": {}})] == ["name", "size"]


@pytest.mark.parametrize("text", ["size", "=2", "size=big", "name.deep=1"])
def test_a_set_that_means_nothing_is_told(text: str) -> None:
    with pytest.raises(CommandError):
        body_of(COMMAND, {"name": "a"}, None, ["name=2", text])


@pytest.mark.parametrize("text", ["[1]", "a: [", "x"])
def test_a_file_that_is_no_request_is_told(tmp_path: Any, text: str) -> None:
    (tmp_path / "f").write_text(text)
    with pytest.raises(CommandError):
        body_of(COMMAND, {}, str(tmp_path / "f"), [])
