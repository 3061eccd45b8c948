"""What a request about a virtual machine may say, what is stored, and what is observed."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from groundplane.controlplane.network.subnet import Address
from groundplane.controlplane.resources.fields import Id, Name, Reference, Refers, Stored, Strict, example
from groundplane.controlplane.storage.volume import SizeGib

Vcpus = Annotated[int, Field(ge=1, le=256, description="Virtual CPUs.")]
MemoryMib = Annotated[int, Field(ge=64, le=1 << 24, description="Memory in MiB.")]
MAX_USER_DATA = 64 * 1024


class RootVolume(Strict):
    """What the machine boots from: a new volume from an image, which goes with the machine; or a volume that is there."""

    image: Annotated[Reference, Refers("image")] | None = Field(default=None, description="What the new volume is a copy of.")
    size_gib: SizeGib | None = Field(default=None, description="Size of the new volume in GiB.")
    volume: Annotated[Reference, Refers("volume")] | None = Field(
        default=None, description="The volume that is there, instead of a new one."
    )

    @model_validator(mode="after")
    def one_of_two(self) -> "RootVolume":
        """Either image and size_gib, or volume."""
        if self.volume is not None and (self.image is not None or self.size_gib is not None):
            raise ValueError("give either image and size_gib, or volume")
        if self.volume is None and (self.image is None or self.size_gib is None):
            raise ValueError("give image and size_gib (a new volume), or volume (one that is there)")
        return self


class NicRequest(Strict):
    """A new port on a network, which goes with the machine; or a port that is there."""

    network: Annotated[Reference, Refers("network")] | None = Field(default=None, description="Where the new port is made.")
    address: Address | None = Field(default=None, description="The new port's IPv4 address; a free one if not said.")
    security_groups: Annotated[list[Annotated[Reference, Refers("security_group")]], Field(max_length=10)] = Field(
        default=[], description="Which groups the new port is in; without any, only replies and DHCP pass."
    )
    port: Annotated[Reference, Refers("port")] | None = Field(
        default=None, description="The port that is there, instead of a new one."
    )

    @model_validator(mode="after")
    def one_of_two(self) -> "NicRequest":
        """Either network (with address and groups), or port."""
        if (self.network is None) == (self.port is None):
            raise ValueError("give either network (a new port), or port (one that is there)")
        if self.port is not None and (self.address is not None or self.security_groups):
            raise ValueError("address and security_groups belong to a new port")
        return self


class VmRequest(Strict):
    """A machine to be made and started. `user_data` is kept as a secret and handed to the guest once."""

    model_config = example(
        {
            "vcpus": 2,
            "memory_mib": 2048,
            "root_volume": {"image": "debian-12", "size_gib": 20},
            "nics": [{"network": "lan"}],
            "ssh_keys": ["ann"],
        }
    )

    vcpus: Vcpus
    memory_mib: MemoryMib
    root_volume: RootVolume = Field(description="What the machine boots from.")
    volumes: Annotated[list[Annotated[Reference, Refers("volume")]], Field(max_length=16)] = Field(
        default=[], description="Volumes that are there, as further disks."
    )
    nics: Annotated[list[NicRequest], Field(max_length=8)] = Field(default=[], description="The machine's network cards.")
    ssh_keys: Annotated[list[Annotated[Reference, Refers("ssh_key")]], Field(max_length=16)] = Field(
        default=[], description="Who is let in by SSH."
    )
    user_data: Annotated[str, Field(max_length=MAX_USER_DATA, pattern=r"^[^\x00]*$")] | None = Field(
        default=None, description="What cloud-init is handed in the guest: kept as a secret, never answered."
    )
    hostname: Name | None = Field(default=None, description="What the guest calls itself; its name if not said.")


class VmUpdate(Strict):
    """Whether it should run. Other changes of a machine come later."""

    power: Literal["running", "stopped"] = Field(description="Whether the machine should run.")


class DiskSpec(Strict):
    """A volume as the machine's disk; `owned`: it goes with the machine."""

    volume: Annotated[Id, Refers("volume")] = Field(description="The volume.")
    owned: bool = Field(description="It goes with the machine.")


class NicSpec(Strict):
    """A port as the machine's card; `owned`: it goes with the machine."""

    port: Annotated[Id, Refers("port")] = Field(description="The port.")
    owned: bool = Field(description="It goes with the machine.")


class VmSpec(Strict):
    """What should be, with everything decided. The first disk is what it boots from."""

    vcpus: int = Field(description="Virtual CPUs.")
    memory_mib: int = Field(description="Memory in MiB.")
    hostname: str = Field(description="What the guest calls itself.")
    power: Literal["running", "stopped"] = Field(default="running", description="Whether the machine should run.")
    reboots: int = Field(default=0, description="How often it should have been rebooted.")
    disks: list[DiskSpec] = Field(description="Its volumes; it boots from the first.")
    nics: list[NicSpec] = Field(default=[], description="Its network cards.")
    authorized_keys: list[str] = Field(
        default=[], description="Public keys that are let in by SSH, as they were at its making."
    )
    user_data_secret: str | None = Field(default=None, description="Where its user data is kept.")


class VmObserved(Stored):
    """What the hypervisor says."""

    power: Literal["running", "stopped", "paused", "crashed"] | None = Field(default=None, description="Whether it runs.")
    reboots: int = Field(default=0, description="How often it has been rebooted.")
    restart_required: bool = Field(default=False, description="Some of what is wanted takes hold at the next start.")
