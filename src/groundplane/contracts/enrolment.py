"""How an agent becomes one, and stays one: what it sends to the agents' API without a token, and what it is given.

The agent's identity is an nkey that it made itself; its seed never leaves the agent. Everything that it is given ends soon.
"""

from datetime import datetime
from uuid import UUID

from groundplane.contracts.wire import Wire

ENROL_PATH = "/enrol"
RENEW_PATH = "/renew"


class Enrol(Wire):
    """The one-time enrolment token, and the public key by which the agent is to be known."""

    token: str
    nkey: str


class Renew(Wire):
    """A proof that the agent holds its key: `signature` (base64) is over `renewal_statement`.

    `at` is the agent's time in milliseconds since 1970. Each proof counts once: `at` must rise.
    """

    nkey: str
    at: int
    signature: str


class ServedHost(Wire):
    """A host that the agent drives, and how large it is said to be."""

    id: UUID
    name: str
    vcpus: int
    memory_mib: int


class BusAccess(Wire):
    """Where the bus is, and the user JWT for the agent's nkey."""

    url: str
    token: str


class AgentCredential(Wire):
    """Who the agent is, what it serves, and what opens the api (`http_token`) and the bus until `expires_at`.

    `bus` is None where the platform does not issue credentials for its bus: the agent is then told of it by its settings.
    """

    agent_id: UUID
    cluster_id: UUID
    hosts: tuple[ServedHost, ...]
    http_token: str
    issued_at: datetime
    expires_at: datetime
    bus: BusAccess | None = None


def renewal_statement(nkey: str, at: int) -> bytes:
    """What a proof signs. The first words keep it from being anything else that the key may sign."""
    return f"groundplane agent renews\n{nkey}\n{at}".encode()
