"""What machines have beyond the generic routes: their console log, streamed from the agent."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from groundplane.controlplane.compute.vm import VM
from groundplane.controlplane.gateway.console import read_console
from groundplane.controlplane.gateway.kinds import ReferencePath, path_scope, scope_parameters
from groundplane.controlplane.gateway.operation import operation
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.resources import store
from groundplane.controlplane.resources.problems import NotReadyError

Offset = Annotated[int, Query(ge=0, le=1 << 62, description="The first byte wanted.")]
Length = Annotated[int, Query(ge=1, le=16 << 20, description="How many bytes at most.")]

PREFIX = "/projects/{project_id}"


def machine_router(services: Services) -> APIRouter:
    """The routes of machines' own."""
    router = APIRouter(prefix=PREFIX, tags=["vms"])

    @router.get(
        "/vms/{reference}/console-log", summary="Read the serial console's log", operation_id="vm_console_log",
        response_class=StreamingResponse, responses={200: {"content": {"text/plain": {}}}},
        openapi_extra={"x-permission": VM.permission("console"), **scope_parameters(PREFIX)},
    )  # fmt: skip
    async def console_log(
        request: Request, reference: ReferencePath, offset: Offset = 0, limit: Length = 1 << 20
    ) -> StreamingResponse:
        scope = path_scope(request)
        async with operation(services, request, permission=VM.permission("console"), **scope.place) as op:
            vm = await store.get(op.tx, VM, scope.project_id, reference)
        if vm.cluster_id is None or vm.host_id is None:
            raise NotReadyError
        pieces = await read_console(services, vm.cluster_id, vm.host_id, vm.id, offset, limit)
        return StreamingResponse(pieces, media_type="text/plain; charset=utf-8")

    return router
