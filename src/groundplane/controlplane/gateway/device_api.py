"""The routes of the device flow (RFC 8628): a program asks and polls, a person who is logged in approves or denies.

Unlike the RFC, bodies are JSON; refusals are problems that carry the RFC's `error` too.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field, StringConstraints

from groundplane.controlplane.gateway.auth import current_claims
from groundplane.controlplane.gateway.grants import LoginView, client_of, granted, lifetime_of, record_open
from groundplane.controlplane.gateway.kinds import answer
from groundplane.controlplane.gateway.login_api import DEVICE_PATH, DEVICE_TOKEN_PATH, LOGIN, OPEN, OWN
from groundplane.controlplane.gateway.operation import Operation, Reply, Work, mutate, operation
from groundplane.controlplane.gateway.problems import problem_response
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.views import View
from groundplane.controlplane.identity import (
    EXPIRES_SECONDS,
    INTERVAL_SECONDS,
    Device,
    DeviceFlowError,
    NotYet,
    UserCodeNotFoundError,
    approve_device,
    ask_for_device,
    count_failure,
    deny_device,
    device_codes,
    poll_device,
    require_not_locked,
    waiting_device,
)
from groundplane.controlplane.resources.fields import Strict

VERIFICATION_PATH = "/console/device"
"""The console's page where people approve devices."""
GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"


class AskForDevice(Strict):
    """A program without a browser wants to act for somebody."""

    client_id: Annotated[str, StringConstraints(max_length=100)] | None = Field(default=None, description="Not looked at.")


UserCodeText = Annotated[
    str,
    StringConstraints(min_length=8, max_length=20, pattern=r"^[A-Za-z -]+$"),
]


class UserCode(Strict):
    """What the device shows; case, spaces and hyphens do not matter."""

    user_code: UserCodeText


class PollDevice(Strict):
    """The device's own secret."""

    device_code: Annotated[str, StringConstraints(max_length=100, pattern=r"^[A-Za-z0-9_-]+$")]
    grant_type: Annotated[str, StringConstraints(pattern=f"^{GRANT_TYPE}$")] = GRANT_TYPE
    client_id: Annotated[str, StringConstraints(max_length=100)] | None = Field(default=None, description="Not looked at.")


class DeviceCodesView(View):
    """Show `user_code` and `verification_uri`, and poll with `device_code`, `interval` seconds apart (RFC 8628, 3.2)."""

    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_in: int
    interval: int


class DeviceView(View):
    """The device that was let in or kept out, as far as it can be told."""

    address: str | None
    user_agent: str


class WaitingDeviceView(DeviceView):
    """A device that waits for your decision: let it in only if it was you who asked, there and then."""

    created_at: datetime = Field(description="When it asked.")
    expires_at: datetime = Field(description="Until when it can be let in.")


def device_router(services: Services) -> APIRouter:
    """Ask, approve, deny, poll."""
    router = APIRouter(tags=["device flow"])
    _add_device(router, services)
    _add_person(router, services)
    return router


def _add_device(router: APIRouter, services: Services) -> None:
    @router.post(DEVICE_PATH, response_model=DeviceCodesView, operation_id="device_create", openapi_extra=OPEN)
    async def ask(request: Request, body: AskForDevice) -> Response:
        """Ask to act for whoever approves it: get codes that are good for ten minutes."""
        del body
        async with services.database.transaction() as tx:
            codes = await ask_for_device(tx, client_of(request))
        uri = services.settings.verification_url or f"{request.url.scheme}://{request.url.netloc}{VERIFICATION_PATH}"
        return answer(
            {
                "device_code": codes.device_code,
                "user_code": codes.user_code,
                "verification_uri": uri,
                "verification_uri_complete": f"{uri}?user_code={codes.user_code}",
                "expires_in": EXPIRES_SECONDS,
                "interval": INTERVAL_SECONDS,
            }
        )

    @router.post(DEVICE_TOKEN_PATH, response_model=LoginView, operation_id="device_token", openapi_extra=OPEN)
    async def poll(request: Request, body: PollDevice) -> Response:
        """Ask whether it was approved: once it is, get tokens. Else 400 with the RFC's `error`."""
        async with services.database.transaction() as tx:
            outcome = await poll_device(tx, body.device_code, client_of(request), lifetime_of(services.settings))
            if isinstance(outcome, NotYet):
                if outcome.error.code == "access_denied":
                    record_open(tx, request, LOGIN, "denied", code=outcome.error.code, detail={"method": "device"})
            else:
                detail = {"email": outcome.user.email, "method": "device"}
                user_id, session_id = outcome.user.id, outcome.session_id
                record_open(tx, request, LOGIN, "allowed", user_id=user_id, session_id=session_id, detail=detail)
        if isinstance(outcome, NotYet):
            return _refused(request, outcome.error)
        return granted(services, request, outcome, cookie=False)


def _refused(request: Request, error: DeviceFlowError) -> Response:
    """The problem, with the RFC's own word for it."""
    response = problem_response(error, request.scope)
    body = {**json.loads(bytes(response.body)), "error": error.code}
    return Response(json.dumps(body), error.status, media_type=response.media_type)


def _add_person(router: APIRouter, services: Services) -> None:
    @router.get("/auth/device/waiting", response_model=WaitingDeviceView, operation_id="device_read", openapi_extra=OWN)
    async def show(request: Request, user_code: Annotated[UserCodeText, Query(description="What it shows.")]) -> Response:
        """Show the device that waits with this code: who asks, from where and since when."""
        subject = current_claims(request).subject
        async with _guesses_counted(services, subject), operation(services, request, permission=None) as op:
            await require_not_locked(op.tx, [device_codes(subject)])
            device = await waiting_device(op.tx, user_code)
        return answer(vars(device))

    @router.post("/auth/device/approve", response_model=DeviceView, operation_id="device_approve", openapi_extra=OWN)
    async def approve(request: Request, body: UserCode) -> Response:
        """Let the device in that shows this code: it acts as you."""

        async def work(op: Operation) -> Reply:
            return _told(op, await approve_device(op.tx, body.user_code, op.actor.id))

        return await _decide(services, request, work)

    @router.post("/auth/device/deny", response_model=DeviceView, operation_id="device_deny", openapi_extra=OWN)
    async def deny(request: Request, body: UserCode) -> Response:
        """Keep the device out that shows this code."""

        async def work(op: Operation) -> Reply:
            return _told(op, await deny_device(op.tx, body.user_code, op.actor.id))

        return await _decide(services, request, work)


def _told(op: Operation, device: Device) -> Reply:
    op.resource_kind, op.resource_id = "device_authorization", device.id
    op.detail = {"address": device.address, "user_agent": device.user_agent}
    return Reply({"address": device.address, "user_agent": device.user_agent})


async def _decide(services: Services, request: Request, work: Work) -> Response:
    subject = current_claims(request).subject

    async def unless_locked(op: Operation) -> Reply:
        await require_not_locked(op.tx, [device_codes(subject)])
        return await work(op)

    async with _guesses_counted(services, subject):
        return await mutate(services, request, unless_locked, permission=None)


@asynccontextmanager
async def _guesses_counted(services: Services, subject: UUID) -> AsyncIterator[None]:
    """Codes are short: whoever guesses waits ever longer (RFC 8628, 5.1)."""
    try:
        yield
    except UserCodeNotFoundError:
        async with services.database.transaction() as tx:
            await count_failure(tx, [device_codes(subject)])
        raise
