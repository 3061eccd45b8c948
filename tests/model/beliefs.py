"""What users believe: plain records of what they asked for and were granted, and which refusals that lets them expect.

Knows the rules of the public API and nothing of how the platform keeps them. Expected refusals are sets of stable codes: a
request against which several things speak may be answered with any of them, one against which nothing speaks must go through.
A code with a question mark may speak against it or not.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Any

Amounts = Mapping[str, int]
Codes = set[str]

PLURALS = {
    "network": "networks", "subnet": "subnets", "security_group": "security-groups", "port": "ports", "volume": "volumes",
    "vm": "vms", "image": "images", "ssh_key": "ssh-keys",
}  # fmt: skip


@dataclass
class Thing:
    """A resource as its users know it. Ids are public ones; `uses` are the ids of what it keeps from being deleted."""

    kind: str
    id: str
    name: str
    labels: dict[str, str] = field(default_factory=dict)
    spec: dict[str, Any] = field(default_factory=dict)
    uses: set[str] = field(default_factory=set)
    parts: list[str] = field(default_factory=list)
    leaving: bool = False
    may_stop_itself: bool = False
    """Somebody powered its guest off, and the platform may take that as its wish."""

    @property
    def amounts(self) -> Amounts:
        """What it takes of its project's quota."""
        spec = self.spec
        sizes = {"vm": {"vms": 1, "vcpus": spec.get("vcpus", 0), "memory_mib": spec.get("memory_mib", 0)},
                 "volume": {"volumes": 1, "volume_gib": spec.get("size_gib", 0)}, "network": {"networks": 1},
                 "port": {"ports": 1}, "security_group": {"security_groups": 1}, "image": {"images": 1},
                 "ssh_key": {"ssh_keys": 1}}  # fmt: skip
        return sizes.get(self.kind, {})


@dataclass
class JobBelief:
    """A job that a request was answered with."""

    id: str
    verb: str
    thing_id: str
    parent_id: str | None = None
    state: str = "PENDING"
    cancelled: bool = False

    @property
    def ended(self) -> bool:
        """Is it over?"""
        return self.state in {"SUCCEEDED", "FAILED"}


@dataclass(frozen=True)
class Answered:
    """A request that was granted under an idempotency key, and its answer."""

    method: str
    path: str
    query: str
    key: str
    body: Any
    status: int
    text: str
    location: str | None


@dataclass(frozen=True)
class Room:
    """What is free in the hosts and their pools now: (vCPUs, MiB, GiB) of each host, and the host of each volume."""

    hosts: Mapping[str, tuple[int, int, int]]
    of_volume: Mapping[str, str]


