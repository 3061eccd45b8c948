"""The route by which users change their own password. A forgotten one is an administrator's matter."""

from fastapi import APIRouter, Request, Response

from groundplane.controlplane.gateway.auth import current_claims
from groundplane.controlplane.gateway.identity.shapes import Password
from groundplane.controlplane.gateway.login_api import OWN, forget_soon
from groundplane.controlplane.gateway.operation import Operation, Reply, attempt
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.sessions_api import EndedView
from groundplane.controlplane.identity import end_sessions, hash_password, prove, set_password
from groundplane.controlplane.resources.fields import Strict


class ChangePassword(Strict):
    """The password as it is: who only got hold of a token has none. And the one to come."""

    password: Password
    new_password: Password


def password_router(services: Services) -> APIRouter:
    """One's own password."""
    router = APIRouter(tags=["session"])

    @router.post("/me/password", response_model=EndedView, operation_id="my_password_change", openapi_extra=OWN)
    async def change(request: Request, body: ChangePassword) -> Response:
        """Change your password. Ends all of your sessions but this one; API keys stay good."""
        claims = current_claims(request)
        async with attempt(services, request, permission=None) as op:
            op.resource_kind, op.resource_id = "user", claims.subject
            await op.authorize()
            await prove(services.database, services.secret_box, claims.subject, password=body.password)
            hashed = await hash_password(body.new_password)

            async def work(op: Operation) -> Reply:
                await set_password(op.tx, claims.subject, hashed)
                ended = await end_sessions(op.tx, claims.subject, reason="password_changed", except_for=claims.session_id)
                forget_soon(op, *ended)
                op.detail = {"ended": len(ended)}
                return Reply({"ended": len(ended)})

            return await op.commit(work, await request.body())

    return router
