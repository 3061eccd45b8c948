"""The documents for people point only at what is there: links, paths in backticks, and the tests that decisions name.

Reads text alone; it does not judge whether what stands there is true.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")])
DECISIONS = sorted((REPOSITORY / "docs/decisions").glob("[0-9]*.md"))

LINK = re.compile(r"!?\[[^\]]*\]\(([^()\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
OURS = re.compile(r"^(?:src|tests|docs|bench|deploy)/[\w./-]*[\w/]$")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def name(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def prose(document: Path) -> str:
    """The text without fenced blocks, whose content is output and code."""
    return FENCED.sub("", document.read_text())


def anchors(document: Path) -> set[str]:
    """The fragments that a document's headings can be linked by, as GitHub and GitLab make them."""
    headings = re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-") for heading in headings}


def broken_links(document: Path) -> Iterator[str]:
    for target in LINK.findall(prose(document)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        found = (document.parent / path).resolve() if path else document
        if not found.exists() or REPOSITORY not in found.parents or (fragment and fragment not in anchors(found)):
            yield target


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_lead_somewhere(document: Path) -> None:
    assert list(broken_links(document)) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_paths_in_backticks_are_there(document: Path) -> None:
    paths = [text.partition("::")[0] for text in CODE.findall(prose(document))]
    assert [path for path in paths if OURS.match(path) and not (REPOSITORY / path).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_tests_that_are_named_are_there(document: Path) -> None:
    named = TEST.findall(prose(document))
    assert [f"{path}::{test}" for path, test in named if f"def {test}(" not in (REPOSITORY / path).read_text()] == []


@pytest.mark.parametrize("record", DECISIONS, ids=name)
def test_a_decision_has_its_parts(record: Path) -> None:
    text = record.read_text()
    assert re.match(rf"# {record.name[:4]} · \S", text)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequence", "What holds it"]
    assert len(text.splitlines()) <= 60, "one page"


def test_decisions_are_numbered_without_gaps_and_all_listed() -> None:
    assert [record.name[:4] for record in DECISIONS] == [f"{number:04}" for number in range(1, len(DECISIONS) + 1)]
    listed = LINK.findall((REPOSITORY / "docs/decisions/README.md").read_text())
    assert sorted(listed) == [record.name for record in DECISIONS]


@pytest.mark.parametrize("picture", sorted((REPOSITORY / "docs/pictures").glob("*.svg")), ids=name)
def test_pictures_stand_alone_and_can_be_read_in_the_dark(picture: Path) -> None:
    text = picture.read_text()
    root = ET.fromstring(text)  # noqa: S314  # our own file
    assert root.find("{*}title") is not None
    assert "prefers-color-scheme: dark" in text
    assert not re.search(r"(?:href|src)=|@import|url\((?!#)", text), "it loads something"


def test_this_test_sees_what_is_broken(tmp_path: Path) -> None:
    document = REPOSITORY / "README.md"
    assert LINK.findall("see [a](docs/a.md#b) and ![c](d.svg)") == ["docs/a.md#b", "d.svg"]
    assert OURS.match("src/groundplane/kernel/")
    assert not OURS.match("src/groundplane/* and more")
    assert "three-commands" in anchors(document)
    (tmp_path / "x.md").write_text("[gone](gone.md)\n```\n[not a link](nowhere.md)\n```\n")
    assert list(broken_links(tmp_path / "x.md")) == ["gone.md"]
