"""The platform's NATS accounts: its own, and one for the agents of each cluster; and what each user of them may do.

Seeds lie in the key directory with mode 0600. The keys of clusters' accounts follow from the platform's own, so that there
is nothing to store: whoever may sign for the platform may sign for its clusters.
"""

import asyncio
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Literal, Self
from uuid import UUID

import nkeys
import structlog
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from groundplane.contracts.rights import agent_rights, inbox_prefix
from groundplane.contracts.tasks import REPORTS_STREAM, TASKS_STREAM, task_consumer, task_filter
from groundplane.controlplane.fleet.enrolment import void_keys
from groundplane.kernel.bus import Bus
from groundplane.kernel.database import Database
from groundplane.kernel.nats_tokens import (
    Export,
    Import,
    Nkey,
    Rights,
    account_token,
    claims_of,
    credentials,
    operator_token,
    user_token,
)
from groundplane.kernel.news import CHANGED_SUBJECT
from groundplane.kernel.settings import Settings

log = structlog.get_logger()

Process = Literal["api", "worker", "migrate", "system"]

TASK_ACK_SECONDS = 12.0
ROUND_SECONDS = 1.0
REPEAT_SECONDS = 30.0
"""How often a nats-server is told all accounts again, whatever it was told before: it may have lost its files."""
ANSWER_SECONDS = 5.0

_SEEDS = {"operator": "nats-operator.seed", "system": "nats-system.seed", "platform": "nats-account.seed"}
_UPDATE = "$SYS.REQ.CLAIMS.UPDATE"
_INBOX = ("_INBOX.>",)
_TELLS_AGENTS = ("gp.task.>", "gp.stop.>", "gp.read.>")
_SEES_QUEUES = tuple(
    f"$JS.API.{question}.{stream}"
    for question in ("CONSUMER.LIST", "STREAM.MSG.GET")
    for stream in (TASKS_STREAM, REPORTS_STREAM)
)
PROCESS_RIGHTS: Mapping[Process, Rights] = {
    "api": Rights((*_TELLS_AGENTS, *_SEES_QUEUES, CHANGED_SUBJECT), (*_INBOX, CHANGED_SUBJECT)),
    "worker": Rights(
        (
            *_TELLS_AGENTS,
            *_SEES_QUEUES,
            CHANGED_SUBJECT,
            "gp.look.>",
            "$JS.API.CONSUMER.MSG.NEXT.REPORTS.worker",
            "$JS.ACK.REPORTS.worker.>",
            f"$JS.API.CONSUMER.CREATE.{TASKS_STREAM}.>",  # of clusters that operators add
            f"$JS.API.CONSUMER.DURABLE.CREATE.{TASKS_STREAM}.>",
        ),
        _INBOX,
    ),
    "migrate": Rights(("$JS.API.>",), _INBOX),
    "system": Rights((_UPDATE,), _INBOX),
}
"""What each process of the control plane does on the bus. `system` is the worker's second user, in the system account."""


class AccountRefusedError(Exception):
    """The nats-server does not take an account: see what it says, and whether it trusts this operator."""


