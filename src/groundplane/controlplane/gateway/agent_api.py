"""The agents' own API: bytes of images, secrets, and answers to reads. For agents' tokens alone; not public."""

import sys
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from starlette.responses import FileResponse

from groundplane.controlplane.audit import AuditEntry, record
from groundplane.controlplane.fleet.enrolment import require_enrolled
from groundplane.controlplane.gateway.auth import current_actor, current_claims
from groundplane.controlplane.gateway.console import deliver
from groundplane.controlplane.gateway.middleware import allow_body
from groundplane.controlplane.gateway.operation import origin
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.resources.scopes import image_needed, wanted_in_cluster
from groundplane.controlplane.secrets import Sealed, SecretStore
from groundplane.kernel.database import Tx
from groundplane.kernel.errors import NotFoundError

STATUS_HEADER = "X-Groundplane-Status"
NOT_FOUND = "not_found"
FETCH = "secrets.secret.fetch"
"""The action of an agent that asks for a secret, in the audit log."""


class _BlobResponse(FileResponse):
    chunk_size = 1 << 20


def _record_refusal(tx: Tx, request: Request, secret_id: UUID, found: Sealed | None) -> None:
    """The owner's organization sees who asked for what is theirs."""
    actor = current_actor(request)
    entry = AuditEntry(
        action=FETCH, outcome="denied", actor_id=actor.id, actor_kind=actor.kind, code=NotFoundError.code,
        organization_id=found.organization_id if found else None, resource_id=found.resource_id if found else None,
        detail={"secret_id": str(secret_id)}, **origin(request),
    )  # fmt: skip
    record(tx, entry)


def agent_router(services: Services) -> APIRouter:
    """What agents dial for themselves. Ids are plain UUIDs here. Each request asks whether the agent is still enrolled."""

    async def enrolled(request: Request) -> None:
        claims = current_claims(request)
        async with services.database.transaction() as tx:
            await require_enrolled(tx, claims.subject, claims.issued_at)

    store = SecretStore(services.secret_box)
    router = APIRouter(dependencies=[Depends(enrolled)])

    @router.get("/images/{image_id}")
    async def image(request: Request, image_id: UUID) -> Response:
        """An image's bytes, whole or a range, if a pool of the agent's own cluster needs them."""
        cluster_id = current_claims(request).cluster_id
        async with services.database.transaction() as tx:
            needed = cluster_id is not None and await image_needed(tx, image_id, cluster_id=cluster_id)
        path = services.blobs.path(image_id)
        if not needed or not path.exists():
            raise NotFoundError("There is no such image in this cluster.")
        return _BlobResponse(path, media_type="application/octet-stream")

    @router.get("/secrets/{secret_id}")
    async def secret(request: Request, secret_id: UUID) -> Response:
        """A secret's plain bytes, if its resource is wanted and lies in the agent's own cluster. A refusal is audited."""
        cluster_id = current_claims(request).cluster_id
        async with services.database.transaction() as tx:
            found = await store.find(tx, secret_id)
            needed = found and cluster_id and await wanted_in_cluster(tx, found.resource_id, cluster_id=cluster_id)
            if not needed:
                _record_refusal(tx, request, secret_id, found)
        if found is None or not needed:
            raise NotFoundError("There is no such secret in this cluster.")
        return Response(await store.open(found), media_type="application/octet-stream")

    @router.post("/answers/{token}", status_code=204)
    async def answer(request: Request, token: str) -> Response:
        """The bytes that a reader in this process waits for. The status header says `not_found` if there is nothing."""
        waiting = services.answers.take(token, current_claims(request).cluster_id)
        if waiting is None:
            raise NotFoundError("Nobody waits for this answer any more.")
        allow_body(request, sys.maxsize)  # `deliver` stops reading where the reader's own limit is
        found = request.headers.get(STATUS_HEADER) != NOT_FOUND
        await deliver(waiting, request.stream(), found=found)
        return Response(status_code=204)

    return router
