"""What a simulated guest's serial console would show: made from its spec, the same each time it is read."""

from groundplane.contracts.specs import VmSpec

_SEPARATOR = "\r\n"


def console(spec: VmSpec, addresses: list[str], boots: int) -> bytes:
    """The log of all boots of a machine so far."""
    return "".join(_boot(spec, addresses, number) for number in range(1, boots + 1)).encode()


def _boot(spec: VmSpec, addresses: list[str], number: int) -> str:
    name = spec.seed.hostname
    lines = [
        f"[    0.000000] Groundplane simulated machine, boot {number}: no guest runs here",
        f"[    0.000000] smp: {spec.vcpus} CPUs; Memory: {spec.memory_mib}M",
        *(f"[    0.4{index:05}] virtio_blk: disk serial {disk.serial}" for index, disk in enumerate(spec.disks)),
        *(
            f"[    0.8{index:05}] eth{index}: {nic.mac} mtu {nic.mtu} lease of {address} obtained"
            for index, (nic, address) in enumerate(zip(spec.nics, addresses, strict=True))
        ),
        f"seed: instance {spec.seed.instance_id}, host name {name}, {len(spec.seed.ssh_keys)} keys",
        f"{name} login: ",
    ]
    return _SEPARATOR.join(lines) + _SEPARATOR
