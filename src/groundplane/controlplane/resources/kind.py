"""What a Kind is: one declaration from which routes, permissions, audit, claims, jobs and reference docs follow."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from uuid import UUID

from pydantic import BaseModel

from groundplane.controlplane.jobs.workflow import Workflow
from groundplane.controlplane.resources.fields import Nothing
from groundplane.controlplane.resources.resource import Resource
from groundplane.kernel.database import Tx
from groundplane.kernel.ids import format_id, parse_id

Namespace = Literal["tenant", "ops", "common"]


class Maker(Protocol):
    """What a kind may ask for while it admits resources: what is made with them."""

    async def create_parts(self, whole: "Creation", kind: "Kind", request: BaseModel, /, *, suffix: str) -> Sequence["Draft"]:
        """A part for each resource that is being made, named after it, and made by its job."""

    async def keep_secret(self, tx: Tx, draft: "Draft", plain: bytes, /) -> UUID:
        """Store a secret of a resource, sealed; its id is what may travel."""


@dataclass
class Draft:
    """One resource that is about to be made. Its kind adds links and says where it is; `parts` are made by its job."""

    id: UUID
    name: str
    organization_id: UUID | None
    project_id: UUID | None
    cluster_id: UUID | None = None
    host_id: UUID | None = None
    provider_reference: str | None = None
    links: list[tuple[UUID, str]] = field(default_factory=list)
    parts: list[UUID] = field(default_factory=list)


@dataclass
class Creation:
    """A create request on its way through admission: one resource, or many that are alike but for their names.

    `quota` gathers what each takes, parts too: it is claimed at the end, since everybody in the project waits for that row.
    """

    tx: Tx
    manager: Maker
    actor_id: UUID | None
    labels: Mapping[str, str]
    drafts: Sequence[Draft]
    quota: dict[UUID, Mapping[str, int]] = field(default_factory=dict)
    written: list[Callable[[], object]] = field(default_factory=list)

    @property
    def project_id(self) -> UUID | None:
        """Where all of it will be."""
        return self.drafts[0].project_id


@dataclass(frozen=True)
class Wish:
    """A resource that a request's field refers to, by public id or by name."""

    kind: "Kind"
    reference: str
    field: str


class Admit(Protocol):
    """Checks a create request against what is there, makes its claims, and answers the spec to store of each draft."""

    async def __call__(self, creation: Creation, request: Any, /) -> Sequence[BaseModel]:
        """Raise a GroundplaneError to refuse: nothing is left of the attempt."""


def one_by_one(admit: Callable[[Creation, Draft, Any], Awaitable[BaseModel]]) -> Admit:
    """The admission of a kind of which nobody makes very many at once."""

    async def admit_each(creation: Creation, request: Any, /) -> Sequence[BaseModel]:
        return [await admit(creation, draft, request) for draft in creation.drafts]

    return admit_each


async def admit_anything(creation: Creation, request: BaseModel, /) -> Sequence[BaseModel]:
    """A kind that claims nothing: what is asked for is what is stored."""
    return [request for _ in creation.drafts]


class Revise(Protocol):
    """Checks an update, adjusts claims, and answers the new spec."""

    async def __call__(self, tx: Tx, resource: Resource, request: Any, /) -> BaseModel:
        """Raise a GroundplaneError to refuse."""


class Restore(Protocol):
    """Takes an update back: adjusts claims, and answers the spec to go back to."""

    async def __call__(self, tx: Tx, resource: Resource, reached: Mapping[str, Any], /) -> Mapping[str, Any]:
        """`reached` is the spec that was reached last. Raises NotCancellableError for what cannot be taken back."""


async def restore_all(_tx: Tx, _resource: Resource, reached: Mapping[str, Any], /) -> Mapping[str, Any]:
    """Back to what was reached last."""
    return reached


Release = Callable[[Tx, Sequence[Resource]], Awaitable[None]]
Dependants = Callable[[Tx, Resource], Awaitable[Sequence[Resource]]]


async def release_nothing(_tx: Tx, _resources: Sequence[Resource]) -> None:
    """A kind without claims of its own."""


async def no_dependants(_tx: Tx, _resource: Resource) -> Sequence[Resource]:
    """A kind whose deletion takes nothing else along."""
    return ()


@dataclass(frozen=True)
class Action:
    """A verb of a kind beyond create, read, list, update and delete. `apply` answers the new spec."""

    verb: str
    summary: str
    apply: Callable[[Resource], Mapping[str, Any]]


@dataclass(frozen=True)
class Column:
    """A field that tables of a kind show: where it stands in a resource as answered, as `spec.vcpus`, and its heading."""

    path: str
    title: str
    unit: str | None = None


@dataclass(frozen=True, eq=False)
class Kind:
    """One sort of resource. Kinds without workflows are made and deleted in the request itself.

    title     what people call one of it, `title_plural` many; `columns` what a table of it shows beside what all kinds have
    spec      what is stored as what should be; ids in it are public text
    create    the body of a create request; `update` that of a PATCH (None: only labels and the name change)
    refers    what a create request refers to, all of it or some: looked for before, along with what others refer to
    admit     claims and links at creation; `revise` the same at update, `restore` takes that back; `release` gives back
              what resources of the kind hold, once their absence is confirmed
    keeps     what of an update becomes the next version of the resource's secret; None: nothing
    owned     what goes when this resource goes, in the same job
    quota     what it takes of its project's quota, of the `dimensions` that it declares; `meters` what it uses right now
    inventory whether engines report it, and so whether it can drift; `differs` compares a spec with what is observed
    """

    name: str
    plural: str
    title: str
    title_plural: str
    prefix: str
    service: str
    namespace: Namespace
    summary: str
    spec: type[BaseModel]
    create: type[BaseModel] | None
    refers: Callable[[Any], Sequence[Wish]] = lambda _request: ()
    admit: Admit = admit_anything
    update: type[BaseModel] | None = None
    revise: Revise | None = None
    restore: Restore = restore_all
    keeps: Callable[[Any], bytes | None] = lambda _request: None
    observed: type[BaseModel] = Nothing
    release: Release = release_nothing
    owned: Dependants = no_dependants
    on_create: Workflow | None = None
    on_update: Workflow | None = None
    on_delete: Workflow | None = None
    actions: tuple[Action, ...] = ()
    columns: tuple[Column, ...] = ()
    dimensions: tuple[str, ...] = ()
    quota: Callable[[Any], Mapping[str, int]] = lambda _spec: {}
    meters: Callable[[Any, Mapping[str, Any]], Mapping[str, int]] = lambda _spec, _observed: {}
    inventory: bool = False
    differs: Callable[[Any, Mapping[str, Any]], Mapping[str, tuple[Any, Any]]] = lambda _spec, _observed: {}

    def public_id(self, value: UUID) -> str:
        """The id as users see it."""
        return format_id(self.prefix, value)

    def uuid(self, text: str) -> UUID:
        """The id behind a public id that we stored ourselves; LookupError when it is not one of this kind."""
        value = parse_id(self.prefix, text)
        if value is None:
            raise LookupError(text)
        return value

    def takes(self, spec: BaseModel) -> Mapping[str, int]:
        """What a resource of this spec takes of its quota. LookupError for what the kind does not declare."""
        amounts = self.quota(spec)
        if undeclared := amounts.keys() - set(self.dimensions):
            raise LookupError(f"kind {self.name} takes quota of {', '.join(undeclared)}: name that in its `dimensions`")
        return amounts

    def permission(self, verb: str) -> str:
        """The permission that a verb needs: `compute.vm.create`."""
        return f"{self.service}.{self.name}.{verb}"
