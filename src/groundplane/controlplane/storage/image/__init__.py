"""Images: disks to start volumes from. Uploaded through the api; pools keep copies, made when first needed."""

from typing import Annotated, Literal

from pydantic import Field

from groundplane.contracts.specs import ImageSource
from groundplane.controlplane.jobs.job import Job
from groundplane.controlplane.jobs.workflow import Absent, Ask, Done, Go, Move, Workflow, done
from groundplane.controlplane.resources.fields import Strict
from groundplane.controlplane.resources.kind import Column, Kind
from groundplane.controlplane.resources.resource import Resource
from groundplane.kernel.database import Tx


class ImageSpec(Strict):
    """What was uploaded: never changes. Sizes in bytes; the virtual size is what a guest sees."""

    format: Literal["qcow2", "raw"] = Field(description="How the bytes are to be read.")
    size_bytes: Annotated[int, Field(ge=1, description="How many bytes were uploaded.")]
    virtual_size_bytes: Annotated[int, Field(ge=1, description="The size of the disk that a guest sees.")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="The digest of what was uploaded.")]


def source(image: Resource) -> ImageSource:
    """The image in an engine's words."""
    spec = ImageSpec.model_validate(image.spec)
    return ImageSource(image_id=image.id, sha256=spec.sha256, size_bytes=spec.size_bytes, format=spec.format)


async def remove(tx: Tx, job: Job) -> Move:
    """Each pool's copy goes, one after the other, each on a host that reaches the pool."""
    copy = await tx.row(
        """SELECT pool_id, pool_capacity.host_id, pool_capacity.cluster_id, spec ->> 'engine_name' AS pool
           FROM image_copy JOIN pool_capacity USING (pool_id) JOIN resource ON resource.id = pool_id
           WHERE image_id = $1 ORDER BY pool_id LIMIT 1""",
        job.resource_id,
    )
    if copy is None:
        return Done()
    job.data = {"pool_id": str(copy["pool_id"])}
    want = Absent("image", job.resource_id, copy["pool"])
    return Ask(copy["cluster_id"], str(copy["host_id"]), [want], then="forget")


async def forget(tx: Tx, job: Job) -> Move:
    """A pool's copy is gone for certain."""
    await tx.execute(
        "DELETE FROM image_copy WHERE image_id = $1 AND pool_id = $2::text::uuid", job.resource_id, job.data["pool_id"]
    )
    return Go("remove")


DELETE = Workflow("image.delete", version=1, steps={"remove": remove, "forget": forget, "done": done})

IMAGE = Kind(
    name="image",
    plural="images",
    title="Image",
    title_plural="Images",
    prefix="img",
    service="storage",
    namespace="tenant",
    summary="A disk to start volumes from.",
    spec=ImageSpec,
    create=None,
    on_delete=DELETE,
    dimensions=("images",),
    quota=lambda _spec: {"images": 1},
    columns=(
        Column("spec.format", "Format"),
        Column("spec.virtual_size_bytes", "Disk size", unit="bytes"),
        Column("spec.size_bytes", "File size", unit="bytes"),
    ),
)
