"""How agents come and go: operators invite and revoke them, and a process with an invitation, or a proven key, is let in."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Request, Response
from pydantic import Field, StringConstraints, field_validator
from pydantic_core import from_json

from groundplane.contracts.enrolment import ENROL_PATH, RENEW_PATH, AgentCredential, BusAccess
from groundplane.controlplane.audit import AuditEntry, record
from groundplane.controlplane.fleet import enrolment
from groundplane.controlplane.fleet.agent import AGENT
from groundplane.controlplane.fleet.enrolment import Enrolled
from groundplane.controlplane.gateway.idempotency import REPLAYED_HEADER
from groundplane.controlplane.gateway.kinds import answer
from groundplane.controlplane.gateway.operation import Operation, Reply, mutate, origin
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.views import View
from groundplane.controlplane.resources import store
from groundplane.controlplane.resources.fields import Strict
from groundplane.kernel.database import Tx
from groundplane.kernel.errors import NotFoundError, UnauthenticatedError
from groundplane.kernel.nats_tokens import is_user_key

ENROLMENT_SECONDS = 3_600
LONGEST_ENROLMENT_SECONDS = 7 * 86_400

AgentPath = Annotated[str, Path(max_length=80, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="The agent's id or name.")]


class InviteAgent(Strict):
    """An invitation for one process."""

    expires_in: Annotated[int, Field(ge=60, le=LONGEST_ENROLMENT_SECONDS, description="Seconds.")] = ENROLMENT_SECONDS


class Invitation(View):
    """What lets one process become the agent, once: `groundplane agent --enrol TOKEN --api URL`."""

    agent_id: str
    token: str = Field(description="The one-time token. A later invitation of the agent makes it void.")
    expires_at: datetime


class RevokedAgent(View):
    """The agent's credentials are void. It can be enrolled again."""

    agent_id: str
    was_enrolled: bool


class EnrolAgent(Strict):
    """See contracts.enrolment.Enrol."""

    token: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    nkey: Annotated[str, StringConstraints(min_length=56, max_length=56)]

    @field_validator("nkey")
    @classmethod
    def _is_key(cls, text: str) -> str:
        if not is_user_key(text):
            raise ValueError("This is not the public nkey of a user.")
        return text


class RenewAgent(Strict):
    """See contracts.enrolment.Renew."""

    nkey: Annotated[str, StringConstraints(min_length=56, max_length=56)]
    at: Annotated[int, Field(ge=0, lt=1 << 53)]
    signature: Annotated[str, StringConstraints(max_length=100)]


def agents_router(services: Services) -> APIRouter:
    """What operators do with agents beyond creating and deleting them."""
    router = APIRouter()

    @router.post(
        "/agents/{reference}/enrolment", response_model=Invitation, status_code=201, tags=["agents"], **_named("enrol")
    )
    async def invite(request: Request, reference: AgentPath, body: InviteAgent) -> Response:
        """Make a one-time token by which a process becomes this agent. It replaces the one before."""

        async def work(op: Operation) -> Reply:
            agent_id = await _agent(op, reference)
            token, expires_at = await enrolment.invite(op.tx, agent_id, seconds=body.expires_in)
            sealed = services.secret_box.seal(token.encode(), agent_id.bytes)
            told = {"agent_id": AGENT.public_id(agent_id), "token": sealed.hex(), "expires_at": expires_at}
            return Reply(told, 201)

        # What is kept for repetitions holds the token sealed; it is opened here, each time.
        response = await mutate(services, request, work, permission=AGENT.permission("enrol"))
        if response.status_code != 201:
            return response
        told = from_json(bytes(response.body))
        token = services.secret_box.open(bytes.fromhex(told["token"]), AGENT.uuid(told["agent_id"]).bytes)
        opened = answer({**told, "token": token.decode()}, 201)
        if REPLAYED_HEADER in response.headers:
            opened.headers[REPLAYED_HEADER] = response.headers[REPLAYED_HEADER]
        return opened

    @router.post("/agents/{reference}/revoke", response_model=RevokedAgent, tags=["agents"], **_named("revoke"))
    async def revoke(request: Request, reference: AgentPath) -> Response:
        """Make all of the agent's credentials void, and an invitation that is open: the api refuses it, the bus cuts it off."""

        async def work(op: Operation) -> Reply:
            agent_id = await _agent(op, reference)
            return Reply({"agent_id": AGENT.public_id(agent_id), "was_enrolled": await enrolment.revoke(op.tx, agent_id)})

        return await mutate(services, request, work, permission=AGENT.permission("revoke"))

    return router


