"""What a request about a virtual machine may say, what is stored, and what is observed."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from groundplane.controlplane.network.subnet import Address
from groundplane.controlplane.resources.fields import Name, Reference, Stored, Strict
from groundplane.controlplane.storage.volume import SizeGib

Vcpus = Annotated[int, Field(ge=1, le=256, description="Virtual CPUs.")]
MemoryMib = Annotated[int, Field(ge=64, le=1 << 24, description="Memory in MiB.")]
MAX_USER_DATA = 64 * 1024


class RootVolume(Strict):
    """What the machine boots from: a new volume from an image, which goes with the machine; or a volume that is there."""

    image: Reference | None = None
    size_gib: SizeGib | None = None
    volume: Reference | None = None

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

    network: Reference | None = None
    address: Address | None = None
    security_groups: Annotated[list[Reference], Field(max_length=10)] = []
    port: Reference | None = None

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

    vcpus: Vcpus
    memory_mib: MemoryMib
    root_volume: RootVolume
    volumes: Annotated[list[Reference], Field(max_length=16)] = []
    nics: Annotated[list[NicRequest], Field(max_length=8)] = []
    ssh_keys: Annotated[list[Reference], Field(max_length=16)] = []
    user_data: Annotated[str, Field(max_length=MAX_USER_DATA, pattern=r"^[^\x00]*$")] | None = None
    hostname: Name | None = None


class VmUpdate(Strict):
    """Whether it should run. Other changes of a machine come later."""

    power: Literal["running", "stopped"]


class DiskSpec(Strict):
    """A volume as the machine's disk; `owned`: it goes with the machine."""

    volume: str
    owned: bool


class NicSpec(Strict):
    """A port as the machine's card; `owned`: it goes with the machine."""

    port: str
    owned: bool


class VmSpec(Strict):
    """What should be, with everything decided. The first disk is what it boots from."""

    vcpus: int
    memory_mib: int
    hostname: str
    power: Literal["running", "stopped"] = "running"
    reboots: int = 0
    disks: list[DiskSpec]
    nics: list[NicSpec] = []
    authorized_keys: list[str] = []
    user_data_secret: str | None = None


class VmObserved(Stored):
    """What the hypervisor says."""

    power: Literal["running", "stopped", "paused", "crashed"] | None = None
    reboots: int = 0
    restart_required: bool = False
