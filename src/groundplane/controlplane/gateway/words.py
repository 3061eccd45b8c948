"""How what happened is said: ids as users see them, and nothing of where things are to who must not know. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from groundplane.controlplane.fleet.agent import AGENT
from groundplane.controlplane.gateway.people import People
from groundplane.controlplane.gateway.views import JOB_PREFIX, public
from groundplane.controlplane.resources.kind import Kind
from groundplane.kernel.ids import format_id

_PLACES = frozenset({"agent", "agent_id", "host", "host_id", "pool", "pool_id", "cluster_id", "scope"})


_USERS = {"requested_by": "user", "changed_by": "user"}


class Who(NamedTuple):
    """Somebody who asked for something; the name is None for who is not known any more."""

    id: str
    name: str | None


@dataclass(frozen=True)
class Words:
    """Speaks to an operator, or to a tenant, who does not learn where things are placed."""

    kinds: Mapping[str, Kind]
    operator: bool
    people: People = field(default_factory=People)

    def resource(self, kind: str, value: UUID) -> str:
        """The public id of a resource of any kind."""
        return self.kinds[kind].public_id(value) if kind in self.kinds else format_id(kind, value)

    def who(self, value: UUID | None) -> Who | None:
        """Who asked, if somebody did."""
        known = self.people.id(value)
        return Who(known, self.people.name(value)) if known else None

    def job(self, value: UUID | None) -> str | None:
        """The public id of a job."""
        return public(JOB_PREFIX, value)

    def agent(self, value: object) -> str:
        """Which agent, or that it was one."""
        known = _uuid(value) if self.operator else None
        return f"agent {AGENT.public_id(known)}" if known else "an agent"

    def agents_of(self, host: str | None) -> str:
        """Whom a task waits for."""
        return f"the agent of {host}" if self.operator and host else "an agent"

    def told(self, detail: Any) -> Any:
        """The detail without places, for who must not know them; UUIDs under `KIND_id`, and in calls, as public ids."""
        if isinstance(detail, Mapping):
            kept = {key: value for key, value in detail.items() if self.operator or key not in _PLACES}
            return {key: self._public(key, self.told(value), kept) for key, value in kept.items()}
        if isinstance(detail, Sequence) and not isinstance(detail, str):
            return [self.told(each) for each in detail]
        return detail

    def _public(self, key: str, value: Any, beside: Mapping[str, Any]) -> Any:
        kind = (
            beside.get("kind") if key == "id" else _USERS.get(key) or (key.removesuffix("_id") if key.endswith("_id") else None)
        )
        known = _uuid(value) if isinstance(kind, str) and kind in {*self.kinds, "job", "user"} else None
        if known is None:
            return value
        if kind == "user":
            return self.people.id(known)
        return format_id(JOB_PREFIX, known) if kind == "job" else self.resource(str(kind), known)


def fault_of(detail: Mapping[str, Any] | None) -> str | None:
    """A fault in one line: `engine_refused (permanent): what it said`."""
    fault = detail.get("fault", detail) if detail else None
    if not isinstance(fault, Mapping) or "code" not in fault:
        return None
    return f"{fault['code']} ({fault.get('fault_class', 'unknown')}): {fault.get('message', '')}"


def amounts(quota: Mapping[str, int]) -> str:
    """`1 vms, 2 vcpus`"""
    return ", ".join(f"{value} {name}" for name, value in quota.items())


def seconds(value: float) -> str:
    """`0.41 s`, `12.3 s`, `340 s`"""
    return f"{value:.2f} s" if value < 1 else f"{value:.1f} s" if value < 100 else f"{value:.0f} s"


def _uuid(value: object) -> UUID | None:
    try:
        return value if isinstance(value, UUID) else UUID(str(value))
    except ValueError:
        return None
