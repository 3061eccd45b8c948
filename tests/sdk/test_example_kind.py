"""A kind that is only declared is in the SDK: its methods, its records, what it takes. No line of the SDK knows it."""

import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
from tests.cli.test_example_kind import GADGET
from tests.sdk.platform import AT

from groundplane.processes.catalog import KINDS
from groundplane.processes.documents import documents
from groundplane.sdk.calls import Answer, Call
from groundplane.sdk.making import make_modules
from groundplane.sdk.session import Session


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """The generated modules of a platform that has gadgets."""
    return make_modules(documents((*KINDS, GADGET)))


@pytest.fixture
def records(texts: dict[str, str]) -> Iterator[ModuleType]:
    """Its records, as a module that structs may look their names up in."""
    module = ModuleType("gadget_records")
    sys.modules[module.__name__] = module
    exec(texts["records.py"], vars(module))  # noqa: S102  # we wrote it ourselves a moment ago
    yield module
    del sys.modules[module.__name__]


class Recorder:
    """Answers everything with one gadget."""

    def __init__(self) -> None:
        self.sent: list[Call] = []

    def send(self, call: Call, _: str | None) -> Answer:
        """Keep it and answer."""
        self.sent.append(call)
        body = f"""{{"id": "gad_1", "kind": "gadget", "name": "g", "status": "active", "wanted": "present", "labels": {{}},
            "generation": 1, "observed_generation": 1, "revision": 3, "created_at": "{AT}", "updated_at": "{AT}",
            "spec": {{"colour": "red"}}, "observed": {{}}}}"""
        return Answer(200, {}, body.encode(), call.path)


def test_gadgets_are_made_changed_and_spun(texts: dict[str, str], records: ModuleType) -> None:
    code = texts["blocking.py"].replace("jobs, paging, records, uploads", "jobs, paging, uploads")
    module = vars(ModuleType("gadget_client")) | {"records": records}
    exec(code, module)  # noqa: S102  # we wrote it ourselves a moment ago
    session, recorder = Session("http://nowhere", "t"), Recorder()
    session._opened = recorder  # type: ignore[assignment]
    gadgets = module["Tenant"](session, "prj_1").gadgets
    made = gadgets.create("g", {"colour": "red", "network": "lan"}, labels={"a": "b"})
    assert (made.spec.colour, made.labels, made.created_at.year) == ("red", {}, 2026)
    gadgets.spin("g", if_match=made)
    assert [(call.method, call.path) for call in recorder.sent] == [
        ("POST", "/api/tenant/v1/projects/prj_1/gadgets"), ("POST", "/api/tenant/v1/projects/prj_1/gadgets/g/spin"),
    ]  # fmt: skip
    assert recorder.sent[0].json == {"name": "g", "labels": {"a": "b"}, "spec": {"colour": "red", "network": "lan"}}
    assert recorder.sent[1].headers["If-Match"] == '"gad_1-3"'


def test_what_a_gadget_takes_is_typed(texts: dict[str, str]) -> None:
    assert "    colour: str\n" in texts["bodies.py"].partition("class GadgetRequest(TypedDict):")[2].partition("class ")[0]
