"""What the data plane says: how a task went, what was seen, the whole inventory, and that an agent lives."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, JsonValue, TypeAdapter, ValidationError, ValidatorFunctionWrapHandler, field_validator

from groundplane.contracts.faults import Fault
from groundplane.contracts.specs import SpecKind
from groundplane.contracts.tasks import Scope
from groundplane.contracts.wire import Wire


class State(Wire):
    """What an engine holds of one resource.

    `fence` is the highest that the engine has seen for it. `observed` by kind:
      vm              power (running, stopped, paused, crashed), stopped_by (guest, host, crash; only when stopped),
                      reboots, hardware (digest; see VmSpec.hardware_digest)
      volume, image   size_bytes
      port            up (does a card sit on it), address, mac
      network, subnet, security_group   nothing, or what the engine says
    """

    kind: SpecKind
    id: UUID
    present: bool = True
    fence: int = 0
    observed: dict[str, JsonValue] = Field(default_factory=dict)


class Call(Wire):
    """One provider call that a task made: for the job's timeline. `milliseconds` is wall time."""

    verb: str
    kind: str
    id: UUID
    milliseconds: float


class SpanRecord(Wire):
    """Something that the agent did for a task, within the task's trace. `error` is a code, `started_ns` counts from 1970."""

    span_id: str = Field(pattern="^[0-9a-f]{16}$")
    parent_id: str = Field(pattern="^([0-9a-f]{16})?$")
    name: str
    started_ns: int = Field(ge=0, lt=2**62)
    nanoseconds: int = Field(ge=0, lt=2**62)
    error: str = ""
    attributes: dict[str, str | int | float | bool] = Field(default_factory=dict)


MOST_SPANS = 64
"""How many spans a report may carry; more are ignored."""


class Report(Wire):
    """How a task goes. `progress` only says that it is alive; `done` and `failed` end it.

    `states` are what the operations found or made, also those that went well before a later one failed. `started_at` is
    when the agent began to carry the task out, by its clock; None while it waits for its turn, or when it never began.
    """

    type: Literal["report"] = "report"
    task_id: UUID
    fence: int
    outcome: Literal["progress", "done", "failed"]
    agent_id: UUID
    at: datetime
    states: tuple[State, ...] = ()
    calls: tuple[Call, ...] = ()
    fault: Fault | None = None
    trace: str = ""
    started_at: datetime | None = None
    spans: tuple[SpanRecord, ...] = ()
    """What the trace is told of the task. Spans that make no sense are dropped, the report is not."""

    @field_validator("spans", mode="wrap")
    @classmethod
    def _only_good_spans(cls, value: Any, read: ValidatorFunctionWrapHandler) -> Any:
        try:
            return read(value)[:MOST_SPANS]
        except ValidationError:
            return ()


class Sighting(Wire):
    """Something changed in the engine, told at once by its own event."""

    type: Literal["sighting"] = "sighting"
    cluster_id: UUID
    scope: Scope
    at: datetime
    state: State


class InventoryChunk(Wire):
    """Part `number` (from 0) of `total` of everything of `kinds` that one scope holds.

    `look_id` is the same in all parts; `asked_at` is the request's. A set that is not complete is thrown away.
    """

    type: Literal["inventory"] = "inventory"
    cluster_id: UUID
    scope: Scope
    look_id: UUID
    asked_at: datetime
    kinds: tuple[SpecKind, ...]
    number: int
    total: int
    states: tuple[State, ...]


class HostFacts(Wire):
    """What an agent sees of a host it serves. `reachable` is False when its engine does not answer."""

    host_id: UUID
    reachable: bool
    reason: str = ""
    vcpus: int = 0
    memory_mib: int = 0
    vms: int = 0
    virtualization: str = ""


class Heartbeat(Wire):
    """An agent lives, and this is what it serves. Sent every few seconds."""

    type: Literal["heartbeat"] = "heartbeat"
    cluster_id: UUID
    agent_id: UUID
    at: datetime
    version: str
    hosts: tuple[HostFacts, ...] = ()


class Bundle(Wire):
    """What an agent said within a moment, as one message, in its order."""

    type: Literal["bundle"] = "bundle"
    messages: tuple[Annotated[Report | Sighting, Field(discriminator="type")], ...]


Message = Annotated[Report | Sighting | InventoryChunk | Heartbeat | Bundle, Field(discriminator="type")]
MESSAGE: TypeAdapter[Report | Sighting | InventoryChunk | Heartbeat | Bundle] = TypeAdapter(Message)
