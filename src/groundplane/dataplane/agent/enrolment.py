"""How this process becomes an agent and stays one: its key, which never leaves it, and what it is given for a while.

All of it lies in one folder, with mode 0600. Knows nothing of what the agent does with it.
"""

import asyncio
import base64
import os
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import structlog

from groundplane.contracts.enrolment import ENROL_PATH, RENEW_PATH, AgentCredential, Enrol, Renew, renewal_statement
from groundplane.contracts.wire import Wire
from groundplane.kernel.nats_tokens import Nkey, credentials

log = structlog.get_logger()

ANSWER_SECONDS = 10.0
RETRY_SECONDS = 2.0
RENEW_SHARE = 0.5
"""Of a credential's life: after which it is renewed."""


class NotEnrolledError(Exception):
    """The control plane does not know this agent, or not any more; the message says what to do."""


class ControlPlaneUnreachableError(Exception):
    """The control plane does not answer, or not now."""


@dataclass(frozen=True)
class AgentFolder:
    """The files of one agent."""

    path: Path

    @property
    def bus_credentials(self) -> Path:
        """What the bus's client reads at each connect."""
        return self.path / "nats.creds"

    def key(self) -> Nkey | None:
        """The key by which the agent is known; None before it was enrolled."""
        return _key(self.path / "agent.seed")

    def invite(self, token: str) -> None:
        """Leave a one-time token here; it is used at the next chance."""
        _write(self.path / "enrolment", token)

    def invitation(self) -> str | None:
        """A token that was not used yet."""
        path = self.path / "enrolment"
        return path.read_text().strip() if path.exists() else None

    def next_key(self) -> Nkey:
        """The key for an invitation: the same until that was accepted or refused, should an answer be lost."""
        path = self.path / "next.seed"
        if not path.exists():
            _write(path, Nkey.generate("user").seed.decode())
        return Nkey(path.read_bytes().strip())

    def accept(self) -> None:
        """The invitation was good: the next key is the agent's."""
        (self.path / "next.seed").replace(self.path / "agent.seed")
        self.decline()

    def decline(self) -> None:
        """The invitation is used up, or was no good."""
        for name in ("enrolment", "next.seed"):
            (self.path / name).unlink(missing_ok=True)

    def keep(self, credential: AgentCredential) -> None:
        """Keep what was given."""
        key = self.key()
        if credential.bus is not None and key is not None:
            _write(self.bus_credentials, credentials(credential.bus.token, key.seed))
        _write(self.path / "credential.json", credential.model_dump_json())

    def credential(self) -> AgentCredential | None:
        """What was given last and is still good."""
        path = self.path / "credential.json"
        if not path.exists():
            return None
        kept = AgentCredential.model_validate_json(path.read_bytes())
        return kept if kept.expires_at > datetime.now(UTC) else None


class Enrolment:
    """Gets and renews the credential of the agent of this folder, from the agents' API below `url`.

    `trust` is what the api must show if it speaks TLS.
    """

    def __init__(
        self,
        folder: AgentFolder,
        url: str,
        *,
        trust: ssl.SSLContext | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._folder = folder
        self._client = httpx.AsyncClient(
            base_url=f"{url.rstrip('/')}/api/agent/v1",
            timeout=ANSWER_SECONDS,
            verify=trust or True,
            transport=transport,
            trust_env=False,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def begin(self) -> AgentCredential:
        """Use the invitation if there is one, else prove the key.

        Raises NotEnrolledError, ControlPlaneUnreachableError.
        """
        token = self._folder.invitation()
        if token is None:
            return await self.renew()
        key = self._folder.next_key()
        try:
            credential = await self._enrol(token, key)
        except NotEnrolledError:
            self._folder.decline()
            return await self.renew()
        self._folder.accept()
        self._folder.keep(credential)
        return credential

    async def renew(self) -> AgentCredential:
        """Prove the key and keep what is given. Raises NotEnrolledError, ControlPlaneUnreachableError."""
        key = self._folder.key()
        if key is None:
            raise NotEnrolledError(
                f"This agent has no key. Invite it with POST /api/ops/v1/agents/AGENT/enrolment and put the token into "
                f"{self._folder.path}/enrolment, or name it: groundplane agent --enrol TOKEN --api URL"
            )
        credential = await self._prove(key)
        self._folder.keep(credential)
        return credential

    async def keep_renewed(self, credential: AgentCredential) -> AgentCredential:
        """Wait until half of the credential's life is over, and renew it. Raises NotEnrolledError once that is refused."""
        life = (credential.expires_at - credential.issued_at).total_seconds()
        left = (credential.expires_at - datetime.now(UTC)).total_seconds()
        await asyncio.sleep(min(life, left) - life * RENEW_SHARE)
        while True:
            try:
                return await self.renew()
            except ControlPlaneUnreachableError as error:
                log.warning("agent.not_renewed", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)

    async def _enrol(self, token: str, key: Nkey) -> AgentCredential:
        try:
            return await self._ask(ENROL_PATH, Enrol(token=token, nkey=key.public))
        except NotEnrolledError:
            return await self._prove(key)  # it was used by ourselves, and the answer was lost

    async def _prove(self, key: Nkey) -> AgentCredential:
        at = time.time_ns() // 1_000_000
        signature = base64.b64encode(key.sign(renewal_statement(key.public, at))).decode()
        return await self._ask(RENEW_PATH, Renew(nkey=key.public, at=at, signature=signature))

    async def _ask(self, path: str, body: Wire) -> AgentCredential:
        try:
            answer = await self._client.post(path, json=body.model_dump())
        except httpx.TransportError as error:
            raise ControlPlaneUnreachableError(type(error).__name__) from error
        if answer.status_code == 401 and answer.json()["code"] in {"agent_not_enrolled", "enrolment_refused"}:
            raise NotEnrolledError(answer.json()["detail"])
        if not answer.is_success:
            raise ControlPlaneUnreachableError(f"answered {answer.status_code}: {answer.text[:200]}")
        return AgentCredential.model_validate_json(answer.content)


def _key(path: Path) -> Nkey | None:
    return Nkey(path.read_bytes().strip()) if path.exists() else None


def _write(path: Path, text: str) -> None:
    """Write a secret in one step: a reader sees the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    partial.replace(path)
