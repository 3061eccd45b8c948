"""Volumes: disks of a project's own, in a host's storage pool."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from groundplane.contracts.specs import VolumeSpec as EngineSpec
from groundplane.controlplane.fleet import placement
from groundplane.controlplane.jobs.engine import NotCancellableError
from groundplane.controlplane.jobs.job import Job
from groundplane.controlplane.jobs.workflow import Absent, Ask, Move, Workflow, done
from groundplane.controlplane.resources import quota, references, store
from groundplane.controlplane.resources.fields import Id, Reference, Refers, Stored, Strict, example
from groundplane.controlplane.resources.kind import Column, Creation, Kind
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

    model_config = example({"size_gib": 20, "image": "debian-12"})

    size_gib: SizeGib
    image: Annotated[Reference, Refers("image")] | None = Field(
        default=None, description="What it is a copy of; empty if not said."
    )


class VolumeUpdate(Strict):
    """Volumes grow; they never shrink."""

    size_gib: SizeGib


class VolumeSpec(Strict):
    """What should be."""

    size_gib: int = Field(description="Size in GiB.")
    image: Annotated[Id, Refers("image")] | None = Field(default=None, description="What it is a copy of.")


class VolumeObserved(Stored):
    """What the storage engine says: the size in bytes."""

    size_bytes: int | None = Field(default=None, description="How large it is.")


async def admit(creation: Creation, request: VolumeRequest) -> Sequence[VolumeSpec]:
    """Claims room in pools; of a draft's own host, if it is placed already."""
    tx = creation.tx
    image = await _image(creation, request) if request.image is not None else None
    shares = await placement.place_volumes(tx, [(draft.id, draft.host_id) for draft in creation.drafts], gib=request.size_gib)
    for draft, share in zip(creation.drafts, shares, strict=True):
        draft.cluster_id, draft.host_id, draft.provider_reference = share.cluster_id, share.host_id, share.engine_name
        if image is not None:
            draft.links.append((image.id, "source"))
    if image is not None:
        _will_be_copied(tx, image, {share.pool_id for share in shares})
    spec = VolumeSpec(size_gib=request.size_gib, image=IMAGE.public_id(image.id) if image else None)
    return [spec for _ in creation.drafts]


async def _image(creation: Creation, request: VolumeRequest) -> Resource:
    image = await references.refer(creation.tx, IMAGE, creation.project_id, request.image or "", field="image")
    needed = ImageSpec.model_validate(image.spec).virtual_size_bytes
    if needed > request.size_gib * GIB:
        raise ImageTooLargeError(
            f"Image {image.name} needs {-(-needed // GIB)} GiB; the volume has {request.size_gib}. Ask for a larger volume."
        )
    return image


def _will_be_copied(tx: Tx, image: Resource, pool_ids: Collection[UUID]) -> None:
    """Write down which pools may hold a copy of the image, before the first volume there is asked for."""
    for pool_id in sorted(pool_ids):
        tx.behind(_COPIES, image.id, pool_id, key=2)


_COPIES = """
    INSERT INTO image_copy (image_id, pool_id) SELECT image_id, pool_id
    FROM unnest({0}::uuid[], {1}::uuid[]) AS copy (image_id, pool_id) ON CONFLICT DO NOTHING
"""


async def revise(tx: Tx, resource: Resource, request: VolumeUpdate) -> VolumeSpec:
    """Claims the difference, of the pool and of the quota."""
    spec = VolumeSpec.model_validate(resource.spec)
    if request.size_gib < spec.size_gib:
        raise UnchangeableError(f"The volume has {spec.size_gib} GiB, and volumes never shrink. Ask for at least that.")
    await placement.grow_volume(tx, resource.id, gib=request.size_gib)
    await quota.claim_more(tx, resource, {"volume_gib": request.size_gib - spec.size_gib})
    return spec.model_copy(update={"size_gib": request.size_gib})


async def restore(_tx: Tx, resource: Resource, reached: Mapping[str, Any]) -> Mapping[str, Any]:
    """A volume that may have grown stays so, since volumes never shrink. Raises NotCancellableError."""
    if reached["size_gib"] != resource.spec["size_gib"]:
        raise NotCancellableError("The volume may have grown already, and volumes never shrink. Let the job end.")
    return reached


def engine_spec(volume: Resource, images: Mapping[UUID, Resource]) -> EngineSpec:
    """The volume in an engine's words; for the machine that is made with it too. `images` has what it is a copy of."""
    spec = VolumeSpec.model_validate(volume.spec)
    return EngineSpec(
        id=volume.id,
        pool=pool_of(volume),
        size_bytes=spec.size_gib * GIB,
        source=source(images[IMAGE.uuid(spec.image)]) if spec.image else None,
    )


def pool_of(volume: Resource) -> str:
    """What the storage engine calls the pool that the volume lies in."""
    if volume.provider_reference is None:
        raise LookupError(f"volume {volume.id} lies in no pool")
    return volume.provider_reference


def images_of(volumes: Iterable[Resource]) -> set[UUID]:
    """What the volumes are copies of."""
    return {IMAGE.uuid(volume.spec["image"]) for volume in volumes if volume.spec.get("image")}


async def ensure(tx: Tx, job: Job) -> Move:
    """The pool holds the volume."""
    volume = await store.load(tx, job.resource_id)
    want = engine_spec(volume, await store.recall(tx, images_of([volume])))
    return _ask(volume, want)


async def remove(tx: Tx, job: Job) -> Move:
    """The pool holds nothing of it."""
    volume = await store.load(tx, job.resource_id)
    return _ask(volume, Absent("volume", volume.id, pool_of(volume)))


def _ask(volume: Resource, want: EngineSpec | Absent) -> Ask:
    if volume.cluster_id is None or volume.host_id is None:
        raise LookupError(f"volume {volume.id} is on no host")
    return Ask(volume.cluster_id, str(volume.host_id), [want], then="done")


async def release(tx: Tx, resources: Sequence[Resource]) -> None:
    """The room is free again."""
    await placement.release_volumes(tx, [resource.id for resource in resources])


def _differs(spec: VolumeSpec, observed: Mapping[str, Any]) -> Mapping[str, tuple[Any, Any]]:
    """A volume that is smaller than wanted. One that was made larger stays so, since volumes never shrink."""
    wanted, size = spec.size_gib * GIB, observed.get("size_bytes")
    return {} if size is None or size >= wanted else {"size_bytes": (wanted, size)}


ENSURE = Workflow("volume.ensure", version=1, steps={"ensure": ensure, "done": done})
DELETE = Workflow("volume.delete", version=1, steps={"remove": remove, "done": done})

VOLUME = Kind(
    name="volume",
    plural="volumes",
    title="Volume",
    title_plural="Volumes",
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
    restore=restore,
    release=release,
    on_create=ENSURE,
    on_update=ENSURE,
    on_delete=DELETE,
    dimensions=("volumes", "volume_gib"),
    quota=lambda spec: {"volumes": 1, "volume_gib": spec.size_gib},
    meters=lambda spec, observed: {"volume_gib": spec.size_gib} if observed else {},
    inventory=True,
    differs=_differs,
    columns=(
        Column("spec.size_gib", "Size", unit="GiB"),
        Column("spec.image", "Image"),
    ),
)
