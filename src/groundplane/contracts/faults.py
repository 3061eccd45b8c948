"""What can go wrong in the data plane, said once: a class (is it worth another try?), a stable code and a sentence."""

from typing import Literal

from groundplane.contracts.wire import Wire

FaultClass = Literal["transient", "permanent"]


class Fault(Wire):
    """An error as it travels and as a job shows it. Only a transient fault is worth another try."""

    code: str
    fault_class: FaultClass
    message: str


class ProviderError(Exception):
    """Raised by a provider, after its own table has mapped the engine's error."""

    def __init__(self, code: str, message: str, *, fault_class: FaultClass) -> None:
        super().__init__(message)
        self.fault = Fault(code=code, fault_class=fault_class, message=message)


def transient(code: str, message: str) -> ProviderError:
    """An error that another try may mend: an engine that does not answer, a lock, a full queue."""
    return ProviderError(code, message, fault_class="transient")


def permanent(code: str, message: str) -> ProviderError:
    """An error that every further try would meet again; the message tells the user what to do."""
    return ProviderError(code, message, fault_class="permanent")


def stale_fence(found: int, asked: int) -> ProviderError:
    """The engine has already seen a newer task (or a removal) for this resource, so this one is not carried out."""
    return permanent("stale_fence", f"A newer task, fence {found}, was here before this one, fence {asked}.")
