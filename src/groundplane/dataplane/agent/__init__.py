"""The agent: takes a cluster's tasks, carries them out on engines, and says what is. Keeps nothing of its own.

Every module here speaks to the Protocols of `dataplane.providers`, never to an engine.
"""

from groundplane.dataplane.agent.agent import Agent
from groundplane.dataplane.agent.channel import ApiChannel
from groundplane.dataplane.agent.drivers import Drivers, HostDrivers
from groundplane.dataplane.agent.identity import AgentIdentity

__all__ = ["Agent", "AgentIdentity", "ApiChannel", "Drivers", "HostDrivers"]
