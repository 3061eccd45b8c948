"""`groundplane openapi`: what is generated from the code and committed.

The three public OpenAPI documents, the reference made of them (docs/reference), the table of the command line, and the typed
part of the SDK.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from groundplane.cli.description import make_table, write_reference
from groundplane.cli.table import PATH as COMMAND_TABLE
from groundplane.controlplane.gateway.app import public_apps
from groundplane.controlplane.gateway.limits import RateLimits
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.resources.kind import Kind
from groundplane.controlplane.resources.manager import ResourceManager
from groundplane.kernel.settings import Settings
from groundplane.processes.api import NAMESPACES, routers
from groundplane.processes.catalog import KINDS
from groundplane.processes.reference import differing, pages, write
from groundplane.sdk.making import SDK, make_modules

DOCUMENTS = Path(__file__).parents[3] / "docs"


def documents(kinds: Sequence[Kind] = KINDS) -> dict[str, dict[str, Any]]:
    """The OpenAPI documents of a platform that has these kinds, by their namespaces."""
    nobody: Any = None  # they are only described: nothing is called
    manager = ResourceManager({kind.name: kind for kind in kinds}, nobody, nobody, nobody)
    services = Services(
        settings=Settings(), database=nobody, bus=nobody, tokens=nobody, secret_box=nobody, blobs=nobody, manager=manager
    )
    every = routers(services)
    apps = public_apps(services, RateLimits(services.settings), **{name: every[name] for name in NAMESPACES})
    return {name: json.loads(json.dumps(app.openapi())) for name, app in apps.items()}


def write_documents(*, check: bool) -> list[str]:
    """Write what is generated; with `check`, nothing. Answers the files that were not as they are to be."""
    told = documents()
    table = make_table(told)
    made = {f"openapi/{name}.json": json.dumps(document, indent=1) + "\n" for name, document in told.items()}
    made |= {f"reference/{name}": text for name, text in pages(told).items()}
    made["reference/cli.md"] = write_reference(table)
    different = []
    for folder, texts in ((DOCUMENTS, made), (COMMAND_TABLE.parent, {COMMAND_TABLE.name: table}), (SDK, make_modules(told))):
        different += [f"{folder.name}/{name}" for name in differing(folder, texts)]
        if not check:
            write(folder, texts)
    return different
