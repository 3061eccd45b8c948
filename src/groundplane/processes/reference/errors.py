"""All errors that a user can meet, by their stable codes: the subclasses of GroundplaneError, wherever they are declared."""

from collections.abc import Collection, Iterator, Mapping
from functools import cache
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

import groundplane.controlplane
from groundplane.kernel.errors import GroundplaneError
from groundplane.processes.reference.api import Api
from groundplane.processes.reference.markdown import code, page, sentence, table

EVERYWHERE = "anywhere"
_TITLES = {
    EVERYWHERE: "Any request", "compute": "Compute", "fleet": "Fleet", "identity": "Identity", "jobs": "Jobs",
    "network": "Network", "resources": "Any resource", "secrets": "Secrets", "storage": "Storage",
}  # fmt: skip
_HEADINGS = ("Code", "Status", "What to do")


def _title(service: str) -> str:
    return _TITLES.get(service, service.capitalize())


@cache
def all_errors() -> list[type[GroundplaneError]]:
    """Every class of the platform's own, once for each code and sentence."""
    for module in walk_packages(groundplane.controlplane.__path__, "groundplane.controlplane."):
        if ".schema" not in module.name:
            import_module(module.name)
    classes: list[type[GroundplaneError]] = [GroundplaneError, *_below(GroundplaneError)]
    found = {(each.code, each.status, sentence(each.__doc__ or "")): each for each in classes}
    return sorted(found.values(), key=lambda each: (each.code, each.status, each.__module__))


def _below(error: type[GroundplaneError]) -> Iterator[type[GroundplaneError]]:
    for each in error.__subclasses__():
        if each.__module__.startswith("groundplane."):
            yield each
            yield from _below(each)


def service_of(error: type[GroundplaneError]) -> str:
    """Which service says it; EVERYWHERE for what the frame of all requests says."""
    parts = error.__module__.split(".")
    return EVERYWHERE if parts[1] == "kernel" or parts[2] == "gateway" else parts[2]


def of_kind(api: Api, kind: Mapping[str, Any]) -> str:
    """What a kind's page says: its own errors, those that its service says of any kind, and where the others are."""
    others = {f".{each['name']}" for each in api.kinds.values() if each["name"] != kind["name"]}
    rows = [_row(each) for each in all_errors() if service_of(each) == kind["service"] and not _ends(each.__module__, others)]
    common = "those of [any resource](../errors.md#any-resource) and of [any request](../errors.md#any-request)"
    if kind["service"] == "identity":  # its errors are about users, roles and logins; organizations and projects have none
        return f"Only {common}."
    return "\n\n".join(filter(None, (table(_HEADINGS, rows), f"{'Also' if rows else 'Only'} {common}.")))


def _ends(module: str, names: Collection[str]) -> bool:
    return any(f"{module}.".find(f"{name}.") >= 0 for name in names)


def errors_page() -> str:
    """The page, by service."""
    services: dict[str, list[type[GroundplaneError]]] = {}
    for error in all_errors():
        services.setdefault(service_of(error), []).append(error)
    order = sorted(services, key=lambda name: (name != EVERYWHERE, name != "resources", name))
    sections = [part for name in order for part in (f"## {_title(name)}", table(_HEADINGS, map(_row, services[name])))]
    return page(
        "Errors",
        "Every refusal is a problem (RFC 9457, `application/problem+json`). Its `code` is stable: decide by it, never "
        "by the text. `detail` is a sentence that says what to do next, often with more particulars than here; "
        "`errors` names each bad field by a JSON pointer; `request_id` is what operators ask for.",
        "What ends a job, other than a refused request, stands in the job: [jobs](../explanation/jobs.md#how-a-job-fails).",
        *sections,
    )


def _row(error: type[GroundplaneError]) -> list[str]:
    return [code(error.code), str(error.status), sentence(error.__doc__ or "")]
