"""Security groups: rules of what may reach a port and what it may reach. What no rule allows is dropped."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from groundplane.contracts.specs import Rule as EngineRule
from groundplane.contracts.specs import SecurityGroupSpec as EngineSpec
from groundplane.controlplane.fleet import placement
from groundplane.controlplane.jobs.job import Job
from groundplane.controlplane.jobs.workflow import Move, Workflow, done
from groundplane.controlplane.network.asking import ask_for, removal
from groundplane.controlplane.network.ranges import ipv4_range
from groundplane.controlplane.resources import store
from groundplane.controlplane.resources.fields import Strict, example
from groundplane.controlplane.resources.kind import Creation, Draft, Kind, one_by_one
from groundplane.controlplane.resources.resource import Resource
from groundplane.kernel.database import Tx

PortNumber = Annotated[int, Field(ge=1, le=65535)]


def _any_cidr(text: str) -> str:
    return str(ipv4_range(text))


class Rule(Strict):
    """One kind of traffic that is allowed. `remote` is a range, `self` (members of this group), or null: everywhere."""

    direction: Literal["ingress", "egress"] = Field(description="Towards the port, or from it.")
    protocol: Literal["tcp", "udp", "icmp", "any"] = Field(default="any", description="Which traffic.")
    port_min: PortNumber | None = Field(default=None, description="The first port, of tcp or udp; any if not said.")
    port_max: PortNumber | None = Field(default=None, description="The last port; the first one alone if not said.")
    remote: Literal["self"] | Annotated[str, AfterValidator(_any_cidr), Field(max_length=18)] | None = Field(
        default=None,
        description="Whom with: a range as in 10.0.0.0/24, `self` for members of this group; everybody if not said.",
    )

    @model_validator(mode="after")
    def ports_make_sense(self) -> "Rule":
        """Ports belong to tcp and udp, and come in order."""
        if self.protocol not in {"tcp", "udp"} and (self.port_min or self.port_max):
            raise ValueError("only tcp and udp have ports")
        if self.port_min and self.port_max and self.port_min > self.port_max:
            raise ValueError("port_min is greater than port_max")
        return self


class SecurityGroupSpec(Strict):
    """At most 100 rules; without any, only replies and DHCP pass."""

    model_config = example({"rules": [{"direction": "ingress", "protocol": "tcp", "port_min": 22}]})

    rules: Annotated[list[Rule], Field(max_length=100)] = Field(default=[], description="What is allowed.")


async def admit(creation: Creation, draft: Draft, request: SecurityGroupSpec) -> SecurityGroupSpec:
    """A group lives in one cluster."""
    draft.cluster_id = await placement.default_cluster(creation.tx)
    draft.links.append((draft.cluster_id, "cluster"))  # which stays, since its agents are the only road to this
    return request


async def revise(_tx: Tx, _resource: Resource, request: SecurityGroupSpec) -> SecurityGroupSpec:
    """The rules are replaced as a whole."""
    return request


async def ensure(tx: Tx, job: Job) -> Move:
    """The network engine holds the rules."""
    group = await store.load(tx, job.resource_id)
    spec = SecurityGroupSpec.model_validate(group.spec)
    want = EngineSpec(id=group.id, rules=tuple(_engine_rule(group, rule) for rule in spec.rules))
    return ask_for(group, want)


def _engine_rule(group: Resource, rule: Rule) -> EngineRule:
    return EngineRule(
        direction=rule.direction,
        protocol=rule.protocol,
        port_min=rule.port_min,
        port_max=rule.port_max or rule.port_min,
        remote_cidr=rule.remote if rule.remote != "self" else None,
        remote_group_id=group.id if rule.remote == "self" else None,
    )


ENSURE = Workflow("security_group.ensure", version=1, steps={"ensure": ensure, "done": done})
DELETE = removal("security_group")

SECURITY_GROUP = Kind(
    name="security_group",
    plural="security-groups",
    title="Security group",
    title_plural="Security groups",
    prefix="sg",
    service="network",
    namespace="tenant",
    summary="Rules of what may reach a port and what it may reach.",
    spec=SecurityGroupSpec,
    create=SecurityGroupSpec,
    update=SecurityGroupSpec,
    admit=one_by_one(admit),
    revise=revise,
    on_create=ENSURE,
    on_update=ENSURE,
    on_delete=DELETE,
    dimensions=("security_groups",),
    quota=lambda _spec: {"security_groups": 1},
    inventory=True,
)