def enrolment_router(services: Services) -> APIRouter:
    """The agents' API for those who have no token: an invitation, or a proof by the agent's key, is the credential."""
    router = APIRouter()

    @router.post(ENROL_PATH, response_model=AgentCredential)
    async def enrol(request: Request, body: EnrolAgent) -> Response:
        """Become an agent, once for each invitation."""
        try:
            async with services.database.transaction() as tx:
                enrolled = await enrolment.enrol(tx, body.token, body.nkey)
                record(tx, _entry(request, enrolled.agent_id, "allowed", None, body.nkey))
                credential = await _credential(services, tx, enrolled)
        except UnauthenticatedError as error:
            async with services.database.transaction() as tx:
                record(tx, _entry(request, None, "denied", error.code, body.nkey))
            raise
        return answer(credential.model_dump(mode="json"))

    @router.post(RENEW_PATH, response_model=AgentCredential)
    async def renew(body: RenewAgent) -> Response:
        """Get what opens api and bus for the time to come."""
        async with services.database.transaction() as tx:
            enrolled = await enrolment.prove(tx, body.nkey, body.at, body.signature)
            credential = await _credential(services, tx, enrolled)
        return answer(credential.model_dump(mode="json"))

    return router


async def _agent(op: Operation, reference: str) -> UUID:
    """The id of a living agent; the audit row is about it. Raises NotFoundError."""
    found = await store.find(op.tx, AGENT, None, reference)
    if found is None:
        raise NotFoundError
    op.resource_kind, op.resource_id = AGENT.name, found.id
    return found.id


async def _credential(services: Services, tx: Tx, enrolled: Enrolled) -> AgentCredential:
    settings = services.settings
    seconds = settings.agent_credential_seconds
    issued_at = datetime.now(UTC)
    expires_at = issued_at + timedelta(seconds=seconds)
    bus = None
    if services.bus_keys is not None:
        token = services.bus_keys.agent_token(
            enrolled.agent_id, enrolled.cluster_id, enrolled.nkey, expires_at=int(expires_at.timestamp())
        )
        bus = BusAccess(url=settings.agent_nats_url or settings.nats_url.get_secret_value(), token=token)
    return AgentCredential(
        agent_id=enrolled.agent_id,
        cluster_id=enrolled.cluster_id,
        hosts=tuple(await enrolment.served_hosts(tx, enrolled.cluster_id)),
        http_token=services.tokens.issue_agent(enrolled.agent_id, enrolled.cluster_id, seconds),
        issued_at=issued_at,
        expires_at=expires_at,
        bus=bus,
    )


def _entry(
    request: Request, agent_id: UUID | None, outcome: Literal["allowed", "denied"], code: str | None, nkey: str
) -> AuditEntry:
    return AuditEntry(
        action=AGENT.permission("enrol"),
        outcome=outcome,
        actor_id=agent_id,
        actor_kind="agent" if agent_id else "anonymous",
        resource_kind=AGENT.name,
        resource_id=agent_id,
        code=code,
        detail={"nkey": nkey},
        **origin(request),
    )


def _named(verb: str) -> Any:
    """A route's name and permission in the OpenAPI document."""
    return {"operation_id": f"agent_{verb}", "openapi_extra": {"x-permission": AGENT.permission(verb)}}
