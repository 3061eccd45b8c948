"""The routes of the second factor: enrol, confirm, disable; an administrator takes away a lost one."""

from fastapi import APIRouter, Request, Response
from pydantic import Field

from groundplane.controlplane.gateway.auth import current_claims
from groundplane.controlplane.gateway.grants import told_once
from groundplane.controlplane.gateway.identity.shapes import IdPath, Password, user_uuid
from groundplane.controlplane.gateway.kinds import answer
from groundplane.controlplane.gateway.login_api import OWN, Code
from groundplane.controlplane.gateway.operation import Operation, Reply, attempt, mutate, operation
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.views import View
from groundplane.controlplane.identity import (
    InvalidCodeError,
    account,
    confirm,
    count_failure,
    enrol,
    get_user,
    has_totp,
    prove,
    recovery_codes_left,
    remove_totp,
    require_not_locked,
)
from groundplane.controlplane.resources.fields import Strict

RESET = "identity.totp.delete"


class Confirmation(Strict):
    """The first code that the device shows."""

    code: Code


class PasswordProof(Strict):
    """The password: who only got hold of a token has none."""

    password: Password


class CodeProof(Strict):
    """A code of the device, or a recovery code."""

    code: Code


class TotpView(View):
    """Whether a login needs a code."""

    enabled: bool
    recovery_codes_left: int


class EnrolmentView(View):
    """What the device is to learn. Told once: a repetition is answered without it."""

    secret: str | None = Field(description="Base 32, for typing.")
    uri: str | None = Field(description="`otpauth://…`, to be shown as a QR code.")


class RecoveryView(View):
    """The second factor counts from now on. Each recovery code is good once; they are told only now."""

    recovery_codes: list[str] | None


def second_factor_router(services: Services) -> APIRouter:
    """One's own second factor, and taking away anybody's."""
    router = APIRouter(tags=["second factor"])
    _add_enrolment(router, services)
    _add_removal(router, services)
    return router


def _add_enrolment(router: APIRouter, services: Services) -> None:

    @router.get("/me/totp", response_model=TotpView, operation_id="my_totp_read", openapi_extra=OWN)
    async def read(request: Request) -> Response:
        """Whether your login needs a code, and how many recovery codes are left."""
        async with operation(services, request, permission=None) as op:
            enabled = await has_totp(op.tx, op.actor.id)
            left = await recovery_codes_left(op.tx, op.actor.id)
        return answer({"enabled": enabled, "recovery_codes_left": left})

    @router.post("/me/totp", response_model=EnrolmentView, status_code=201, operation_id="my_totp_create", openapi_extra=OWN)
    async def begin(request: Request) -> Response:
        """Enrol a device: it counts once a code confirms it."""
        current_claims(request)
        told: dict[str, str] = {}

        async def work(op: Operation) -> Reply:
            op.resource_kind, op.resource_id = "user", op.actor.id
            user = await get_user(op.tx, op.actor.id)
            enrolment = await enrol(op.tx, services.secret_box, user.id, user.email)
            told.update(secret=enrolment.secret, uri=enrolment.uri)
            return Reply({"secret": None, "uri": None}, 201)

        return told_once(await mutate(services, request, work, permission=None), told)

    @router.post(
        "/me/totp/confirm", response_model=RecoveryView, status_code=201, operation_id="my_totp_confirm", openapi_extra=OWN
    )
    async def confirm_code(request: Request, body: Confirmation) -> Response:
        """Confirm the device with a code: from now on a login needs one. Answers ten recovery codes."""
        current_claims(request)
        told: dict[str, list[str]] = {}

        async def work(op: Operation) -> Reply:
            op.resource_kind, op.resource_id = "user", op.actor.id
            user = await get_user(op.tx, op.actor.id)
            await require_not_locked(op.tx, [account(user.email)])
            codes = await confirm(op.tx, services.secret_box, user.id, body.code)
            if codes is None:
                raise InvalidCodeError
            told.update(recovery_codes=codes)
            return Reply({"recovery_codes": None}, 201)

        try:
            return told_once(await mutate(services, request, work, permission=None), told)
        except InvalidCodeError:
            await _count(services, request)
            raise


async def _count(services: Services, request: Request) -> None:
    """A wrong code is a failed attempt at the account, also here."""
    async with services.database.transaction() as tx:
        user = await get_user(tx, current_claims(request).subject)
        await count_failure(tx, [account(user.email)])


def _add_removal(router: APIRouter, services: Services) -> None:
    @router.post("/me/totp/disable", response_model=TotpView, operation_id="my_totp_disable", openapi_extra=OWN)
    async def disable(request: Request, body: PasswordProof | CodeProof) -> Response:
        """Take your second factor away; proves by password or code that it is you."""
        user_id = current_claims(request).subject
        async with attempt(services, request, permission=None) as op:
            op.resource_kind, op.resource_id = "user", user_id
            await op.authorize()
            await prove(services.database, services.secret_box, user_id, **body.model_dump())
            return await op.commit(_remove, await request.body())

    @router.delete(
        "/users/{user_id}/totp", response_model=TotpView, operation_id="totp_delete", openapi_extra={"x-permission": RESET}
    )
    async def reset(request: Request, user_id: IdPath) -> Response:
        """Take a user's second factor away, whose device is lost."""

        async def work(op: Operation) -> Reply:
            op.resource_kind, op.resource_id = "user", user_uuid(user_id)
            await get_user(op.tx, op.resource_id)
            return await _remove(op)

        return await mutate(services, request, work, permission=RESET)


async def _remove(op: Operation) -> Reply:
    if op.resource_id is not None:
        await remove_totp(op.tx, op.resource_id)
    return Reply({"enabled": False, "recovery_codes_left": 0})
