"""Short words for what a test asks of a provider."""

from dataclasses import dataclass, field
from itertools import count
from uuid import UUID, uuid4

from groundplane.contracts.reports import State
from groundplane.contracts.specs import NetworkingSpec, NetworkSpec, PortSpec, Rule, SecurityGroupSpec, SpecKind, SubnetSpec
from groundplane.dataplane.providers.ovn import OvnNetwork


class Allowed:
    """A Context that allows everything."""

    def check(self) -> None:
        """Allow."""

    def progress(self, text: str) -> None:
        """Nobody listens."""


@dataclass
class Hands:
    """A provider and the resources that tests make with it."""

    provider: OvnNetwork
    context: Allowed = field(default_factory=Allowed)
    numbers: "count[int]" = field(default_factory=lambda: count(10))

    async def ensure(self, spec: NetworkingSpec, fence: int = 1) -> State:
        """Ensure it."""
        return await self.provider.ensure(self.context, spec, fence)

    async def remove(self, kind: SpecKind, resource_id: UUID, fence: int = 2) -> State:
        """Remove it."""
        return await self.provider.remove(self.context, kind, resource_id, fence)

    async def subnet(self) -> SubnetSpec:
        """A new network with a subnet."""
        network = NetworkSpec(id=uuid4())
        await self.ensure(network)
        subnet = SubnetSpec(
            id=uuid4(),
            network_id=network.id,
            cidr="10.7.0.0/24",
            gateway="10.7.0.1",
            dns_servers=("10.7.0.53", "9.9.9.9"),
            mtu=1400,
            lease_seconds=7200,
        )
        await self.ensure(subnet)
        return subnet

    async def group(self, *rules: Rule) -> SecurityGroupSpec:
        """A new security group."""
        spec = SecurityGroupSpec(id=uuid4(), rules=rules)
        await self.ensure(spec)
        return spec

    async def port(self, subnet: SubnetSpec, *groups: UUID) -> PortSpec:
        """A new port."""
        number = next(self.numbers)
        spec = PortSpec(
            id=uuid4(),
            network_id=subnet.network_id,
            subnet_id=subnet.id,
            mac=f"02:00:00:00:00:{number:02x}",
            address=f"10.7.0.{number}",
            security_group_ids=groups,
        )
        await self.ensure(spec)
        return spec
