"""What holds of every operation of the API's documents, for threads and for asyncio. A new one is held to it unasked."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from tests.sdk.recorded import AsyncWire, Documented, Method, Wire, documented, methods

from groundplane.sdk import AsyncClient, Client, as_json
from groundplane.sdk.calls import IDEMPOTENCY_KEY, Call

OPERATIONS = [each for each in documented() if not each.is_for_browsers and "text/event-stream" not in each.media]
PAGED = {"limit", "cursor"}
POLLED = {"wait", "seen"}
BY_THE_CALL = {"If-Match", "If-None-Match", IDEMPOTENCY_KEY, "Last-Event-ID"}
FLAVOURS = ("threads", "asyncio")


def made(flavour: str) -> tuple[dict[str, Method], Wire]:
    """All methods of a client, and the wire that it speaks on."""
    client: Client | AsyncClient = Client("http://nowhere", "t") if flavour == "threads" else AsyncClient("http://nowhere", "t")
    wire: Any = Wire() if flavour == "threads" else AsyncWire()
    client.session._opened = wire
    return methods(client), wire


def sent(method: Method, wire: Wire, scratch: Path) -> tuple[Call, Documented]:
    """What a method sends first, and which operation that is."""
    wire.sent.clear()
    method.call(scratch)
    return wire.sent[0], wire.of(wire.sent[0])


@dataclass
class Reached:
    """The methods that do each operation, and those that try it, with what they send."""

    wire: Wire
    does: dict[str, list[tuple[Method, Call]]] = field(default_factory=dict)
    tries: dict[str, list[tuple[Method, Call]]] = field(default_factory=dict)

    def all(self) -> Iterator[tuple[Method, Call]]:
        """Every method."""
        for found in (*self.does.values(), *self.tries.values()):
            yield from found


@pytest.fixture(scope="module", params=FLAVOURS)
def reached(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Reached:
    """Of threads, or of asyncio: every method called once."""
    every, wire = made(str(request.param))
    found = Reached(wire)
    for method in every.values():
        call, operation = sent(method, wire, tmp_path_factory.getbasetemp())
        (found.tries if method.is_trial else found.does).setdefault(operation.name, []).append((method, call))
    return found


def test_each_operation_has_a_method(reached: Reached) -> None:
    assert {each.name for each in OPERATIONS} - set(reached.does) == set()


def test_what_is_said_of_an_operation_can_be_said_in_python(reached: Reached) -> None:
    for operation in OPERATIONS:
        query, fields = operation.parameters("query") - {"dry_run"}, operation.fields()
        said: set[str] = set()
        for _, call in reached.does[operation.name]:
            said |= set(call.parameters) | (set(call.json) if fields and isinstance(call.json, dict) else set())
        assert said - PAGED - POLLED >= query - PAGED - POLLED, operation.name
        if not fields <= said:
            assert said & fields == set(), f"{operation.name} takes its body as a whole, or field by field"


def test_nothing_in_an_id_leads_elsewhere(reached: Reached) -> None:
    for method, call in reached.all():
        assert not set(call.path) & {" ", "?", "#", "ü"}, method.where
        assert ".." not in call.path.split("/"), method.where


def test_each_mutation_has_a_key_of_its_own(reached: Reached) -> None:
    keys = [
        call.headers[IDEMPOTENCY_KEY]
        for method, call in reached.all()
        if "Idempotency-Key" in reached.wire.of(call).parameters("header")
    ]
    assert {UUID(key).version for key in keys} == {4}
    assert len(set(keys)) == len(keys)


def test_only_open_operations_are_called_without_a_token(reached: Reached) -> None:
    for operation in OPERATIONS:
        for method, call in reached.does[operation.name]:
            assert call.authenticated == (operation.body.get("security") != []), method.where


def test_each_mutation_can_be_tried(reached: Reached) -> None:
    for operation in OPERATIONS:
        if "dry_run" in operation.parameters("query"):
            assert [call.parameters["dry_run"] for _, call in reached.tries[operation.name]], operation.name
    assert all(call.parameters["dry_run"] == "true" for found in reached.tries.values() for _, call in found)


def test_each_list_goes_through_all_pages(reached: Reached, tmp_path: Path) -> None:
    wire = reached.wire
    for operation in OPERATIONS:
        for method, _ in reached.does[operation.name] if "cursor" in operation.parameters("query") else ():
            wire.sent.clear()
            wire.more_pages = 2
            assert len(method.call(tmp_path)) == 3, method.where
            assert [call.parameters.get("cursor") for call in wire.sent] == [None, "more", "more"]
            assert len({str({**call.parameters, "cursor": ""}) for call in wire.sent}) == 1, "filters stay"


def test_nothing_that_is_answered_is_lost(reached: Reached, tmp_path: Path) -> None:
    for operation in OPERATIONS:
        for method, _ in reached.does[operation.name] if operation.answers() else ():
            if not method.where.endswith((".wait", ".create_many")):
                expected = operation.example(operation.answers()[0])
                assert as_json(method.call(tmp_path)) == (expected["items"] if operation.is_page else expected), method.where
