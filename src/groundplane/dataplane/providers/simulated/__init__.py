"""The simulated engine: hosts, pools and networks that exist in one SQLite file, for scale and for faults. A product part."""

from groundplane.dataplane.providers.simulated.compute import SimulatedCompute
from groundplane.dataplane.providers.simulated.engine import Resource, SimulatedEngine
from groundplane.dataplane.providers.simulated.injections import Effect, Injection
from groundplane.dataplane.providers.simulated.network import SimulatedNetwork
from groundplane.dataplane.providers.simulated.storage import SimulatedStorage

__all__ = [
    "Effect",
    "Injection",
    "Resource",
    "SimulatedCompute",
    "SimulatedEngine",
    "SimulatedNetwork",
    "SimulatedStorage",
]
