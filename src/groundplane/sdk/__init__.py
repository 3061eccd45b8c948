"""The Python client of the public API. Sees nothing else of the platform.

This is the front door: everything that a program needs is imported from here.
"""

from groundplane.sdk.client import Client, Common, Operations, Tenant
from groundplane.sdk.collection import Collection
from groundplane.sdk.dryrun import DryRun, PlannedJob, PlannedResource, QuotaEffect
from groundplane.sdk.errors import (
    ApiError,
    ClientError,
    ConnectionFailedError,
    FieldError,
    JobFailedError,
    WaitTimeoutError,
)
from groundplane.sdk.oversight import AuditEvent, Drift, HostHealth, Incident, Usage
from groundplane.sdk.records import (
    Bulk,
    Change,
    Job,
    JobError,
    JobFault,
    JobReference,
    JobStep,
    Resource,
    RoleBinding,
    User,
    Why,
    WhyEntry,
)
from groundplane.sdk.retries import Retries
from groundplane.sdk.secrets import SecretVersion
from groundplane.sdk.traces import JobSpan, JobTrace
from groundplane.sdk.traffic import TrafficRule

__all__ = [
    "ApiError",
    "AuditEvent",
    "Bulk",
    "Change",
    "Client",
    "ClientError",
    "Collection",
    "Common",
    "ConnectionFailedError",
    "Drift",
    "DryRun",
    "FieldError",
    "HostHealth",
    "Incident",
    "Job",
    "JobError",
    "JobFailedError",
    "JobFault",
    "JobReference",
    "JobSpan",
    "JobStep",
    "JobTrace",
    "Operations",
    "PlannedJob",
    "PlannedResource",
    "QuotaEffect",
    "Resource",
    "Retries",
    "RoleBinding",
    "SecretVersion",
    "Tenant",
    "TrafficRule",
    "Usage",
    "User",
    "WaitTimeoutError",
    "Why",
    "WhyEntry",
]
