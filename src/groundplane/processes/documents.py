"""`groundplane openapi`: what is generated from the code and committed.

The three public OpenAPI documents, the reference made of them (docs/reference), and the table of the command line.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fastapi import APIRouter

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

DOCUMENTS = Path(__file__).parents[3] / "docs"


def documents() -> dict[str, dict[str, Any]]:
    """The OpenAPI documents of the public applications, by their namespaces."""
    services = described(KINDS)
    every = routers(services)
    return openapi(services, {name: every[name] for name in NAMESPACES})


def openapi(services: Services, every: Mapping[str, Sequence[APIRouter]]) -> dict[str, dict[str, Any]]:
    """The OpenAPI documents of these routes, by namespace."""
    apps = public_apps(services, RateLimits(services.settings), **every)
    return {name: json.loads(json.dumps(app.openapi())) for name, app in apps.items()}


def write_documents(*, check: bool) -> list[str]:
    """Write what is generated; with `check`, nothing. Answers the files that were not as they are to be."""
    told = documents()
    table = make_table(told)
    made = {f"openapi/{name}.json": json.dumps(document, indent=1) + "\n" for name, document in told.items()}
    made |= {f"reference/{name}": text for name, text in pages(told).items()}
    made["reference/cli.md"] = write_reference(table)
    different = []
    for folder, texts in ((DOCUMENTS, made), (COMMAND_TABLE.parent, {COMMAND_TABLE.name: table})):
        different += [f"{folder.name}/{name}" for name in differing(folder, texts)]
        if not check:
            write(folder, texts)
    return different


def described(kinds: Sequence[Kind]) -> Services:
    """Services of these kinds, that are only described and never called."""
    nobody: Any = None
    manager = ResourceManager({kind.name: kind for kind in kinds}, nobody, nobody, nobody)
    return Services(
        settings=Settings(), database=nobody, bus=nobody, tokens=nobody, secret_box=nobody, blobs=nobody, manager=manager
    )
