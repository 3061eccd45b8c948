"""What every route is handed: the parts that the composition root made."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from groundplane.controlplane.fleet.accounts import BusKeys
from groundplane.controlplane.gateway.blobs import BlobStore
from groundplane.controlplane.gateway.changes import ChangeFeed
from groundplane.controlplane.gateway.console import Answers
from groundplane.controlplane.identity import ApiKeys, Revocations, Standings, Tokens
from groundplane.controlplane.resources.kind import Kind
from groundplane.controlplane.resources.manager import ResourceManager
from groundplane.controlplane.resources.references import References
from groundplane.kernel.bus import Bus
from groundplane.kernel.database import Database
from groundplane.kernel.secrets import SecretBox
from groundplane.kernel.settings import Settings
from groundplane.kernel.sharing import Sharing


@dataclass(frozen=True)
class Services:
    """The parts of one api process. `answers` are what its own requests wait for from agents; `revocations`
    and `api_keys` what it knows of credentials; `changes` tells those who listen what changes.

    `bus_keys` sign the agents' credentials for the bus; None where somebody else issues those.
    """

    settings: Settings
    database: Database
    bus: Bus
    tokens: Tokens
    secret_box: SecretBox
    blobs: BlobStore
    manager: ResourceManager
    bus_keys: BusKeys | None = None
    answers: Answers = field(default_factory=Answers)
    revocations: Revocations = field(default_factory=Revocations)
    api_keys: ApiKeys = field(default_factory=ApiKeys)
    changes: ChangeFeed = field(init=False)
    sharing: Sharing = field(init=False)
    standings: Standings = field(init=False)
    references: References = field(init=False)

    def __post_init__(self) -> None:
        """Put together what is made of the others."""
        object.__setattr__(self, "sharing", Sharing(self.database))
        object.__setattr__(self, "standings", Standings(self.database))
        object.__setattr__(self, "references", References(self.database))
        object.__setattr__(self, "changes", ChangeFeed(self.database, self.bus, self.kinds, self.revocations))

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """Every kind by its name."""
        return self.manager.kinds
