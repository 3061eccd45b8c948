"""Virtual machines: what a request may say, and the kind. Admission is in `admission`, the workflows in `workflows`."""

from collections.abc import Mapping
from typing import Any

from groundplane.controlplane.compute.vm.admission import admit, owned, refers, release, restore, revise
from groundplane.controlplane.compute.vm.models import VmObserved, VmRequest, VmSpec, VmUpdate
from groundplane.controlplane.compute.vm.workflows import CREATE, DELETE, ENSURE
from groundplane.controlplane.resources.kind import Action, Column, Kind
from groundplane.controlplane.resources.resource import Resource


def _start(vm: Resource) -> Mapping[str, Any]:
    return {**vm.spec, "power": "running"}


def _stop(vm: Resource) -> Mapping[str, Any]:
    return {**vm.spec, "power": "stopped"}


def _reboot(vm: Resource) -> Mapping[str, Any]:
    """A reboot is a wish too: one more than before, so that a message that comes twice reboots once."""
    return {**vm.spec, "power": "running", "reboots": vm.spec["reboots"] + 1}


def _meters(spec: VmSpec, observed: Mapping[str, Any]) -> Mapping[str, int]:
    if observed.get("power") != "running":
        return {}
    return {"vm_vcpus": spec.vcpus, "vm_memory_mib": spec.memory_mib}


def _differs(spec: VmSpec, observed: Mapping[str, Any]) -> Mapping[str, tuple[Any, Any]]:
    power = observed.get("power")
    return {} if power is None or power == spec.power else {"power": (spec.power, power)}


VM = Kind(
    name="vm",
    plural="vms",
    title="Virtual machine",
    title_plural="Virtual machines",
    prefix="vm",
    service="compute",
    namespace="tenant",
    summary="A virtual machine.",
    spec=VmSpec,
    create=VmRequest,
    update=VmUpdate,
    observed=VmObserved,
    refers=refers,
    admit=admit,
    revise=revise,
    restore=restore,
    release=release,
    owned=owned,
    on_create=CREATE,
    on_update=ENSURE,
    on_delete=DELETE,
    actions=(
        Action("start", "Start the machine.", _start),
        Action("stop", "Stop the machine: it is asked to shut down, then switched off.", _stop),
        Action("reboot", "Reboot the machine, or start it if it is stopped.", _reboot),
    ),
    dimensions=("vms", "vcpus", "memory_mib"),
    quota=lambda spec: {"vms": 1, "vcpus": spec.vcpus, "memory_mib": spec.memory_mib},
    meters=_meters,
    inventory=True,
    differs=_differs,
    columns=(
        Column("spec.vcpus", "vCPUs"),
        Column("spec.memory_mib", "Memory", unit="MiB"),
        Column("observed.power", "Power"),
    ),
)
