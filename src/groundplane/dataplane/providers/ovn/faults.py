"""The one table from the errors of an OVSDB server (RFC 7047, 3.1 and 4.1) to the faults that leave this provider."""

import json
from typing import Final

from groundplane.contracts.faults import FaultClass, ProviderError, permanent, transient

_FAULTS: Final[dict[str, tuple[FaultClass, str, str]]] = {
    "bad value": ("permanent", "engine_refused", "The network database would not take a value"),
    "constraint violation": ("permanent", "engine_refused", "The network database forbids it"),
    "domain error": ("permanent", "engine_refused", "The network database forbids it"),
    "range error": ("permanent", "engine_refused", "The network database forbids it"),
    "syntax error": ("permanent", "engine_unfit", "The network database does not understand; is it OVN 22.12 or newer?"),
    "unknown column": ("permanent", "engine_unfit", "The network database does not understand; is it OVN 22.12 or newer?"),
    "unknown table": ("permanent", "engine_unfit", "The network database does not understand; is it OVN 22.12 or newer?"),
    "permission error": ("permanent", "engine_forbidden", "The network database does not let this agent write"),
    "referential integrity violation": ("transient", "engine_conflict", "Somebody else changed the same network"),
    "resources exhausted": ("transient", "engine_full", "The network database has no room"),
    "I/O error": ("transient", "engine_failed", "The network database could not write"),
}
_UNKNOWN: Final = ("permanent", "engine_refused", "The network database forbids it")

DUPLICATE: Final = "duplicate uuid"
BAD_VALUE: Final = "bad value"  # not the server's word: ovs would not even send it


def error_of(reply: str) -> tuple[str, str]:
    """The error's name and its details, from what ovs keeps of a failed transaction."""
    try:
        found = json.loads(reply)
    except ValueError:
        return "", reply
    if not isinstance(found, dict):
        return "", reply
    return str(found.get("error", "")), str(found.get("details", reply))


def fault(name: str, details: str) -> ProviderError:
    """The fault for an error by its name."""
    fault_class, code, sentence = _FAULTS.get(name, _UNKNOWN)
    make = transient if fault_class == "transient" else permanent
    return make(code, f"{sentence}: {details}")


def unreachable(northbound: str, reason: str) -> ProviderError:
    """The database does not answer."""
    return transient("engine_unreachable", f"The network database at {northbound} does not answer: {reason}.")


def contended(northbound: str) -> ProviderError:
    """Others were always first."""
    return transient("engine_conflict", f"Others kept changing the same rows of {northbound} all the time.")
