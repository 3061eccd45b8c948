"""The site of docs/: whole, asking no other host for anything, and refused when something in it is broken."""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
ZENSICAL = Path(sys.executable).with_name("zensical")
LOADING = {"src", "srcset", "data", "poster"}  # with these attributes, and with a link's href, a page loads something by itself


def build(root: Path) -> "subprocess.CompletedProcess[str]":
    """Build the site of a folder as `make docs` does."""
    command = [str(ZENSICAL), "build", "--strict", "--clean"]
    return subprocess.run(
        command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of these documents."""
    root = tmp_path_factory.mktemp("documents")
    shutil.copytree(REPOSITORY / "docs", root / "docs")
    shutil.copy(REPOSITORY / "zensical.toml", root)
    done = build(root)
    assert done.returncode == 0, done.stdout
    return root / "build/docs"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("# A\n\n[gone](gone.md)", "page does not exist"),
        ("# A\n\n[no such place](index.md#nowhere)", "anchor does not exist"),
    ],
)
def test_what_leads_nowhere_fails(tmp_path: Path, text: str, told: str) -> None:
    shutil.copy(REPOSITORY / "zensical.toml", tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/index.md").write_text(text)
    done = build(tmp_path)
    assert done.returncode != 0
    assert told in done.stdout


def test_every_document_is_a_page(site: Path) -> None:
    documents = [path.relative_to(REPOSITORY / "docs") for path in (REPOSITORY / "docs").rglob("*.md")]
    pages = [path.with_name("index.html") if path.name == "README.md" else path.with_suffix(".html") for path in documents]
    assert [str(page) for page in pages if not (site / page).is_file()] == []


def test_every_document_is_in_the_navigation(site: Path) -> None:
    """Two clicks away at most: on the first page, or on the pages of its section."""
    reached: set[Path] = set()
    for page in [site / "index.html", *(site / link for link in navigation(site / "index.html"))]:
        reached |= {(page.parent / link).resolve() for link in navigation(page)}
    written = {path for path in site.rglob("*.html") if path.name != "404.html"}
    assert {str(path.relative_to(site)) for path in written - reached} == set()


def navigation(page: Path) -> set[str]:
    """Where the navigation of a page leads."""
    found = re.findall(r'<a href="?([^" >#]+\.html)"? class="?md-(?:nav|tabs)__link', page.read_text())
    return {link for link in found if "://" not in link}


class Loads(HTMLParser):
    """What a page loads by itself, other than by scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and (name in LOADING or (tag == "link" and name == "href")):
                self.found.append(value)


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        loads = Loads()
        loads.feed(page.read_text())
        assert loads.found, page
        assert [url for url in loads.found if re.match(r"(?:https?:)?//", url)] == [], page
        assert 'class="mermaid"' not in page.read_text(), f"{page}: the theme would fetch mermaid from elsewhere"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(?:https?:)?//|@import", sheet.read_text()), sheet


def test_what_was_written_can_be_searched_for(site: Path) -> None:
    index = (site / "search.json").read_text()
    assert "architecture.html" in index
    assert "wrong_state" in index
