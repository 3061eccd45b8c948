"""Uploads of images: streamed into the blob store outside of any transaction, looked into, then made in one."""

import asyncio
from typing import Annotated

import structlog
from fastapi import APIRouter, Query, Request, Response
from pydantic import TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect

from groundplane.controlplane.gateway.blobs import Blob
from groundplane.controlplane.gateway.inspection import ImageFacts, inspect_image
from groundplane.controlplane.gateway.kinds import parse_labels, path_scope
from groundplane.controlplane.gateway.middleware import allow_body
from groundplane.controlplane.gateway.operation import Operation, Reply, attempt
from groundplane.controlplane.gateway.problems import BodyLimitExceeded, BodyTooLargeError, RequestAbortedError, invalid_request
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.views import resource_view
from groundplane.controlplane.resources.fields import Labels, Name
from groundplane.controlplane.resources.resource import Resource
from groundplane.controlplane.resources.scopes import living
from groundplane.controlplane.storage.image import IMAGE, ImageSpec
from groundplane.kernel.database import RetryableDatabaseError
from groundplane.kernel.ids import new_id

log = structlog.get_logger()

_LABELS: TypeAdapter[dict[str, str]] = TypeAdapter(Labels)
ORPHAN_SECONDS = 3_600.0
"""How old a blob without an image must be to be removed: an upload's last transaction is long over by then."""

LabelsQuery = Annotated[str | None, Query(max_length=4096, description="Labels, as in `env=prod,tier=web`.")]


def image_router(services: Services) -> APIRouter:
    """The upload route; an image's other routes are those of every kind."""
    router = APIRouter(tags=[IMAGE.plural])

    @router.post(
        "/projects/{project_id}/images",
        summary="Upload an image",
        operation_id="image_create",
        responses={201: {"description": "Uploaded", "content": _json_of("#/components/schemas/Image")}},
        status_code=201,
        openapi_extra={
            "x-permission": IMAGE.permission("create"),
            "requestBody": {
                "required": True,
                "description": "A qcow2 image that stands alone, or a raw disk that boots.",
                "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
            },
            "parameters": [{"name": "project_id", "in": "path", "required": True, "schema": {"type": "string"}}],
        },
    )
    async def upload(request: Request, name: Annotated[Name, Query()], labels: LabelsQuery = None) -> Response:
        wanted = _parse_labels(labels)
        async with attempt(
            services, request, permission=IMAGE.permission("create"), project_id=path_scope(request).project_id
        ) as op:
            op.resource_kind, op.detail = IMAGE.name, {"name": name}
            await op.authorize()
            return await _take_in(op, name, wanted)

    return router


async def _take_in(op: Operation, name: str, labels: dict[str, str]) -> Response:
    blobs = op.services.blobs
    blob = await _receive(op)

    async def work(op: Operation) -> Reply:
        image = await _make(op, name, labels, blob, facts)
        if not op.dry_run:
            await op.tx.flush()  # whose name is taken leaves no blob
            # Before the commit: an image without its bytes never is. Should the commit fail, the blob is an orphan.
            await asyncio.to_thread(blobs.commit, blob, image.id)
        body = resource_view(IMAGE, image)
        return Reply(body, 201, f"{op.request.url.path}/{body['id']}")

    try:
        facts = await inspect_image(blob.path)
        return await op.commit(work, blob.sha256)
    finally:
        blobs.discard(blob)


async def _receive(op: Operation) -> Blob:
    limit = op.services.settings.max_image_bytes
    allow_body(op.request, limit)
    try:
        return await op.services.blobs.write(op.request.stream(), limit)
    except BodyLimitExceeded as error:
        raise BodyTooLargeError.of(limit) from error
    except ClientDisconnect as error:
        raise RequestAbortedError from error


async def _make(op: Operation, name: str, labels: dict[str, str], blob: Blob, facts: ImageFacts) -> Resource:
    spec = ImageSpec(format=facts.format, size_bytes=blob.size, virtual_size_bytes=facts.virtual_size_bytes, sha256=blob.sha256)
    op.resource_id = new_id()
    outcome = await op.services.manager.create(
        op.tx,
        IMAGE,
        spec,
        name=name,
        labels=labels,
        actor_id=op.actor.id,
        organization_id=op.organization_id,
        project_id=op.project_id,
        resource_id=op.resource_id,
    )
    return outcome.resource


def _parse_labels(text: str | None) -> dict[str, str]:
    try:
        return _LABELS.validate_python(parse_labels(text))
    except ValidationError as error:
        raise invalid_request(error) from error


def _json_of(reference: str) -> dict[str, object]:
    return {"application/json": {"schema": {"$ref": reference}}}


async def collect_garbage(services: Services) -> int:
    """Remove the blobs of deleted images, and what uploads left that never ended; answers how many files."""
    blobs = dict(services.blobs.list())
    async with services.database.transaction() as tx:
        lives = await living(tx, list(blobs))
    gone = [image_id for image_id, age in blobs.items() if not lives.get(image_id, age < ORPHAN_SECONDS)]
    for image_id in gone:
        services.blobs.delete(image_id)
    return len(gone) + services.blobs.sweep()


async def run_collector(services: Services, *, seconds: float = 60.0) -> None:
    """`collect_garbage` for ever."""
    while True:
        try:
            removed = await collect_garbage(services)
        except (*RetryableDatabaseError, TimeoutError) as error:
            log.warning("blobs.garbage", error=repr(error))
        else:
            if removed:
                log.info("blobs.garbage", removed=removed)
        await asyncio.sleep(seconds)
