"""Volumes: disks of a project's own, in a host's storage pool."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from groundplane.contracts.specs import VolumeSpec as EngineSpec
from groundplane.controlplane.fleet import placement
from groundplane.controlplane.jobs.job import Job
from groundplane.controlplane.jobs.workflow import Absent, Ask, Move, Workflow, done
from groundplane.controlplane.resources import quota, store
from groundplane.controlplane.resources.fields import Reference, Stored, Strict
from groundplane.controlplane.resources.kind import Creation, Kind
from groundplane.controlplane.resources.problems import UnchangeableError
from groundplane.controlplane.resources.resource import Resource
from groundplane.controlplane.storage.image import IMAGE, ImageSpec, source
from groundplane.kernel.database import Tx
from groundplane.kernel.errors import InvalidRequestError

GIB = 1 << 30

SizeGib = Annotated[int, Field(ge=1, le=65_536, description="Size in GiB.")]


class ImageTooLargeError(InvalidRequestError):
    """The image does not fit into a volume of this size. Ask for a larger volume."""

    code = "image_too_large"


class VolumeRequest(Strict):
    """Empty, or a copy of an image."""

    size_gib: SizeGib
    image: Reference | None = None


class VolumeUpdate(Strict):
    """Volumes grow; they never shrink."""

    size_gib: SizeGib


class VolumeSpec(Strict):
    """What should be."""

    size_gib: int
    image: str | None = None


class VolumeObserved(Stored):
    """What the storage engine says: the size in bytes."""

    size_bytes: int | None = None


async def admit(creation: Creation, request: VolumeRequest) -> VolumeSpec:
    """Claims room in a pool; of the creation's host, if it is placed already."""
    tx, image_text = creation.tx, None
    share = await placement.place_volume(tx, creation.id, gib=request.size_gib, host_id=creation.host_id)
    creation.cluster_id, creation.host_id = share.cluster_id, share.host_id
    if request.image is not None:
        image = await store.refer(tx, IMAGE, creation.project_id, request.image, field="image")
        needed = ImageSpec.model_validate(image.spec).virtual_size_bytes
        if needed > request.size_gib * GIB:
            raise ImageTooLargeError(
                f"Image {image.name} needs {-(-needed // GIB)} GiB; the volume has {request.size_gib}. Ask for a larger volume."
            )
        image_text = IMAGE.public_id(image.id)
        creation.links.append((image.id, "source"))
        await tx.execute(
            "INSERT INTO image_copy (image_id, pool_id) VALUES ($1, $2) ON CONFLICT DO NOTHING", image.id, share.pool_id
        )
    return VolumeSpec(size_gib=request.size_gib, image=image_text)


async def revise(tx: Tx, resource: Resource, request: VolumeUpdate) -> VolumeSpec:
    """Claims the difference, of the pool and of the quota."""
    spec = VolumeSpec.model_validate(resource.spec)
    if request.size_gib < spec.size_gib:
        raise UnchangeableError(f"The volume has {spec.size_gib} GiB, and volumes never shrink. Ask for at least that.")
    await placement.grow_volume(tx, resource.id, gib=request.size_gib)
    if resource.project_id is not None:
        await quota.claim(tx, resource.project_id, {resource.id: {"volume_gib": request.size_gib - spec.size_gib}})
    return spec.model_copy(update={"size_gib": request.size_gib})


async def engine_spec(tx: Tx, volume: Resource) -> tuple[placement.PoolShare, EngineSpec]:
    """The volume in an engine's words, and where it lies; for the machine that is made with it too."""
    spec = VolumeSpec.model_validate(volume.spec)
    share = await placement.pool_of(tx, volume.id)
    image = await store.load(tx, IMAGE.uuid(spec.image)) if spec.image else None
    return share, EngineSpec(
        id=volume.id,
        pool=share.engine_name,
        size_bytes=spec.size_gib * GIB,
        source=source(image) if image else None,
    )


async def ensure(tx: Tx, job: Job) -> Move:
    """The pool holds the volume."""
    volume = await store.load(tx, job.resource_id)
    share, want = await engine_spec(tx, volume)
    return Ask(share.cluster_id, str(share.host_id), [want], then="done")


async def remove(tx: Tx, job: Job) -> Move:
    """The pool holds nothing of it."""
    share = await placement.pool_of(tx, job.resource_id)
    want = Absent("volume", job.resource_id, share.engine_name)
    return Ask(share.cluster_id, str(share.host_id), [want], then="done")


async def release(tx: Tx, resource: Resource) -> None:
    """The room is free again."""
    await placement.release_volume(tx, resource.id)


def _differs(spec: VolumeSpec, observed: Mapping[str, Any]) -> Mapping[str, tuple[Any, Any]]:
    """A volume that is smaller than wanted. One that was made larger stays so, since volumes never shrink."""
    wanted, size = spec.size_gib * GIB, observed.get("size_bytes")
    return {} if size is None or size >= wanted else {"size_bytes": (wanted, size)}


ENSURE = Workflow("volume.ensure", version=1, steps={"ensure": ensure, "done": done})
DELETE = Workflow("volume.delete", version=1, steps={"remove": remove, "done": done})

VOLUME = Kind(
    name="volume",
    plural="volumes",
    prefix="vol",
    service="storage",
    namespace="tenant",
    summary="A disk of the project's own.",
    spec=VolumeSpec,
    create=VolumeRequest,
    update=VolumeUpdate,
    observed=VolumeObserved,
    admit=admit,
    revise=revise,
    release=release,
    on_create=ENSURE,
    on_update=ENSURE,
    on_delete=DELETE,
    quota=lambda spec: {"volumes": 1, "volume_gib": spec.size_gib},
    meters=lambda spec, observed: {"volume_gib": spec.size_gib} if observed else {},
    inventory=True,
    differs=_differs,
)
