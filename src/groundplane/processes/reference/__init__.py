"""The reference for people, docs/reference: made of the OpenAPI documents and of what the code declares, never written by hand.

A kind has its page from its declaration alone, and so has every other group of routes. What is generated is committed, so that
it can be read where it lies; `groundplane openapi --check` compares.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from groundplane.processes.reference.api import Api
from groundplane.processes.reference.errors import errors_page
from groundplane.processes.reference.group import group_page, group_slug
from groundplane.processes.reference.index import groups_index, kinds_index
from groundplane.processes.reference.kind import kind_page
from groundplane.processes.reference.markdown import GENERATED
from groundplane.processes.reference.metrics import metrics_page
from groundplane.processes.reference.permissions import permissions_page
from groundplane.processes.reference.settings import settings_page

Pages = Mapping[str, str]
"""What is to lie below docs/reference: the text of each file, by its path there."""


def pages(documents: Mapping[str, Mapping[str, Any]]) -> Pages:
    """Every generated page. `documents` are the OpenAPI documents of the public namespaces, by name."""
    api = Api.of(documents)
    texts = {
        "resources/index.md": kinds_index(api),
        "api/index.md": groups_index(api),
        "errors.md": errors_page(),
        "permissions.md": permissions_page(api),
        "settings.md": settings_page(),
        "metrics.md": metrics_page(),
    }
    texts |= {f"resources/{kind['plural']}.md": kind_page(api, kind) for kind in api.kinds.values()}
    return texts | {f"api/{group_slug(tag)}.md": group_page(api, tag) for tag in api.other_tags()}


def differing(root: Path, made: Pages) -> list[str]:
    """The files below `root` that are not as they were made; those that once were made and are not any more too."""
    there = {str(path.relative_to(root)) for path in root.rglob("*.md") if GENERATED in path.read_text()}
    changed = {name for name, text in made.items() if not (root / name).is_file() or (root / name).read_text() != text}
    return sorted(changed | (there - made.keys()))


def write(root: Path, made: Pages) -> None:
    """Make the files below `root` as they are to be."""
    for name in differing(root, made):
        path = root / name
        if name not in made:
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made[name])
