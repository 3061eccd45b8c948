"""What libvirt's errors mean: the one table from its codes and QEMU's sentences to a fault that a job can show.

It never decides what is done about an error.
"""

import errno
import re
from dataclasses import dataclass

import libvirt

from groundplane.contracts.faults import FaultClass, ProviderError


@dataclass(frozen=True)
class Meaning:
    """A fault without libvirt's own words, which are added behind the sentence."""

    code: str
    fault_class: FaultClass
    sentence: str


UNREACHABLE = Meaning("engine_unreachable", "transient", "The host's libvirt does not answer.")
UNKNOWN = Meaning("engine_error", "transient", "The host's libvirt refused.")
NOT_READY = Meaning("not_ready", "transient", "Something that this needs is not on the host yet.")
BUSY = Meaning("engine_busy", "transient", "The host is busy with this resource; the next try may find it free.")
POOL_FULL = Meaning("pool_full", "permanent", "The storage pool has no space left: free some, or choose another pool.")
REFUSED = Meaning("engine_refused", "permanent", "The host's libvirt cannot do this.")

BY_SENTENCE: tuple[tuple[re.Pattern[str], Meaning], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), meaning)
    for pattern, meaning in (
        (r"no space left on device|disk quota exceeded", POOL_FULL),
        (
            r"cannot set up guest memory|cannot allocate memory",
            Meaning("host_out_of_memory", "transient", "The host has too little free memory for this machine now."),
        ),
        (
            r"failed to get .*write.* lock",
            Meaning("disk_locked", "transient", "Another process on the host still has one of the disks open."),
        ),
        (
            r"kvm kernel module|failed to initialize kvm|failed to set msr|does not support virt type 'kvm'",
            Meaning("kvm_unusable", "permanent", "KVM does not work on this host: an operator must mend or disable it."),
        ),
        (r"could not open .*no such file|cannot access storage file|to ovs bridge|mtu on '", NOT_READY),
        (r"cannot get interface|no such device|network is unreachable", NOT_READY),
    )
)
"""QEMU and the tools that libvirt calls say what went wrong in words alone, so these are looked at first."""

BY_ERRNO: dict[int, Meaning] = {errno.ENOSPC: POOL_FULL, errno.EDQUOT: POOL_FULL}

BY_CODE: dict[int, Meaning] = {
    libvirt.VIR_ERR_NO_CONNECT: UNREACHABLE,
    libvirt.VIR_ERR_INVALID_CONN: UNREACHABLE,
    libvirt.VIR_ERR_RPC: UNREACHABLE,
    libvirt.VIR_ERR_NO_STORAGE_VOL: NOT_READY,
    libvirt.VIR_ERR_NO_STORAGE_POOL: NOT_READY,
    libvirt.VIR_ERR_NO_DOMAIN: BUSY,
    libvirt.VIR_ERR_OPERATION_INVALID: BUSY,
    libvirt.VIR_ERR_OPERATION_TIMEOUT: BUSY,
    libvirt.VIR_ERR_OPERATION_ABORTED: BUSY,
    libvirt.VIR_ERR_RESOURCE_BUSY: BUSY,
    libvirt.VIR_ERR_AGENT_UNRESPONSIVE: BUSY,
    libvirt.VIR_ERR_NO_MEMORY: Meaning("host_out_of_memory", "transient", "The host's libvirt has no memory left."),
    libvirt.VIR_ERR_XML_ERROR: REFUSED,
    libvirt.VIR_ERR_XML_DETAIL: REFUSED,
    libvirt.VIR_ERR_INVALID_ARG: REFUSED,
    libvirt.VIR_ERR_CONFIG_UNSUPPORTED: REFUSED,
    libvirt.VIR_ERR_NO_SUPPORT: REFUSED,
    libvirt.VIR_ERR_OPERATION_UNSUPPORTED: REFUSED,
    libvirt.VIR_ERR_OPERATION_DENIED: REFUSED,
    libvirt.VIR_ERR_ACCESS_DENIED: REFUSED,
    libvirt.VIR_ERR_AUTH_FAILED: REFUSED,
    libvirt.VIR_ERR_AUTH_UNAVAILABLE: REFUSED,
}


def meaning_of(error: libvirt.libvirtError) -> Meaning:
    """Look an error up: by its words, by its errno, by its code."""
    words = str(error)
    for pattern, meaning in BY_SENTENCE:
        if pattern.search(words):
            return meaning
    if error.get_error_code() == libvirt.VIR_ERR_SYSTEM_ERROR and error.get_int1() in BY_ERRNO:
        return BY_ERRNO[error.get_int1()]
    return BY_CODE.get(error.get_error_code(), UNKNOWN)


def mapped(error: libvirt.libvirtError, *, alive: bool) -> ProviderError:
    """Turn libvirt's error into ours. On a connection that is not `alive`, whatever failed failed because of that."""
    meaning = meaning_of(error) if alive else UNREACHABLE
    return ProviderError(meaning.code, f"{meaning.sentence} ({error})", fault_class=meaning.fault_class)
