"""What is wrong with a field is said in words of ours, whatever the kind and whatever was sent."""

import json
import re

import pytest
from pydantic import BaseModel, ValidationError

from groundplane.controlplane.gateway.sentences import sentence_of
from groundplane.controlplane.network.ranges import ipv4_address, ipv4_range
from groundplane.controlplane.resources.kind import Kind
from groundplane.processes.catalog import KINDS

BAD = ["", "x y", "A!", "x" * 5000, "nul\0", -1, 0.5, 10**12, True, None, [], ["a"] * 5000, {}, {"x": {}}, [{}], {"x": 1}]
PYDANTICS = re.compile(r"Input should|(String|Value|Dictionary|List|Data) (should|error)|Field required|not permitted")


def sentences(model: type[BaseModel], request: object) -> list[str]:
    """What is wrong with the request."""
    try:
        model.model_validate_json(json.dumps(request))
    except ValidationError as error:
        return [sentence_of(dict(each)) for each in error.errors()]
    return []


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.create], ids=lambda kind: kind.name)
def test_every_kind_says_what_is_wrong_with_its_fields_in_our_words(kind: Kind) -> None:
    assert kind.create is not None
    (good, *_) = kind.create.model_json_schema().get("examples") or [{}]
    said = sentences(kind.create, {"nothing_of_it": 1})
    assert "There is no such field here." in said
    for field in kind.create.model_fields:
        for bad in BAD:
            said += sentences(kind.create, {**good, field: bad})
    for sentence in said:
        assert not PYDANTICS.search(sentence), sentence
        assert re.fullmatch(r"[A-Z].*[.?!]", sentence, re.DOTALL), sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("10.0.0.1/24", "This is an address within a range. Name the range itself: 10.0.0.0/24."),
        ("10.0.0.0/33", "An IPv4 range is needed here, such as 10.0.0.0/24."),
        ("fd00::/64", "An IPv4 range is needed here, such as 10.0.0.0/24."),
    ],
)
def test_a_range_that_is_none_says_which_is_meant(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        ipv4_range(text)


def test_ranges_and_addresses_are_read() -> None:
    assert str(ipv4_range("10.0.0.0/24")) == "10.0.0.0/24"
    assert ipv4_address("10.0.0.5") == "10.0.0.5"
    with pytest.raises(ValueError, match="An IPv4 address is needed"):
        ipv4_address("10.0.0")
