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
    Access,
    Bulk,
    Change,
    CustomRole,
    Group,
    Invitation,
    Job,
    JobError,
    JobFault,
    JobReference,
    JobStep,
    Member,
    Resource,
    RoleBinding,
    ServiceAccount,
    User,
    Why,
    WhyEntry,
)
from groundplane.sdk.retries import Retries
from groundplane.sdk.secrets import SecretVersion
from groundplane.sdk.traces import JobSpan, JobTrace
from groundplane.sdk.traffic import TrafficRule

__all__ = [
    "Access",
    "ApiError",
    "AuditEvent",
    "Bulk",
    "Change",
    "Client",
    "ClientError",
    "Collection",
    "Common",
    "ConnectionFailedError",
    "CustomRole",
    "Drift",
    "DryRun",
    "FieldError",
    "Group",
    "HostHealth",
    "Incident",
    "Invitation",
    "Job",
    "JobError",
    "JobFailedError",
    "JobFault",
    "JobReference",
    "JobSpan",
    "JobStep",
    "JobTrace",
    "Member",
    "Operations",
    "PlannedJob",
    "PlannedResource",
    "QuotaEffect",
    "Resource",
    "Retries",
    "RoleBinding",
    "SecretVersion",
    "ServiceAccount",
    "Tenant",
    "TrafficRule",
    "Usage",
    "User",
    "WaitTimeoutError",
    "Why",
    "WhyEntry",
]