@dataclass
class Project:
    """One project: everything alive in it, its limits (None: the platform's own, which nobody reaches here)."""

    name: str
    things: dict[str, Thing] = field(default_factory=dict)
    jobs: list[JobBelief] = field(default_factory=list)
    limits: dict[str, int] = field(default_factory=dict)
    answered: list[Answered] = field(default_factory=list)

    # What there is.

    def living(self, kind: str) -> list[Thing]:
        """All of a kind that are not gone, oldest first."""
        return [thing for thing in self.things.values() if thing.kind == kind]

    def named(self, kind: str, name: str) -> Thing | None:
        """The one of this name or id."""
        return next((thing for thing in self.living(kind) if name in {thing.name, thing.id}), None)

    def users_of(self, thing: Thing) -> list[Thing]:
        """Who keeps it from being deleted."""
        return [other for other in self.things.values() if thing.id in other.uses]

    def used(self) -> Counter[str]:
        """What is taken of the quota, by dimension."""
        total: Counter[str] = Counter()
        for thing in self.things.values():
            total.update(thing.amounts)
        return total

    # What speaks against a request.

    def missing(self, wanted: Iterable[tuple[str, str | None]]) -> Codes:
        """References, as kind and name, to what is not there or is going."""
        found = [self.named(kind, name) for kind, name in wanted if name is not None]
        return set() if all(thing and not thing.leaving for thing in found) else {"reference_not_found"}

    def taken(self, kind: str, names: Iterable[str], *, but: Thing | None = None) -> Codes:
        """Names that another one has."""
        others = {thing.name for thing in self.living(kind) if thing is not but}
        return {"name_taken"} if others & set(names) else set()

    def over_quota(self, asked: Amounts) -> Codes:
        """More than the project may have."""
        used = self.used()
        over = [name for name, amount in asked.items() if name in self.limits and used[name] + amount > self.limits[name]]
        return {"quota_exceeded"} if over else set()

    def create(self, kind: str, names: Sequence[str], spec: Mapping[str, Any], room: Room) -> Codes:
        """What speaks against making these, all with the same spec."""
        codes = self.taken(kind, names)
        quota: Counter[str] = Counter()
        for made in self._made_with(kind, names, spec):
            codes |= self.taken(made.kind, [made.name])
            quota.update(made.amounts)
        special: Codes = getattr(self, f"_create_{kind}")(len(names), spec, room)
        return codes | self.over_quota(quota) | special

    def _made_with(self, kind: str, names: Sequence[str], spec: Mapping[str, Any]) -> Iterator[Thing]:
        for name in names:
            yield Thing(kind, "", name, spec=dict(spec))
            if kind != "vm":
                continue
            if spec["root_volume"].get("image"):
                yield Thing("volume", "", f"{name}-root", spec={"size_gib": spec["root_volume"]["size_gib"]})
            for number, nic in enumerate(spec.get("nics", [])):
                if nic.get("network"):
                    yield Thing("port", "", f"{name}-nic{number}")

    def _create_network(self, _count: int, _spec: Mapping[str, Any], _room: Room) -> Codes:
        return set()

    def _create_security_group(self, _count: int, _spec: Mapping[str, Any], _room: Room) -> Codes:
        return set()

    def _create_ssh_key(self, _count: int, spec: Mapping[str, Any], _room: Room) -> Codes:
        return set() if spec["public_key"].startswith("ssh-ed25519 AAAA") else {"bad_public_key"}

    def _create_subnet(self, count: int, spec: Mapping[str, Any], _room: Room) -> Codes:
        codes = self.missing([("network", spec["network"])])
        network = self.named("network", spec["network"])
        ranges = [IPv4Network(each.spec["cidr"]) for each in self.living("subnet") if network and network.id in each.uses]
        if count > 1 or any(IPv4Network(spec["cidr"]).overlaps(taken) for taken in ranges):
            codes.add("subnet_overlap")
        return codes

    def _create_port(self, count: int, spec: Mapping[str, Any], _room: Room) -> Codes:
        groups = [("security_group", name) for name in spec.get("security_groups", [])]
        codes = self.missing([("network", spec["network"]), ("subnet", spec.get("subnet")), *groups])
        address = spec.get("address")
        if address and count > 1:
            codes.add("one_address")
        subnets = self._subnets(spec)
        if not subnets:
            return codes | {"no_subnet"}
        if address is None:
            return codes if any(self._free(subnet) >= count for subnet in subnets) else codes | {"no_address"}
        return codes | self._address(subnets, IPv4Address(address))

    def _subnets(self, spec: Mapping[str, Any]) -> list[Thing]:
        network = self.named("network", spec["network"])
        ours = [each for each in self.living("subnet") if network and network.id in each.uses and not each.leaving]
        wanted = spec.get("subnet")
        return ours if wanted is None else [each for each in ours if wanted in {each.name, each.id}]

    def _free(self, subnet: Thing) -> int:
        taken = [port for port in self.living("port") if port.spec["subnet"] == subnet.id]
        return IPv4Network(subnet.spec["cidr"]).num_addresses - 3 - len(taken)

    def _address(self, subnets: Sequence[Thing], address: IPv4Address) -> Codes:
        subnet = next((each for each in subnets if address in IPv4Network(each.spec["cidr"])), subnets[0])
        span = IPv4Network(subnet.spec["cidr"])
        gateway = IPv4Address(subnet.spec["gateway"])
        if address not in span or address in {span.network_address, span.broadcast_address, gateway}:
            return {"address_outside"}
        ports = [port for port in self.living("port") if port.spec["subnet"] == subnet.id]
        return {"address_taken"} if any(port.spec["address"] == str(address) for port in ports) else set()

    def _create_volume(self, count: int, spec: Mapping[str, Any], room: Room) -> Codes:
        codes = self._copy_of(spec.get("image"), spec["size_gib"])
        slots = sum(gib // spec["size_gib"] for _, _, gib in room.hosts.values())
        return codes if slots >= count else codes | {"pool_full"}

    def _copy_of(self, image: str | None, size_gib: int) -> Codes:
        codes = self.missing([("image", image)])
        found = self.named("image", image) if image else None
        return codes | {"image_too_large"} if found and found.spec["virtual_size_bytes"] > size_gib << 30 else codes

    def _create_vm(self, count: int, spec: Mapping[str, Any], room: Room) -> Codes:
        root, nics = spec["root_volume"], spec.get("nics", [])
        codes = self._copy_of(root["image"], root["size_gib"]) if root.get("image") else set()
        codes |= self.missing(("ssh_key", name) for name in spec.get("ssh_keys", []))
        new = [nic for nic in nics if nic.get("network")]
        for nic in new:
            codes |= self._create_port(count, nic, room)
        codes |= {"address_taken?", "no_address?"} if len(new) > 1 else set()  # one may take what the other asks for
        given = [("volume", name) for name in (root.get("volume"), *spec.get("volumes", [])) if name]
        given += [("port", nic["port"]) for nic in nics if nic.get("port")]
        codes |= self.missing(given)
        return codes | self._given(count, spec, given) | self._place(count, spec, room, given)

    def _given(self, count: int, spec: Mapping[str, Any], given: Sequence[tuple[str, str]]) -> Codes:
        """Parts that are there already, and addresses, belong to one machine."""
        found = [thing for kind, name in given if (thing := self.named(kind, name))]
        alone = given or any(nic.get("address") for nic in spec.get("nics", []))
        codes = {"one_only"} if alone and count > 1 else set()
        codes |= {"named_twice"} if len({thing.id for thing in found}) < len(found) else set()
        return codes | ({"in_use"} if any(user.kind == "vm" for thing in found for user in self.users_of(thing)) else set())

    def _place(self, count: int, spec: Mapping[str, Any], room: Room, given: Sequence[tuple[str, str]]) -> Codes:
        size = spec["root_volume"].get("size_gib") or 0
        volumes = [thing for kind, name in given if kind == "volume" and (thing := self.named(kind, name))]
        hosts = {room.of_volume[volume.id] for volume in volumes}
        codes = {"volumes_apart"} if len(hosts) > 1 else set()
        slots = [
            min(vcpus // spec["vcpus"], memory // spec["memory_mib"], gib // size if size else 1000)
            for host, (vcpus, memory, gib) in room.hosts.items()
            if not hosts or host in hosts
        ]
        return codes if sum(slots) >= count else codes | {"no_capacity"}

    def update(self, thing: Thing, name: str | None, spec: Mapping[str, Any] | None, room: Room, *, busy: bool) -> Codes:
        """What speaks against changing it; `busy`: a job that a user asked for is changing it."""
        if thing.leaving:
            return {"being_deleted"}
        codes = self.taken(thing.kind, [name], but=thing) if name else set()
        if spec is None:
            return codes
        if busy:
            codes.add("change_in_progress")
        codes |= self.missing(("security_group", group) for group in spec.get("security_groups", []))
        return codes | (self._grow(thing, spec["size_gib"], room) if thing.kind == "volume" else set())

    def _grow(self, volume: Thing, size_gib: int, room: Room) -> Codes:
        more = size_gib - volume.spec["size_gib"]
        if more < 0:
            return {"unchangeable"}
        free = room.hosts[room.of_volume[volume.id]][2]
        return (self.over_quota({"volume_gib": more}) if more else set()) | ({"pool_full"} if more > free else set())

    def delete(self, thing: Thing) -> Codes:
        """What speaks against deleting it."""
        return {"in_use"} if not thing.leaving and self.users_of(thing) else set()

    # What becomes of things.

    def leave(self, thing: Thing) -> None:
        """It is to be gone, with all that came with it; what was only attached stays so until then."""
        thing.leaving = True
        thing.uses -= set(thing.parts)
        for part in thing.parts:
            if part in self.things:
                self.things[part].leaving = True

    def job(self, job_id: str) -> JobBelief | None:
        """A job that a user knows of."""
        return next((job for job in self.jobs if job.id == job_id), None)
