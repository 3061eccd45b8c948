"""A nats-server that trusts keys as the embedded one does, with an account for each cluster's agents."""

import json
import time
from pathlib import Path
from uuid import UUID, uuid4

from tests.dataplane.agent.server import NatsServer

from groundplane.contracts.rights import inbox_prefix
from groundplane.controlplane.fleet.accounts import BusKeys, Process, credentials_file
from groundplane.kernel.bus import Bus
from groundplane.kernel.nats_tokens import Nkey, credentials, user_token


class GuardedServer(NatsServer):
    """Listens on loopback; lets in whoever has credentials of its operator."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.home = home
        self.keys = BusKeys.of_directory(home / "keys")
        self.keys.keep_credentials(home / "keys")
        (home / "accounts").mkdir()
        self.expected = False
        """Does the test itself try what is forbidden?"""
        self.config = home / "nats.conf"
        self.config.write_text(json.dumps(self.keys.server_settings(home / "accounts")))

    def arguments(self) -> list[str]:
        """More of the command line."""
        return ["--config", str(self.config)]

    @property
    def violations(self) -> list[str]:
        """What it refused to anybody since the beginning, as its log says."""
        return [line for line in (self.home / "nats.log").read_text().splitlines() if "Violation" in line]

    async def connect(self, process: Process) -> Bus:
        """The connection of a process of the control plane."""
        return await Bus.connect(self.url, process, credentials=credentials_file(self.home / "keys", process))

    async def connect_all_mighty(self) -> Bus:
        """A connection that may do everything in the platform's account, to look at what others did."""
        return await Bus.connect(self.url, "test", credentials=self._file(self.keys.platform, "test"))

    async def tell(self, cluster_id: UUID, void: dict[str, int] | None = None) -> None:
        """Let the server know a cluster's account."""
        system = await self.connect("system")
        token = self.keys.cluster_account(cluster_id, void or {})
        answer = json.loads((await system.nats.request("$SYS.REQ.CLAIMS.UPDATE", token.encode(), timeout=5)).data)
        assert answer["data"]["code"] == 200, answer
        await system.close()

    def agent_file(self, agent_id: UUID, cluster_id: UUID, key: Nkey, *, seconds: float = 300) -> Path:
        """The credentials file of an agent."""
        token = self.keys.agent_token(agent_id, cluster_id, key.public, expires_at=int(time.time() + seconds))
        path = self.home / f"{agent_id}.creds"
        path.write_text(credentials(token, key.seed))
        return path

    async def connect_agent(self, agent_id: UUID, cluster_id: UUID) -> Bus:
        """The connection of an agent."""
        path = self.agent_file(agent_id, cluster_id, Nkey.generate("user"))
        return await Bus.connect(self.url, "agent", credentials=path, inbox_prefix=inbox_prefix(agent_id))

    def _file(self, account: Nkey, name: str) -> Path:
        key = Nkey.generate("user")
        path = self.home / f"{uuid4()}.creds"
        path.write_text(credentials(user_token(account, key.public, name=name, rights=None), key.seed))
        return path
