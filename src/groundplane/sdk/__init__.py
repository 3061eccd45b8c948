"""The Python client of the public API. Sees nothing else of the platform.

This is the front door: everything that a program needs is imported from here.
"""

from groundplane.sdk.client import Client, Common, Operations, Tenant
from groundplane.sdk.collection import Collection
from groundplane.sdk.errors import (
    ApiError,
    ClientError,
    ConnectionFailedError,
    FieldError,
    JobFailedError,
    WaitTimeoutError,
)
from groundplane.sdk.oversight import AuditEvent, Drift, HostHealth, Incident, Usage
from groundplane.sdk.records import Change, Job, JobError, JobReference, JobStep, Resource, RoleBinding, User, Why, WhyEntry
from groundplane.sdk.retries import Retries
from groundplane.sdk.traffic import TrafficRule

__all__ = [
    "ApiError",
    "AuditEvent",
    "Change",
    "Client",
    "ClientError",
    "Collection",
    "Common",
    "ConnectionFailedError",
    "Drift",
    "FieldError",
    "HostHealth",
    "Incident",
    "Job",
    "JobError",
    "JobFailedError",
    "JobReference",
    "JobStep",
    "Operations",
    "Resource",
    "Retries",
    "RoleBinding",
    "Tenant",
    "TrafficRule",
    "Usage",
    "User",
    "WaitTimeoutError",
    "Why",
    "WhyEntry",
]
