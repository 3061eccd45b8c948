"""The Python client of the public API, for threads and for asyncio. Sees nothing else of the platform.

This is the front door: what a program needs at once is imported from here, the types of what is answered from `records`, those
of what is sent from `bodies`. Nothing is loaded before it is used: a command line starts at every key press.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from groundplane.sdk.async_client import AsyncClient
    from groundplane.sdk.asynchronous import AsyncCommon, AsyncOperations, AsyncOrganization, AsyncTenant
    from groundplane.sdk.blocking import Common, Operations, Organization, Tenant
    from groundplane.sdk.client import Client
    from groundplane.sdk.errors import (
        ApiError,
        ClientError,
        ConnectionFailedError,
        FieldError,
        JobFailedError,
        UnexpectedAnswerError,
        WaitTimeoutError,
    )
    from groundplane.sdk.events import Event
    from groundplane.sdk.login import DeviceCodes
    from groundplane.sdk.record import as_json
    from groundplane.sdk.records import Job, JobStep, Resource
    from groundplane.sdk.retries import Retries

_PLACES = {
    "async_client": ("AsyncClient",),
    "asynchronous": ("AsyncCommon", "AsyncOperations", "AsyncOrganization", "AsyncTenant"),
    "blocking": ("Common", "Operations", "Organization", "Tenant"),
    "client": ("Client",),
    "errors": (
        "ApiError", "ClientError", "ConnectionFailedError", "FieldError", "JobFailedError", "UnexpectedAnswerError",
        "WaitTimeoutError",
    ),
    "events": ("Event",),
    "login": ("DeviceCodes",),
    "record": ("as_json",),
    "records": ("Job", "JobStep", "Resource"),
    "retries": ("Retries",),
}  # fmt: skip

__all__ = [
    "ApiError",
    "AsyncClient",
    "AsyncCommon",
    "AsyncOperations",
    "AsyncOrganization",
    "AsyncTenant",
    "Client",
    "ClientError",
    "Common",
    "ConnectionFailedError",
    "DeviceCodes",
    "Event",
    "FieldError",
    "Job",
    "JobFailedError",
    "JobStep",
    "Operations",
    "Organization",
    "Resource",
    "Retries",
    "Tenant",
    "UnexpectedAnswerError",
    "WaitTimeoutError",
    "as_json",
]


if not TYPE_CHECKING:  # a checker knows what there is

    def __getattr__(name: str) -> object:
        """Load what is asked for (PEP 562)."""
        for module, names in _PLACES.items():
            if name in names:
                return getattr(import_module(f"{__name__}.{module}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