@dataclass(frozen=True)
class BusKeys:
    """The seeds of operator, system account and platform account."""

    operator: Nkey
    system: Nkey
    platform: Nkey

    @classmethod
    def of_directory(cls, directory: Path) -> Self:
        """Those of this folder, made with mode 0600 if there are none. Processes that race for them get the same."""
        directory.mkdir(parents=True, exist_ok=True)
        for role, name in _SEEDS.items():
            _make_once(directory / name, Nkey.generate("operator" if role == "operator" else "account").seed)
        return cls._read(directory)

    @classmethod
    def issuing(cls, settings: Settings) -> Self | None:
        """Those by which this installation issues credentials for its NATS; None where somebody else does.

        That is so with a password, and with the credentials of an operator whose seeds do not lie in the key directory.
        """
        kept = all((settings.key_directory / name).is_file() for name in _SEEDS.values())
        return cls._read(settings.key_directory) if settings.nats_credentials is not None and kept else None

    @classmethod
    def _read(cls, directory: Path) -> Self:
        return cls(**{role: Nkey((directory / name).read_bytes().strip()) for role, name in _SEEDS.items()})

    def cluster(self, cluster_id: UUID) -> Nkey:
        """The key of the account of a cluster's agents."""
        _, own = nkeys.decode_seed(self.platform.seed)
        info = f"groundplane cluster account {cluster_id}".encode()
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(bytes(own))
        return Nkey(nkeys.encode_seed(derived, nkeys.PREFIX_BYTE_ACCOUNT))

    def server_settings(self, accounts: Path) -> dict[str, Any]:
        """The part of a nats-server's configuration that says whom it trusts; it keeps clusters' accounts in `accounts`."""
        exports = [
            Export(right.pattern, "service" if right.answers else "stream", many_answers=right.answers == "many")
            for right in agent_rights(UUID(int=0))
        ]
        preload = {
            self.system.public: account_token(self.operator, self.system.public, name="system"),
            self.platform.public: account_token(
                self.operator, self.platform.public, name="groundplane", jetstream=True, exports=exports
            ),
        }
        return {
            "operator": operator_token(self.operator, name="groundplane", system_account=self.system.public),
            "system_account": self.system.public,
            "resolver": {"type": "full", "dir": str(accounts), "allow_delete": False},
            "resolver_preload": preload,
        }

    def cluster_account(self, cluster_id: UUID, void: Mapping[str, int]) -> str:
        """The account of a cluster's agents: it sees what of the platform's bears the cluster's id. `void`: `void_keys`."""
        imports = [
            Import(self.platform.public, right.subject, "service" if right.answers else "stream")
            for right in agent_rights(cluster_id)
        ]
        key = self.cluster(cluster_id).public
        return account_token(self.operator, key, name=f"cluster {cluster_id}", imports=imports, void=void)

    def agent_token(self, agent_id: UUID, cluster_id: UUID, nkey: str, *, expires_at: int) -> str:
        """What lets the holder of this nkey do what its cluster's agents do, until `expires_at` (seconds since 1970)."""
        rights = agent_rights(cluster_id)
        allowed = Rights(
            publish=[right.subject for right in rights if right.answers],
            subscribe=[*(right.subject for right in rights if not right.answers), f"{inbox_prefix(agent_id)}.>"],
        )
        return user_token(self.cluster(cluster_id), nkey, name=f"agent {agent_id}", rights=allowed, expires_at=expires_at)

    def keep_credentials(self, directory: Path) -> None:
        """Leave the credentials file of each process of the control plane in this folder, with mode 0600.

        One that is there stays, unless a release that is no more gave it other rights.
        """
        for process, rights in PROCESS_RIGHTS.items():
            account, user = self.system if process == "system" else self.platform, Nkey.generate("user")
            token = user_token(account, user.public, name=process, rights=rights)
            path = credentials_file(directory, process)
            if path.exists() and claims_of(path.read_text().splitlines()[1])["nats"] != claims_of(token)["nats"]:
                path.unlink()
            _make_once(path, credentials(token, user.seed).encode())


def credentials_file(directory: Path, process: Process) -> Path:
    """Where the credentials of a process lie in the key directory."""
    return directory / f"nats-{process}.creds"


def _make_once(path: Path, content: bytes) -> None:
    """Write a secret file whole or not at all, and never over another's."""
    if path.exists():
        return
    with NamedTemporaryFile(dir=path.parent, prefix=path.name) as file:  # made with mode 0600
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(file.name, path)


@dataclass
class AccountKeeper:
    """Tells the nats-server which clusters there are and which agents' keys are void. Any number of workers may run one.

    `lifetime_seconds` is how long an agent's token is good at most. `system` is a bus connection to the system account.
    """

    keys: BusKeys
    database: Database
    system: Bus
    lifetime_seconds: int
    _told: dict[UUID, Mapping[str, int]] = field(default_factory=dict)

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        repeat_at = 0.0
        while True:
            if loop.time() >= repeat_at:
                self._told.clear()
                repeat_at = loop.time() + REPEAT_SECONDS
            try:
                await self.tell()
            except Exception:  # the database or the bus is away, or an account is refused: the next round may do better
                log.exception("accounts.round_failed")
            await asyncio.sleep(ROUND_SECONDS)

    async def tell(self) -> None:
        """Tell what was not told yet. Raises AccountRefusedError and what database and bus raise."""
        async with self.database.transaction() as tx:
            found = await void_keys(tx, lifetime_seconds=self.lifetime_seconds)
        for cluster_id, void in found.items():
            if self._told.get(cluster_id) != void:
                await self._update(self.keys.cluster_account(cluster_id, void))
                self._told[cluster_id] = void

    async def _update(self, account: str) -> None:
        answer = json.loads((await self.system.nats.request(_UPDATE, account.encode(), timeout=ANSWER_SECONDS)).data)
        if answer.get("data", {}).get("code") != 200:
            raise AccountRefusedError(str(answer.get("error", answer)))


@dataclass
class ConsumerKeeper:
    """Makes the consumer that a cluster's agents pull from, of clusters that are new to it."""

    database: Database
    bus: Bus
    _made: set[UUID] = field(default_factory=set)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.make()
            except Exception:  # the database or the bus is away: the next round may do better
                log.exception("consumers.round_failed")
            await asyncio.sleep(ROUND_SECONDS)

    async def make(self) -> None:
        """Make those that were not made yet."""
        async with self.database.transaction() as tx:
            rows = await tx.fetch("SELECT id FROM resource WHERE kind = 'cluster' AND deleted_at IS NULL")
        for cluster_id in {row["id"] for row in rows} - self._made:
            await lay_consumer(self.bus, cluster_id)
            self._made.add(cluster_id)


async def lay_consumer(bus: Bus, cluster_id: UUID) -> None:
    """The consumer that a cluster's agents pull from."""
    name, subject = task_consumer(cluster_id), task_filter(cluster_id)
    await bus.ensure_consumer(TASKS_STREAM, name, subject, ack_wait_seconds=TASK_ACK_SECONDS)
