"""Every operation, awaited. Made from docs/openapi by `groundplane openapi`: do not edit."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Unpack

from groundplane.sdk import events, growing, jobs, paging, records, uploads
from groundplane.sdk.calls import Call, given, quoted, selector
from groundplane.sdk.jobs import WAIT_SECONDS

if TYPE_CHECKING:
    from groundplane.sdk import bodies
    from groundplane.sdk.async_session import AsyncSession
    from groundplane.sdk.calls import Selector
    from groundplane.sdk.events import Event
    from groundplane.sdk.jobs import Conditional, OnStep, Sent, Waited
    from groundplane.sdk.uploads import OnProgress


class _Group:
    """What is done with resources of one sort below one path. All raise ApiError and ConnectionFailedError."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        self._session = session
        self._at = at


class TenantVmsDryRun(_Group):
    """Tells what calls of vms would do. Nothing of it is done."""

    async def create(self, name: str, spec: bodies.VmRequest, *, labels: Mapping[str, str] | None = None) -> records.DryRun:
        """Create a vm."""
        call = Call("POST", f"{self._at}/vms", query={"dry_run": True}, json=given(name=name, labels=labels, spec=spec))
        return await self._session.run(jobs.read(call, records.DryRun))

    async def create_many(
        self, name: str, count: int, spec: bodies.VmRequest, *, labels: Mapping[str, str] | None = None
    ) -> records.DryRun:
        """Make up to 1000 by one request, NAME-1 to NAME-COUNT, all or none."""
        call = Call(
            "POST", f"{self._at}/vms", query={"dry_run": True}, json=given(name=name, count=count, labels=labels, spec=spec)
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def update(
        self,
        reference: str,
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        spec: bodies.VmUpdate | None = None,
    ) -> records.DryRun:
        """Change a vm."""
        call = Call(
            "PATCH",
            f"{self._at}/vms/{quoted(reference)}",
            query={"dry_run": True},
            json=given(name=name, labels=labels, spec=spec),
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def delete(self, reference: str) -> records.DryRun:
        """Delete a vm."""
        call = Call("DELETE", f"{self._at}/vms/{quoted(reference)}", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))

    async def start(self, reference: str) -> records.DryRun:
        """Start the machine."""
        call = Call("POST", f"{self._at}/vms/{quoted(reference)}/start", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))

    async def stop(self, reference: str) -> records.DryRun:
        """Stop the machine: it is asked to shut down, then switched off."""
        call = Call("POST", f"{self._at}/vms/{quoted(reference)}/stop", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))

    async def reboot(self, reference: str) -> records.DryRun:
        """Reboot the machine, or start it if it is stopped."""
        call = Call("POST", f"{self._at}/vms/{quoted(reference)}/reboot", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))


class TenantVms(_Group):
    """Vms, in a project."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = TenantVmsDryRun(session, at)

    def list(
        self,
        *,
        label: Selector | None = None,
        name: str | None = None,
        name_prefix: str | None = None,
        status: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        uses: str | None = None,
        sort: Literal["created_at", "-created_at", "name", "-name"] | None = None,
    ) -> AsyncGenerator[records.Vm, None]:
        """List vms."""
        call = Call(
            "GET",
            f"{self._at}/vms",
            query={
                "label": selector(label),
                "name": name,
                "name_prefix": name_prefix,
                "status": status,
                "created_after": created_after,
                "created_before": created_before,
                "uses": uses,
                "sort": sort,
            },
        )
        return self._session.stream(paging.items(call, records.VmPage))

    async def create(
        self, name: str, spec: bodies.VmRequest, *, labels: Mapping[str, str] | None = None, **how: Unpack[Waited]
    ) -> records.Vm:
        """Create a vm."""
        call = Call("POST", f"{self._at}/vms", json=given(name=name, labels=labels, spec=spec))
        return await self._session.run(jobs.settle(call, records.Vm, how, f"{self._at}/vms"))

    async def create_many(
        self, name: str, count: int, spec: bodies.VmRequest, *, labels: Mapping[str, str] | None = None, **how: Unpack[Waited]
    ) -> records.VmBulk:
        """Make up to 1000 by one request, NAME-1 to NAME-COUNT, all or none."""
        call = Call("POST", f"{self._at}/vms", json=given(name=name, count=count, labels=labels, spec=spec))
        return await self._session.run(jobs.settle_many(call, records.VmBulk, records.VmPage, how))

    async def get(self, reference: str) -> records.Vm:
        """Read a vm."""
        call = Call("GET", f"{self._at}/vms/{quoted(reference)}")
        return await self._session.run(jobs.read(call, records.Vm))

    async def update(
        self,
        reference: str,
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        spec: bodies.VmUpdate | None = None,
        **how: Unpack[Conditional],
    ) -> records.Vm:
        """Change a vm."""
        call = Call("PATCH", f"{self._at}/vms/{quoted(reference)}", json=given(name=name, labels=labels, spec=spec))
        return await self._session.run(jobs.settle(call, records.Vm, how, f"{self._at}/vms"))

    async def delete(self, reference: str, **how: Unpack[Conditional]) -> records.Vm:
        """Delete a vm."""
        call = Call("DELETE", f"{self._at}/vms/{quoted(reference)}")
        return await self._session.run(jobs.settle(call, records.Vm, how, None))

    async def start(self, reference: str, **how: Unpack[Conditional]) -> records.Vm:
        """Start the machine."""
        call = Call("POST", f"{self._at}/vms/{quoted(reference)}/start")
        return await self._session.run(jobs.settle(call, records.Vm, how, f"{self._at}/vms"))

    async def stop(self, reference: str, **how: Unpack[Conditional]) -> records.Vm:
        """Stop the machine: it is asked to shut down, then switched off."""
        call = Call("POST", f"{self._at}/vms/{quoted(reference)}/stop")
        return await self._session.run(jobs.settle(call, records.Vm, how, f"{self._at}/vms"))

    async def reboot(self, reference: str, **how: Unpack[Conditional]) -> records.Vm:
        """Reboot the machine, or start it if it is stopped."""
        call = Call("POST", f"{self._at}/vms/{quoted(reference)}/reboot")
        return await self._session.run(jobs.settle(call, records.Vm, how, f"{self._at}/vms"))

    async def history(self, reference: str) -> tuple[records.HistoryEntry, ...]:
        """How a vm came to be what it is."""
        call = Call("GET", f"{self._at}/vms/{quoted(reference)}/history")
        return await self._session.run(jobs.read(call, tuple[records.HistoryEntry, ...]))

    async def why(self, reference: str, *, limit: int | None = None) -> records.Why:
        """Why this vm is as it is, or is not there."""
        call = Call("GET", f"{self._at}/vms/{quoted(reference)}/why", query={"limit": limit})
        return await self._session.run(jobs.read(call, records.Why))

    async def links(self, reference: str) -> records.Links:
        """What this vm uses, and what uses it."""
        call = Call("GET", f"{self._at}/vms/{quoted(reference)}/links")
        return await self._session.run(jobs.read(call, records.Links))

    async def console_log(self, reference: str, *, offset: int | None = None, limit: int | None = None) -> bytes:
        """Read the serial console's log."""
        call = Call("GET", f"{self._at}/vms/{quoted(reference)}/console-log", query={"offset": offset, "limit": limit})
        return await self._session.run(jobs.text(call))

    def follow_console_log(
        self, reference: str, offset: int = 0, *, timeout: float | None = None, interval: float = 0.5
    ) -> AsyncGenerator[bytes, None]:
        """Read the serial console's log, as it grows."""
        call = Call("GET", f"{self._at}/vms/{quoted(reference)}/console-log")
        return self._session.stream(growing.follow(call, offset, timeout, interval))


class TenantSecretsDryRun(_Group):
    """Tells what calls of secrets would do. Nothing of it is done."""

    async def create(self, name: str, spec: bodies.SecretRequest, *, labels: Mapping[str, str] | None = None) -> records.DryRun:
        """Create a secret."""
        call = Call("POST", f"{self._at}/secrets", query={"dry_run": True}, json=given(name=name, labels=labels, spec=spec))
        return await self._session.run(jobs.read(call, records.DryRun))

    async def create_many(
        self, name: str, count: int, spec: bodies.SecretRequest, *, labels: Mapping[str, str] | None = None
    ) -> records.DryRun:
        """Make up to 1000 by one request, NAME-1 to NAME-COUNT, all or none."""
        call = Call(
            "POST", f"{self._at}/secrets", query={"dry_run": True}, json=given(name=name, count=count, labels=labels, spec=spec)
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def update(
        self,
        reference: str,
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        spec: bodies.SecretRequest | None = None,
    ) -> records.DryRun:
        """Change a secret."""
        call = Call(
            "PATCH",
            f"{self._at}/secrets/{quoted(reference)}",
            query={"dry_run": True},
            json=given(name=name, labels=labels, spec=spec),
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def delete(self, reference: str) -> records.DryRun:
        """Delete a secret."""
        call = Call("DELETE", f"{self._at}/secrets/{quoted(reference)}", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))

    async def destroy(self, reference: str, version: int) -> records.DryRun:
        """It cannot be had back. The current version stays: give the secret a new value first. Answers what is left."""
        call = Call("DELETE", f"{self._at}/secrets/{quoted(reference)}/versions/{quoted(version)}", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))


class TenantSecrets(_Group):
    """Secrets, in a project."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = TenantSecretsDryRun(session, at)

    def list(
        self,
        *,
        label: Selector | None = None,
        name: str | None = None,
        name_prefix: str | None = None,
        status: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        uses: str | None = None,
        sort: Literal["created_at", "-created_at", "name", "-name"] | None = None,
    ) -> AsyncGenerator[records.Secret, None]:
        """List secrets."""
        call = Call(
            "GET",
            f"{self._at}/secrets",
            query={
                "label": selector(label),
                "name": name,
                "name_prefix": name_prefix,
                "status": status,
                "created_after": created_after,
                "created_before": created_before,
                "uses": uses,
                "sort": sort,
            },
        )
        return self._session.stream(paging.items(call, records.SecretPage))

    async def create(
        self, name: str, spec: bodies.SecretRequest, *, labels: Mapping[str, str] | None = None, **how: Unpack[Waited]
    ) -> records.Secret:
        """Create a secret."""
        call = Call("POST", f"{self._at}/secrets", json=given(name=name, labels=labels, spec=spec))
        return await self._session.run(jobs.settle(call, records.Secret, how, f"{self._at}/secrets"))

    async def create_many(
        self,
        name: str,
        count: int,
        spec: bodies.SecretRequest,
        *,
        labels: Mapping[str, str] | None = None,
        **how: Unpack[Waited],
    ) -> records.SecretBulk:
        """Make up to 1000 by one request, NAME-1 to NAME-COUNT, all or none."""
        call = Call("POST", f"{self._at}/secrets", json=given(name=name, count=count, labels=labels, spec=spec))
        return await self._session.run(jobs.settle_many(call, records.SecretBulk, records.SecretPage, how))

    async def get(self, reference: str) -> records.Secret:
        """Read a secret."""
        call = Call("GET", f"{self._at}/secrets/{quoted(reference)}")
        return await self._session.run(jobs.read(call, records.Secret))

    async def update(
        self,
        reference: str,
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        spec: bodies.SecretRequest | None = None,
        **how: Unpack[Conditional],
    ) -> records.Secret:
        """Change a secret."""
        call = Call("PATCH", f"{self._at}/secrets/{quoted(reference)}", json=given(name=name, labels=labels, spec=spec))
        return await self._session.run(jobs.settle(call, records.Secret, how, f"{self._at}/secrets"))

    async def delete(self, reference: str, **how: Unpack[Conditional]) -> records.Secret:
        """Delete a secret."""
        call = Call("DELETE", f"{self._at}/secrets/{quoted(reference)}")
        return await self._session.run(jobs.settle(call, records.Secret, how, None))

    async def history(self, reference: str) -> tuple[records.HistoryEntry, ...]:
        """How a secret came to be what it is."""
        call = Call("GET", f"{self._at}/secrets/{quoted(reference)}/history")
        return await self._session.run(jobs.read(call, tuple[records.HistoryEntry, ...]))

    async def why(self, reference: str, *, limit: int | None = None) -> records.Why:
        """Why this secret is as it is, or is not there."""
        call = Call("GET", f"{self._at}/secrets/{quoted(reference)}/why", query={"limit": limit})
        return await self._session.run(jobs.read(call, records.Why))

    async def links(self, reference: str) -> records.Links:
        """What this secret uses, and what uses it."""
        call = Call("GET", f"{self._at}/secrets/{quoted(reference)}/links")
        return await self._session.run(jobs.read(call, records.Links))

    async def reveal(self, reference: str, *, version: int | None = None) -> records.SecretValue:
        """Each reading leaves a row in the audit log."""
        call = Call("GET", f"{self._at}/secrets/{quoted(reference)}/value", query={"version": version})
        return await self._session.run(jobs.read(call, records.SecretValue))

    async def versions(self, reference: str) -> tuple[records.SecretVersion, ...]:
        """Oldest first. Values are not told."""
        call = Call("GET", f"{self._at}/secrets/{quoted(reference)}/versions")
        return await self._session.run(jobs.read(call, tuple[records.SecretVersion, ...]))

    async def destroy(self, reference: str, version: int, **how: Unpack[Sent]) -> tuple[records.SecretVersion, ...]:
        """It cannot be had back. The current version stays: give the secret a new value first. Answers what is left."""
        call = Call("DELETE", f"{self._at}/secrets/{quoted(reference)}/versions/{quoted(version)}")
        return await self._session.run(jobs.read(call, tuple[records.SecretVersion, ...], how))


class TenantSshKeysDryRun(_Group):
    """Tells what calls of ssh keys would do. Nothing of it is done."""

    async def create(self, name: str, spec: bodies.SshKeyRequest, *, labels: Mapping[str, str] | None = None) -> records.DryRun:
        """Create a ssh key."""
        call = Call("POST", f"{self._at}/ssh-keys", query={"dry_run": True}, json=given(name=name, labels=labels, spec=spec))
        return await self._session.run(jobs.read(call, records.DryRun))

    async def create_many(
        self, name: str, count: int, spec: bodies.SshKeyRequest, *, labels: Mapping[str, str] | None = None
    ) -> records.DryRun:
        """Make up to 1000 by one request, NAME-1 to NAME-COUNT, all or none."""
        call = Call(
            "POST",
            f"{self._at}/ssh-keys",
            query={"dry_run": True},
            json=given(name=name, count=count, labels=labels, spec=spec),
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def update(
        self, reference: str, *, name: str | None = None, labels: Mapping[str, str] | None = None
    ) -> records.DryRun:
        """Change a ssh key."""
        call = Call(
            "PATCH", f"{self._at}/ssh-keys/{quoted(reference)}", query={"dry_run": True}, json=given(name=name, labels=labels)
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def delete(self, reference: str) -> records.DryRun:
        """Delete a ssh key."""
        call = Call("DELETE", f"{self._at}/ssh-keys/{quoted(reference)}", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))


class TenantSshKeys(_Group):
    """Ssh keys, in a project."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = TenantSshKeysDryRun(session, at)

    def list(
        self,
        *,
        label: Selector | None = None,
        name: str | None = None,
        name_prefix: str | None = None,
        status: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        uses: str | None = None,
        sort: Literal["created_at", "-created_at", "name", "-name"] | None = None,
    ) -> AsyncGenerator[records.SshKey, None]:
        """List ssh keys."""
        call = Call(
            "GET",
            f"{self._at}/ssh-keys",
            query={
                "label": selector(label),
                "name": name,
                "name_prefix": name_prefix,
                "status": status,
                "created_after": created_after,
                "created_before": created_before,
                "uses": uses,
                "sort": sort,
            },
        )
        return self._session.stream(paging.items(call, records.SshKeyPage))

    async def create(
        self, name: str, spec: bodies.SshKeyRequest, *, labels: Mapping[str, str] | None = None, **how: Unpack[Waited]
    ) -> records.SshKey:
        """Create a ssh key."""
        call = Call("POST", f"{self._at}/ssh-keys", json=given(name=name, labels=labels, spec=spec))
        return await self._session.run(jobs.settle(call, records.SshKey, how, f"{self._at}/ssh-keys"))

    async def create_many(
        self,
        name: str,
        count: int,
        spec: bodies.SshKeyRequest,
        *,
        labels: Mapping[str, str] | None = None,
        **how: Unpack[Waited],
    ) -> records.SshKeyBulk:
        """Make up to 1000 by one request, NAME-1 to NAME-COUNT, all or none."""
        call = Call("POST", f"{self._at}/ssh-keys", json=given(name=name, count=count, labels=labels, spec=spec))
        return await self._session.run(jobs.settle_many(call, records.SshKeyBulk, records.SshKeyPage, how))

    async def get(self, reference: str) -> records.SshKey:
        """Read a ssh key."""
        call = Call("GET", f"{self._at}/ssh-keys/{quoted(reference)}")
        return await self._session.run(jobs.read(call, records.SshKey))

    async def update(
        self, reference: str, *, name: str | None = None, labels: Mapping[str, str] | None = None, **how: Unpack[Conditional]
    ) -> records.SshKey:
        """Change a ssh key."""
        call = Call("PATCH", f"{self._at}/ssh-keys/{quoted(reference)}", json=given(name=name, labels=labels))
        return await self._session.run(jobs.settle(call, records.SshKey, how, f"{self._at}/ssh-keys"))

    async def delete(self, reference: str, **how: Unpack[Conditional]) -> records.SshKey:
        """Delete a ssh key."""
        call = Call("DELETE", f"{self._at}/ssh-keys/{quoted(reference)}")
        return await self._session.run(jobs.settle(call, records.SshKey, how, None))

    async def history(self, reference: str) -> tuple[records.HistoryEntry, ...]:
        """How a ssh key came to be what it is."""
        call = Call("GET", f"{self._at}/ssh-keys/{quoted(reference)}/history")
        return await self._session.run(jobs.read(call, tuple[records.HistoryEntry, ...]))

    async def why(self, reference: str, *, limit: int | None = None) -> records.Why:
        """Why this ssh key is as it is, or is not there."""
        call = Call("GET", f"{self._at}/ssh-keys/{quoted(reference)}/why", query={"limit": limit})
        return await self._session.run(jobs.read(call, records.Why))

    async def links(self, reference: str) -> records.Links:
        """What this ssh key uses, and what uses it."""
        call = Call("GET", f"{self._at}/ssh-keys/{quoted(reference)}/links")
        return await self._session.run(jobs.read(call, records.Links))


class TenantPortsDryRun(_Group):
    """Tells what calls of ports would do. Nothing of it is done."""

    async def create(self, name: str, spec: bodies.PortRequest, *, labels: Mapping[str, str] | None = None) -> records.DryRun:
        """Create a port."""
        call = Call("POST", f"{self._at}/ports", query={"dry_run": True}, json=given(name=name, labels=labels, spec=spec))
        return await self._session.run(jobs.read(call, records.DryRun))

    async def create_many(
        self, name: str, count: int, spec: bodies.PortRequest, *, labels: Mapping[str, str] | None = None
    ) -> records.DryRun:
        """Make up to 1000 by one request, NAME-1 to NAME-COUNT, all or none."""
        call = Call(
            "POST", f"{self._at}/ports", query={"dry_run": True}, json=given(name=name, count=count, labels=labels, spec=spec)
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def update(
        self,
        reference: str,
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        spec: bodies.PortUpdate | None = None,
    ) -> records.DryRun:
        """Change a port."""
        call = Call(
            "PATCH",
            f"{self._at}/ports/{quoted(reference)}",
            query={"dry_run": True},
            json=given(name=name, labels=labels, spec=spec),
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def delete(self, reference: str) -> records.DryRun:
        """Delete a port."""
        call = Call("DELETE", f"{self._at}/ports/{quoted(reference)}", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))


class TenantPorts(_Group):
    """Ports, in a project."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = TenantPortsDryRun(session, at)

    def list(
        self,
        *,
        label: Selector | None = None,
        name: str | None = None,
        name_prefix: str | None = None,
        status: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        uses: str | None = None,
        sort: Literal["created_at", "-created_at", "name", "-name"] | None = None,
    ) -> AsyncGenerator[records.Port, None]:
        """List ports."""
        call = Call(
            "GET",
            f"{self._at}/ports",
            query={
                "label": selector(label),
                "name": name,
                "name_prefix": name_prefix,
                "status": status,
                "created_after": created_after,
                "created_before": created_before,
                "uses": uses,
                "sort": sort,
            },
        )
        return self._session.stream(paging.items(call, records.PortPage))

    async def create(
        self, name: str, spec: bodies.PortRequest, *, labels: Mapping[str, str] | None = None, **how: Unpack[Waited]
    ) -> records.Port:
        """Create a port."""
        call = Call("POST", f"{self._at}/ports", json=given(name=name, labels=labels, spec=spec))
        return await self._session.run(jobs.settle(call, records.Port, how, f"{self._at}/ports"))

    async def create_many(
        self, name: str, count: int, spec: bodies.PortRequest, *, labels: Mapping[str, str] | None = None, **how: Unpack[Waited]
    ) -> records.PortBulk:
        """Make up to 1000 by one request, NAME-1 to NAME-COUNT, all or none."""
        call = Call("POST", f"{self._at}/ports", json=given(name=name, count=count, labels=labels, spec=spec))
        return await self._session.run(jobs.settle_many(call, records.PortBulk, records.PortPage, how))

    async def get(self, reference: str) -> records.Port:
        """Read a port."""
        call = Call("GET", f"{self._at}/ports/{quoted(reference)}")
        return await self._session.run(jobs.read(call, records.Port))

    async def update(
        self,
        reference: str,
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        spec: bodies.PortUpdate | None = None,
        **how: Unpack[Conditional],
    ) -> records.Port:
        """Change a port."""
        call = Call("PATCH", f"{self._at}/ports/{quoted(reference)}", json=given(name=name, labels=labels, spec=spec))
        return await self._session.run(jobs.settle(call, records.Port, how, f"{self._at}/ports"))

    async def delete(self, reference: str, **how: Unpack[Conditional]) -> records.Port:
        """Delete a port."""
        call = Call("DELETE", f"{self._at}/ports/{quoted(reference)}")
        return await self._session.run(jobs.settle(call, records.Port, how, None))

    async def history(self, reference: str) -> tuple[records.HistoryEntry, ...]:
        """How a port came to be what it is."""
        call = Call("GET", f"{self._at}/ports/{quoted(reference)}/history")
        return await self._session.run(jobs.read(call, tuple[records.HistoryEntry, ...]))

    async def why(self, reference: str, *, limit: int | None = None) -> records.Why:
        """Why this port is as it is, or is not there."""
        call = Call("GET", f"{self._at}/ports/{quoted(reference)}/why", query={"limit": limit})
        return await self._session.run(jobs.read(call, records.Why))

    async def links(self, reference: str) -> records.Links:
        """What this port uses, and what uses it."""
        call = Call("GET", f"{self._at}/ports/{quoted(reference)}/links")
        return await self._session.run(jobs.read(call, records.Links))


class TenantSecurityGroupsDryRun(_Group):
    """Tells what calls of security groups would do. Nothing of it is done."""

    async def create(
        self, name: str, *, labels: Mapping[str, str] | None = None, spec: bodies.SecurityGroupSpec | None = None
    ) -> records.DryRun:
        """Create a security group."""
        call = Call(
            "POST", f"{self._at}/security-groups", query={"dry_run": True}, json=given(name=name, labels=labels, spec=spec)
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def create_many(
        self, name: str, count: int, *, labels: Mapping[str, str] | None = None, spec: bodies.SecurityGroupSpec | None = None
    ) -> records.DryRun:
        """Make up to 1000 by one request, NAME-1 to NAME-COUNT, all or none."""
        call = Call(
            "POST",
            f"{self._at}/security-groups",
            query={"dry_run": True},
            json=given(name=name, count=count, labels=labels, spec=spec),
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def update(
        self,
        reference: str,
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        spec: bodies.SecurityGroupSpec | None = None,
    ) -> records.DryRun:
        """Change a security group."""
        call = Call(
            "PATCH",
            f"{self._at}/security-groups/{quoted(reference)}",
            query={"dry_run": True},
            json=given(name=name, labels=labels, spec=spec),
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def delete(self, reference: str) -> records.DryRun:
        """Delete a security group."""
        call = Call("DELETE", f"{self._at}/security-groups/{quoted(reference)}", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))


class TenantSecurityGroups(_Group):
    """Security groups, in a project."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = TenantSecurityGroupsDryRun(session, at)

    def list(
        self,
        *,
        label: Selector | None = None,
        name: str | None = None,
        name_prefix: str | None = None,
        status: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        uses: str | None = None,
        sort: Literal["created_at", "-created_at", "name", "-name"] | None = None,
    ) -> AsyncGenerator[records.SecurityGroup, None]:
        """List security groups."""
        call = Call(
            "GET",
            f"{self._at}/security-groups",
            query={
                "label": selector(label),
                "name": name,
                "name_prefix": name_prefix,
                "status": status,
                "created_after": created_after,
                "created_before": created_before,
                "uses": uses,
                "sort": sort,
            },
        )
        return self._session.stream(paging.items(call, records.SecurityGroupPage))

    async def create(
        self,
        name: str,
        *,
        labels: Mapping[str, str] | None = None,
        spec: bodies.SecurityGroupSpec | None = None,
        **how: Unpack[Waited],
    ) -> records.SecurityGroup:
        """Create a security group."""
        call = Call("POST", f"{self._at}/security-groups", json=given(name=name, labels=labels, spec=spec))
        return await self._session.run(jobs.settle(call, records.SecurityGroup, how, f"{self._at}/security-groups"))

    async def create_many(
        self,
        name: str,
        count: int,
        *,
        labels: Mapping[str, str] | None = None,
        spec: bodies.SecurityGroupSpec | None = None,
        **how: Unpack[Waited],
    ) -> records.SecurityGroupBulk:
        """Make up to 1000 by one request, NAME-1 to NAME-COUNT, all or none."""
        call = Call("POST", f"{self._at}/security-groups", json=given(name=name, count=count, labels=labels, spec=spec))
        return await self._session.run(jobs.settle_many(call, records.SecurityGroupBulk, records.SecurityGroupPage, how))

    async def get(self, reference: str) -> records.SecurityGroup:
        """Read a security group."""
        call = Call("GET", f"{self._at}/security-groups/{quoted(reference)}")
        return await self._session.run(jobs.read(call, records.SecurityGroup))

    async def update(
        self,
        reference: str,
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        spec: bodies.SecurityGroupSpec | None = None,
        **how: Unpack[Conditional],
    ) -> records.SecurityGroup:
        """Change a security group."""
        call = Call("PATCH", f"{self._at}/security-groups/{quoted(reference)}", json=given(name=name, labels=labels, spec=spec))
        return await self._session.run(jobs.settle(call, records.SecurityGroup, how, f"{self._at}/security-groups"))

    async def delete(self, reference: str, **how: Unpack[Conditional]) -> records.SecurityGroup:
        """Delete a security group."""
        call = Call("DELETE", f"{self._at}/security-groups/{quoted(reference)}")
        return await self._session.run(jobs.settle(call, records.SecurityGroup, how, None))

    async def history(self, reference: str) -> tuple[records.HistoryEntry, ...]:
        """How a security group came to be what it is."""
        call = Call("GET", f"{self._at}/security-groups/{quoted(reference)}/history")
        return await self._session.run(jobs.read(call, tuple[records.HistoryEntry, ...]))

    async def why(self, reference: str, *, limit: int | None = None) -> records.Why:
        """Why this security group is as it is, or is not there."""
        call = Call("GET", f"{self._at}/security-groups/{quoted(reference)}/why", query={"limit": limit})
        return await self._session.run(jobs.read(call, records.Why))

    async def links(self, reference: str) -> records.Links:
        """What this security group uses, and what uses it."""
        call = Call("GET", f"{self._at}/security-groups/{quoted(reference)}/links")
        return await self._session.run(jobs.read(call, records.Links))


class TenantSubnetsDryRun(_Group):
    """Tells what calls of subnets would do. Nothing of it is done."""

    async def create(self, name: str, spec: bodies.SubnetRequest, *, labels: Mapping[str, str] | None = None) -> records.DryRun:
        """Create a subnet."""
        call = Call("POST", f"{self._at}/subnets", query={"dry_run": True}, json=given(name=name, labels=labels, spec=spec))
        return await self._session.run(jobs.read(call, records.DryRun))

    async def create_many(
        self, name: str, count: int, spec: bodies.SubnetRequest, *, labels: Mapping[str, str] | None = None
    ) -> records.DryRun:
        """Make up to 1000 by one request, NAME-1 to NAME-COUNT, all or none."""
        call = Call(
            "POST", f"{self._at}/subnets", query={"dry_run": True}, json=given(name=name, count=count, labels=labels, spec=spec)
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def update(
        self, reference: str, *, name: str | None = None, labels: Mapping[str, str] | None = None
    ) -> records.DryRun:
        """Change a subnet."""
        call = Call(
            "PATCH", f"{self._at}/subnets/{quoted(reference)}", query={"dry_run": True}, json=given(name=name, labels=labels)
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def delete(self, reference: str) -> records.DryRun:
        """Delete a subnet."""
        call = Call("DELETE", f"{self._at}/subnets/{quoted(reference)}", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))


class TenantSubnets(_Group):
    """Subnets, in a project."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = TenantSubnetsDryRun(session, at)

    def list(
        self,
        *,
        label: Selector | None = None,
        name: str | None = None,
        name_prefix: str | None = None,
        status: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        uses: str | None = None,
        sort: Literal["created_at", "-created_at", "name", "-name"] | None = None,
    ) -> AsyncGenerator[records.Subnet, None]:
        """List subnets."""
        call = Call(
            "GET",
            f"{self._at}/subnets",
            query={
                "label": selector(label),
                "name": name,
                "name_prefix": name_prefix,
                "status": status,
                "created_after": created_after,
                "created_before": created_before,
                "uses": uses,
                "sort": sort,
            },
        )
        return self._session.stream(paging.items(call, records.SubnetPage))

    async def create(
        self, name: str, spec: bodies.SubnetRequest, *, labels: Mapping[str, str] | None = None, **how: Unpack[Waited]
    ) -> records.Subnet:
        """Create a subnet."""
        call = Call("POST", f"{self._at}/subnets", json=given(name=name, labels=labels, spec=spec))
        return await self._session.run(jobs.settle(call, records.Subnet, how, f"{self._at}/subnets"))

    async def create_many(
        self,
        name: str,
        count: int,
        spec: bodies.SubnetRequest,
        *,
        labels: Mapping[str, str] | None = None,
        **how: Unpack[Waited],
    ) -> records.SubnetBulk:
        """Make up to 1000 by one request, NAME-1 to NAME-COUNT, all or none."""
        call = Call("POST", f"{self._at}/subnets", json=given(name=name, count=count, labels=labels, spec=spec))
        return await self._session.run(jobs.settle_many(call, records.SubnetBulk, records.SubnetPage, how))

    async def get(self, reference: str) -> records.Subnet:
        """Read a subnet."""
        call = Call("GET", f"{self._at}/subnets/{quoted(reference)}")
        return await self._session.run(jobs.read(call, records.Subnet))

    async def update(
        self, reference: str, *, name: str | None = None, labels: Mapping[str, str] | None = None, **how: Unpack[Conditional]
    ) -> records.Subnet:
        """Change a subnet."""
        call = Call("PATCH", f"{self._at}/subnets/{quoted(reference)}", json=given(name=name, labels=labels))
        return await self._session.run(jobs.settle(call, records.Subnet, how, f"{self._at}/subnets"))

    async def delete(self, reference: str, **how: Unpack[Conditional]) -> records.Subnet:
        """Delete a subnet."""
        call = Call("DELETE", f"{self._at}/subnets/{quoted(reference)}")
        return await self._session.run(jobs.settle(call, records.Subnet, how, None))

    async def history(self, reference: str) -> tuple[records.HistoryEntry, ...]:
        """How a subnet came to be what it is."""
        call = Call("GET", f"{self._at}/subnets/{quoted(reference)}/history")
        return await self._session.run(jobs.read(call, tuple[records.HistoryEntry, ...]))

    async def why(self, reference: str, *, limit: int | None = None) -> records.Why:
        """Why this subnet is as it is, or is not there."""
        call = Call("GET", f"{self._at}/subnets/{quoted(reference)}/why", query={"limit": limit})
        return await self._session.run(jobs.read(call, records.Why))

    async def links(self, reference: str) -> records.Links:
        """What this subnet uses, and what uses it."""
        call = Call("GET", f"{self._at}/subnets/{quoted(reference)}/links")
        return await self._session.run(jobs.read(call, records.Links))


class TenantNetworksDryRun(_Group):
    """Tells what calls of networks would do. Nothing of it is done."""

    async def create(
        self, name: str, *, labels: Mapping[str, str] | None = None, spec: bodies.NetworkSpec | None = None
    ) -> records.DryRun:
        """Create a network."""
        call = Call("POST", f"{self._at}/networks", query={"dry_run": True}, json=given(name=name, labels=labels, spec=spec))
        return await self._session.run(jobs.read(call, records.DryRun))

    async def create_many(
        self, name: str, count: int, *, labels: Mapping[str, str] | None = None, spec: bodies.NetworkSpec | None = None
    ) -> records.DryRun:
        """Make up to 1000 by one request, NAME-1 to NAME-COUNT, all or none."""
        call = Call(
            "POST",
            f"{self._at}/networks",
            query={"dry_run": True},
            json=given(name=name, count=count, labels=labels, spec=spec),
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def update(
        self, reference: str, *, name: str | None = None, labels: Mapping[str, str] | None = None
    ) -> records.DryRun:
        """Change a network."""
        call = Call(
            "PATCH", f"{self._at}/networks/{quoted(reference)}", query={"dry_run": True}, json=given(name=name, labels=labels)
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def delete(self, reference: str) -> records.DryRun:
        """Delete a network."""
        call = Call("DELETE", f"{self._at}/networks/{quoted(reference)}", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))


class TenantNetworks(_Group):
    """Networks, in a project."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = TenantNetworksDryRun(session, at)

    def list(
        self,
        *,
        label: Selector | None = None,
        name: str | None = None,
        name_prefix: str | None = None,
        status: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        uses: str | None = None,
        sort: Literal["created_at", "-created_at", "name", "-name"] | None = None,
    ) -> AsyncGenerator[records.Network, None]:
        """List networks."""
        call = Call(
            "GET",
            f"{self._at}/networks",
            query={
                "label": selector(label),
                "name": name,
                "name_prefix": name_prefix,
                "status": status,
                "created_after": created_after,
                "created_before": created_before,
                "uses": uses,
                "sort": sort,
            },
        )
        return self._session.stream(paging.items(call, records.NetworkPage))

    async def create(
        self,
        name: str,
        *,
        labels: Mapping[str, str] | None = None,
        spec: bodies.NetworkSpec | None = None,
        **how: Unpack[Waited],
    ) -> records.Network:
        """Create a network."""
        call = Call("POST", f"{self._at}/networks", json=given(name=name, labels=labels, spec=spec))
        return await self._session.run(jobs.settle(call, records.Network, how, f"{self._at}/networks"))

    async def create_many(
        self,
        name: str,
        count: int,
        *,
        labels: Mapping[str, str] | None = None,
        spec: bodies.NetworkSpec | None = None,
        **how: Unpack[Waited],
    ) -> records.NetworkBulk:
        """Make up to 1000 by one request, NAME-1 to NAME-COUNT, all or none."""
        call = Call("POST", f"{self._at}/networks", json=given(name=name, count=count, labels=labels, spec=spec))
        return await self._session.run(jobs.settle_many(call, records.NetworkBulk, records.NetworkPage, how))

    async def get(self, reference: str) -> records.Network:
        """Read a network."""
        call = Call("GET", f"{self._at}/networks/{quoted(reference)}")
        return await self._session.run(jobs.read(call, records.Network))

    async def update(
        self, reference: str, *, name: str | None = None, labels: Mapping[str, str] | None = None, **how: Unpack[Conditional]
    ) -> records.Network:
        """Change a network."""
        call = Call("PATCH", f"{self._at}/networks/{quoted(reference)}", json=given(name=name, labels=labels))
        return await self._session.run(jobs.settle(call, records.Network, how, f"{self._at}/networks"))

    async def delete(self, reference: str, **how: Unpack[Conditional]) -> records.Network:
        """Delete a network."""
        call = Call("DELETE", f"{self._at}/networks/{quoted(reference)}")
        return await self._session.run(jobs.settle(call, records.Network, how, None))

    async def history(self, reference: str) -> tuple[records.HistoryEntry, ...]:
        """How a network came to be what it is."""
        call = Call("GET", f"{self._at}/networks/{quoted(reference)}/history")
        return await self._session.run(jobs.read(call, tuple[records.HistoryEntry, ...]))

    async def why(self, reference: str, *, limit: int | None = None) -> records.Why:
        """Why this network is as it is, or is not there."""
        call = Call("GET", f"{self._at}/networks/{quoted(reference)}/why", query={"limit": limit})
        return await self._session.run(jobs.read(call, records.Why))

    async def links(self, reference: str) -> records.Links:
        """What this network uses, and what uses it."""
        call = Call("GET", f"{self._at}/networks/{quoted(reference)}/links")
        return await self._session.run(jobs.read(call, records.Links))


class TenantVolumesDryRun(_Group):
    """Tells what calls of volumes would do. Nothing of it is done."""

    async def create(self, name: str, spec: bodies.VolumeRequest, *, labels: Mapping[str, str] | None = None) -> records.DryRun:
        """Create a volume."""
        call = Call("POST", f"{self._at}/volumes", query={"dry_run": True}, json=given(name=name, labels=labels, spec=spec))
        return await self._session.run(jobs.read(call, records.DryRun))

    async def create_many(
        self, name: str, count: int, spec: bodies.VolumeRequest, *, labels: Mapping[str, str] | None = None
    ) -> records.DryRun:
        """Make up to 1000 by one request, NAME-1 to NAME-COUNT, all or none."""
        call = Call(
            "POST", f"{self._at}/volumes", query={"dry_run": True}, json=given(name=name, count=count, labels=labels, spec=spec)
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def update(
        self,
        reference: str,
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        spec: bodies.VolumeUpdate | None = None,
    ) -> records.DryRun:
        """Change a volume."""
        call = Call(
            "PATCH",
            f"{self._at}/volumes/{quoted(reference)}",
            query={"dry_run": True},
            json=given(name=name, labels=labels, spec=spec),
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def delete(self, reference: str) -> records.DryRun:
        """Delete a volume."""
        call = Call("DELETE", f"{self._at}/volumes/{quoted(reference)}", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))


class TenantVolumes(_Group):
    """Volumes, in a project."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = TenantVolumesDryRun(session, at)

    def list(
        self,
        *,
        label: Selector | None = None,
        name: str | None = None,
        name_prefix: str | None = None,
        status: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        uses: str | None = None,
        sort: Literal["created_at", "-created_at", "name", "-name"] | None = None,
    ) -> AsyncGenerator[records.Volume, None]:
        """List volumes."""
        call = Call(
            "GET",
            f"{self._at}/volumes",
            query={
                "label": selector(label),
                "name": name,
                "name_prefix": name_prefix,
                "status": status,
                "created_after": created_after,
                "created_before": created_before,
                "uses": uses,
                "sort": sort,
            },
        )
        return self._session.stream(paging.items(call, records.VolumePage))

    async def create(
        self, name: str, spec: bodies.VolumeRequest, *, labels: Mapping[str, str] | None = None, **how: Unpack[Waited]
    ) -> records.Volume:
        """Create a volume."""
        call = Call("POST", f"{self._at}/volumes", json=given(name=name, labels=labels, spec=spec))
        return await self._session.run(jobs.settle(call, records.Volume, how, f"{self._at}/volumes"))

    async def create_many(
        self,
        name: str,
        count: int,
        spec: bodies.VolumeRequest,
        *,
        labels: Mapping[str, str] | None = None,
        **how: Unpack[Waited],
    ) -> records.VolumeBulk:
        """Make up to 1000 by one request, NAME-1 to NAME-COUNT, all or none."""
        call = Call("POST", f"{self._at}/volumes", json=given(name=name, count=count, labels=labels, spec=spec))
        return await self._session.run(jobs.settle_many(call, records.VolumeBulk, records.VolumePage, how))

    async def get(self, reference: str) -> records.Volume:
        """Read a volume."""
        call = Call("GET", f"{self._at}/volumes/{quoted(reference)}")
        return await self._session.run(jobs.read(call, records.Volume))

    async def update(
        self,
        reference: str,
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        spec: bodies.VolumeUpdate | None = None,
        **how: Unpack[Conditional],
    ) -> records.Volume:
        """Change a volume."""
        call = Call("PATCH", f"{self._at}/volumes/{quoted(reference)}", json=given(name=name, labels=labels, spec=spec))
        return await self._session.run(jobs.settle(call, records.Volume, how, f"{self._at}/volumes"))

    async def delete(self, reference: str, **how: Unpack[Conditional]) -> records.Volume:
        """Delete a volume."""
        call = Call("DELETE", f"{self._at}/volumes/{quoted(reference)}")
        return await self._session.run(jobs.settle(call, records.Volume, how, None))

    async def history(self, reference: str) -> tuple[records.HistoryEntry, ...]:
        """How a volume came to be what it is."""
        call = Call("GET", f"{self._at}/volumes/{quoted(reference)}/history")
        return await self._session.run(jobs.read(call, tuple[records.HistoryEntry, ...]))

    async def why(self, reference: str, *, limit: int | None = None) -> records.Why:
        """Why this volume is as it is, or is not there."""
        call = Call("GET", f"{self._at}/volumes/{quoted(reference)}/why", query={"limit": limit})
        return await self._session.run(jobs.read(call, records.Why))

    async def links(self, reference: str) -> records.Links:
        """What this volume uses, and what uses it."""
        call = Call("GET", f"{self._at}/volumes/{quoted(reference)}/links")
        return await self._session.run(jobs.read(call, records.Links))


class TenantImagesDryRun(_Group):
    """Tells what calls of images would do. Nothing of it is done."""

    async def upload(self, file: Path, name: str, *, labels: Selector | None = None) -> records.DryRun:
        """Upload an image."""
        call = uploads.upload(f"{self._at}/images", file, {"name": name, "labels": selector(labels), "dry_run": True}, None)
        return await self._session.run(jobs.read(call, records.DryRun))

    async def update(
        self, reference: str, *, name: str | None = None, labels: Mapping[str, str] | None = None
    ) -> records.DryRun:
        """Change an image."""
        call = Call(
            "PATCH", f"{self._at}/images/{quoted(reference)}", query={"dry_run": True}, json=given(name=name, labels=labels)
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def delete(self, reference: str) -> records.DryRun:
        """Delete an image."""
        call = Call("DELETE", f"{self._at}/images/{quoted(reference)}", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))


class TenantImages(_Group):
    """Images, in a project."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = TenantImagesDryRun(session, at)

    def list(
        self,
        *,
        label: Selector | None = None,
        name: str | None = None,
        name_prefix: str | None = None,
        status: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        uses: str | None = None,
        sort: Literal["created_at", "-created_at", "name", "-name"] | None = None,
    ) -> AsyncGenerator[records.Image, None]:
        """List images."""
        call = Call(
            "GET",
            f"{self._at}/images",
            query={
                "label": selector(label),
                "name": name,
                "name_prefix": name_prefix,
                "status": status,
                "created_after": created_after,
                "created_before": created_before,
                "uses": uses,
                "sort": sort,
            },
        )
        return self._session.stream(paging.items(call, records.ImagePage))

    async def upload(
        self,
        file: Path,
        name: str,
        *,
        labels: Selector | None = None,
        progress: OnProgress | None = None,
        **how: Unpack[Waited],
    ) -> records.Image:
        """Upload an image."""
        call = uploads.upload(f"{self._at}/images", file, {"name": name, "labels": selector(labels)}, progress)
        return await self._session.run(jobs.settle(call, records.Image, how, f"{self._at}/images"))

    async def get(self, reference: str) -> records.Image:
        """Read an image."""
        call = Call("GET", f"{self._at}/images/{quoted(reference)}")
        return await self._session.run(jobs.read(call, records.Image))

    async def update(
        self, reference: str, *, name: str | None = None, labels: Mapping[str, str] | None = None, **how: Unpack[Conditional]
    ) -> records.Image:
        """Change an image."""
        call = Call("PATCH", f"{self._at}/images/{quoted(reference)}", json=given(name=name, labels=labels))
        return await self._session.run(jobs.settle(call, records.Image, how, f"{self._at}/images"))

    async def delete(self, reference: str, **how: Unpack[Conditional]) -> records.Image:
        """Delete an image."""
        call = Call("DELETE", f"{self._at}/images/{quoted(reference)}")
        return await self._session.run(jobs.settle(call, records.Image, how, None))

    async def history(self, reference: str) -> tuple[records.HistoryEntry, ...]:
        """How an image came to be what it is."""
        call = Call("GET", f"{self._at}/images/{quoted(reference)}/history")
        return await self._session.run(jobs.read(call, tuple[records.HistoryEntry, ...]))

    async def why(self, reference: str, *, limit: int | None = None) -> records.Why:
        """Why this image is as it is, or is not there."""
        call = Call("GET", f"{self._at}/images/{quoted(reference)}/why", query={"limit": limit})
        return await self._session.run(jobs.read(call, records.Why))

    async def links(self, reference: str) -> records.Links:
        """What this image uses, and what uses it."""
        call = Call("GET", f"{self._at}/images/{quoted(reference)}/links")
        return await self._session.run(jobs.read(call, records.Links))


class TenantTopology(_Group):
    """Topology, in a project."""

    async def get(self) -> records.Topology:
        """Its resources as nodes, and their links."""
        call = Call("GET", f"{self._at}/topology")
        return await self._session.run(jobs.read(call, records.Topology))


class TenantSummary(_Group):
    """Summary, in a project."""

    async def get(self) -> records.Summary:
        """Counts by kind and status, of machines that run, of jobs, and of drift."""
        call = Call("GET", f"{self._at}/summary")
        return await self._session.run(jobs.read(call, records.Summary))


class TenantJobsDryRun(_Group):
    """Tells what calls of jobs would do. Nothing of it is done."""

    async def cancel(self, job_id: str) -> records.DryRun:
        """What the job wanted is taken back at once; what it has done is undone. It ends FAILED with code `cancelled`."""
        call = Call("POST", f"{self._at}/jobs/{quoted(job_id)}/cancel", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))

    async def retry(self, job_id: str) -> records.DryRun:
        """A job that waits for its next try does not wait any longer; one that failed is followed by another attempt."""
        call = Call("POST", f"{self._at}/jobs/{quoted(job_id)}/retry", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))


class TenantJobs(_Group):
    """Jobs, in a project."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = TenantJobsDryRun(session, at)

    def list(
        self,
        *,
        resource: str | None = None,
        parent: str | None = None,
        state: str | None = None,
        verb: Literal["create", "update", "delete", "correct", "bulk"] | None = None,
        kind: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> AsyncGenerator[records.Job, None]:
        """List jobs."""
        call = Call(
            "GET",
            f"{self._at}/jobs",
            query={
                "resource": resource,
                "parent": parent,
                "state": state,
                "verb": verb,
                "kind": kind,
                "created_after": created_after,
                "created_before": created_before,
            },
        )
        return self._session.stream(paging.items(call, records.JobPage))

    async def get(self, job_id: str) -> records.Job:
        """Read a job."""
        call = Call("GET", f"{self._at}/jobs/{quoted(job_id)}")
        return await self._session.run(jobs.read(call, records.Job))

    async def wait(self, job_id: str, timeout: float = WAIT_SECONDS, on_step: OnStep | None = None) -> records.Job:
        """Wait until it succeeded."""
        call = Call("GET", f"{self._at}/jobs/{quoted(job_id)}")
        return await self._session.run(jobs.wait(call.path, timeout, on_step))

    async def cancel(self, job_id: str, **how: Unpack[Sent]) -> records.Job:
        """What the job wanted is taken back at once; what it has done is undone. It ends FAILED with code `cancelled`."""
        call = Call("POST", f"{self._at}/jobs/{quoted(job_id)}/cancel")
        return await self._session.run(jobs.read(call, records.Job, how))

    async def retry(self, job_id: str, **how: Unpack[Sent]) -> records.Job:
        """A job that waits for its next try does not wait any longer; one that failed is followed by another attempt."""
        call = Call("POST", f"{self._at}/jobs/{quoted(job_id)}/retry")
        return await self._session.run(jobs.read(call, records.Job, how))

    async def trace(self, job_id: str) -> records.Trace:
        """Read where a job's time went."""
        call = Call("GET", f"{self._at}/jobs/{quoted(job_id)}/trace")
        return await self._session.run(jobs.read(call, records.Trace))


class TenantAuditEvents(_Group):
    """Audit events, in a project."""

    def list(
        self,
        *,
        action: str | None = None,
        outcome: Literal["allowed", "denied", "failed"] | None = None,
        actor: str | None = None,
        resource: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> AsyncGenerator[records.AuditEvent, None]:
        """Read the audit log."""
        call = Call(
            "GET",
            f"{self._at}/audit-events",
            query={
                "action": action,
                "outcome": outcome,
                "actor": actor,
                "resource": resource,
                "created_after": created_after,
                "created_before": created_before,
            },
        )
        return self._session.stream(paging.items(call, records.AuditPage))


class TenantDrift(_Group):
    """Drift, in a project."""

    def list(
        self,
        *,
        open_only: bool | None = None,
        resource: str | None = None,
        kind: str | None = None,
        difference: Literal["missing", "orphan", "modified", "wrong_state"] | None = None,
        decision: Literal["correct", "alert", "ignore"] | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> AsyncGenerator[records.Drift, None]:
        """List drift."""
        call = Call(
            "GET",
            f"{self._at}/drift",
            query={
                "open_only": open_only,
                "resource": resource,
                "kind": kind,
                "difference": difference,
                "decision": decision,
                "created_after": created_after,
                "created_before": created_before,
            },
        )
        return self._session.stream(paging.items(call, records.DriftPage))


class TenantQuota(_Group):
    """Quota, in a project."""

    async def get(self) -> records.Quota:
        """Read the quota of a project."""
        call = Call("GET", f"{self._at}/quota")
        return await self._session.run(jobs.read(call, records.Quota))


class AsyncTenant(_Group):
    """What lies in one project."""

    def __init__(self, session: AsyncSession, project_id: str) -> None:
        super().__init__(session, f"/api/tenant/v1/projects/{quoted(project_id)}")
        self.project_id = project_id
        self.vms = TenantVms(session, self._at)
        self.secrets = TenantSecrets(session, self._at)
        self.ssh_keys = TenantSshKeys(session, self._at)
        self.ports = TenantPorts(session, self._at)
        self.security_groups = TenantSecurityGroups(session, self._at)
        self.subnets = TenantSubnets(session, self._at)
        self.networks = TenantNetworks(session, self._at)
        self.volumes = TenantVolumes(session, self._at)
        self.images = TenantImages(session, self._at)
        self.topology = TenantTopology(session, self._at)
        self.summary = TenantSummary(session, self._at)
        self.jobs = TenantJobs(session, self._at)
        self.audit_events = TenantAuditEvents(session, self._at)
        self.drift = TenantDrift(session, self._at)
        self.quota = TenantQuota(session, self._at)

    async def search(self, q: str, *, limit: int | None = None) -> records.SearchResults:
        """By id, by the beginning of the name, by label, by address."""
        call = Call("GET", f"{self._at}/search", query={"q": q, "limit": limit})
        return await self._session.run(jobs.read(call, records.SearchResults))

    def events(self, *, cursor: str | None = None) -> AsyncGenerator[Event, None]:
        """Every change of resources and jobs that you may read, in the order of transactions."""
        call = Call("GET", f"{self._at}/events")
        return self._session.stream(events.follow(call, cursor))


class OrganizationApiKeysDryRun(_Group):
    """Tells what calls of api keys would do. Nothing of it is done."""

    async def create(
        self, service_account_id: str, name: str, *, scopes: Sequence[str] | None = None, expires_at: datetime | None = None
    ) -> records.DryRun:
        """Make a key of a service account. Its token is told only now."""
        call = Call(
            "POST",
            f"{self._at}/service-accounts/{quoted(service_account_id)}/api-keys",
            query={"dry_run": True},
            json=given(name=name, scopes=scopes, expires_at=expires_at),
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def delete(self, service_account_id: str, key_id: str) -> records.DryRun:
        """End a key of a service account, within a second or two everywhere."""
        call = Call(
            "DELETE",
            f"{self._at}/service-accounts/{quoted(service_account_id)}/api-keys/{quoted(key_id)}",
            query={"dry_run": True},
        )
        return await self._session.run(jobs.read(call, records.DryRun))


class OrganizationApiKeys(_Group):
    """Api keys, in an organization."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = OrganizationApiKeysDryRun(session, at)

    def list(self, service_account_id: str, *, name: str | None = None) -> AsyncGenerator[records.ApiKey, None]:
        """List a service account's keys, oldest first."""
        call = Call("GET", f"{self._at}/service-accounts/{quoted(service_account_id)}/api-keys", query={"name": name})
        return self._session.stream(paging.items(call, records.ApiKeyPage))

    async def create(
        self,
        service_account_id: str,
        name: str,
        *,
        scopes: Sequence[str] | None = None,
        expires_at: datetime | None = None,
        **how: Unpack[Sent],
    ) -> records.NewApiKey:
        """Make a key of a service account. Its token is told only now."""
        call = Call(
            "POST",
            f"{self._at}/service-accounts/{quoted(service_account_id)}/api-keys",
            json=given(name=name, scopes=scopes, expires_at=expires_at),
        )
        return await self._session.run(jobs.read(call, records.NewApiKey, how))

    async def delete(self, service_account_id: str, key_id: str, **how: Unpack[Sent]) -> records.ApiKey:
        """End a key of a service account, within a second or two everywhere."""
        call = Call("DELETE", f"{self._at}/service-accounts/{quoted(service_account_id)}/api-keys/{quoted(key_id)}")
        return await self._session.run(jobs.read(call, records.ApiKey, how))


class OrganizationGroupsDryRun(_Group):
    """Tells what calls of groups would do. Nothing of it is done."""

    async def create(self, name: str, *, description: str | None = None) -> records.DryRun:
        """Make a group."""
        call = Call("POST", f"{self._at}/groups", query={"dry_run": True}, json=given(name=name, description=description))
        return await self._session.run(jobs.read(call, records.DryRun))

    async def delete(self, group_id: str) -> records.DryRun:
        """Delete a group, and with it what it gave its members."""
        call = Call("DELETE", f"{self._at}/groups/{quoted(group_id)}", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))


class OrganizationGroups(_Group):
    """Groups, in an organization."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = OrganizationGroupsDryRun(session, at)

    def list(self, *, name: str | None = None) -> AsyncGenerator[records.Group, None]:
        """List an organization's groups."""
        call = Call("GET", f"{self._at}/groups", query={"name": name})
        return self._session.stream(paging.items(call, records.GroupPage))

    async def create(self, name: str, *, description: str | None = None, **how: Unpack[Sent]) -> records.Group:
        """Make a group."""
        call = Call("POST", f"{self._at}/groups", json=given(name=name, description=description))
        return await self._session.run(jobs.read(call, records.Group, how))

    async def get(self, group_id: str) -> records.Group:
        """Read a group."""
        call = Call("GET", f"{self._at}/groups/{quoted(group_id)}")
        return await self._session.run(jobs.read(call, records.Group))

    async def delete(self, group_id: str, **how: Unpack[Sent]) -> records.Group:
        """Delete a group, and with it what it gave its members."""
        call = Call("DELETE", f"{self._at}/groups/{quoted(group_id)}")
        return await self._session.run(jobs.read(call, records.Group, how))


class OrganizationGroupMembersDryRun(_Group):
    """Tells what calls of group members would do. Nothing of it is done."""

    async def create(self, group_id: str, user: str) -> records.DryRun:
        """Put a user into a group."""
        call = Call("POST", f"{self._at}/groups/{quoted(group_id)}/members", query={"dry_run": True}, json=given(user=user))
        return await self._session.run(jobs.read(call, records.DryRun))

    async def delete(self, group_id: str, user_id: str) -> records.DryRun:
        """Take a user out of a group."""
        call = Call("DELETE", f"{self._at}/groups/{quoted(group_id)}/members/{quoted(user_id)}", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))


class OrganizationGroupMembers(_Group):
    """Group members, in an organization."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = OrganizationGroupMembersDryRun(session, at)

    def list(self, group_id: str, *, email: str | None = None, name: str | None = None) -> AsyncGenerator[records.Member, None]:
        """List a group's members."""
        call = Call("GET", f"{self._at}/groups/{quoted(group_id)}/members", query={"email": email, "name": name})
        return self._session.stream(paging.items(call, records.MemberPage))

    async def create(self, group_id: str, user: str, **how: Unpack[Sent]) -> records.Member:
        """Put a user into a group."""
        call = Call("POST", f"{self._at}/groups/{quoted(group_id)}/members", json=given(user=user))
        return await self._session.run(jobs.read(call, records.Member, how))

    async def delete(self, group_id: str, user_id: str, **how: Unpack[Sent]) -> records.Member:
        """Take a user out of a group."""
        call = Call("DELETE", f"{self._at}/groups/{quoted(group_id)}/members/{quoted(user_id)}")
        return await self._session.run(jobs.read(call, records.Member, how))


class OrganizationServiceAccountsDryRun(_Group):
    """Tells what calls of service accounts would do. Nothing of it is done."""

    async def create(self, name: str, *, description: str | None = None, project_id: str | None = None) -> records.DryRun:
        """Make a service account."""
        call = Call(
            "POST",
            f"{self._at}/service-accounts",
            query={"dry_run": True},
            json=given(name=name, description=description, project_id=project_id),
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def delete(self, service_account_id: str) -> records.DryRun:
        """Delete a service account, its roles and its credentials."""
        call = Call("DELETE", f"{self._at}/service-accounts/{quoted(service_account_id)}", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))

    async def disable(self, service_account_id: str) -> records.DryRun:
        """Bar a service account from now on, whatever credentials are still good."""
        call = Call("POST", f"{self._at}/service-accounts/{quoted(service_account_id)}/disable", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))

    async def enable(self, service_account_id: str) -> records.DryRun:
        """Let a service account act again."""
        call = Call("POST", f"{self._at}/service-accounts/{quoted(service_account_id)}/enable", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))


class OrganizationServiceAccounts(_Group):
    """Service accounts, in an organization."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = OrganizationServiceAccountsDryRun(session, at)

    def list(self, *, name: str | None = None) -> AsyncGenerator[records.ServiceAccount, None]:
        """List an organization's service accounts."""
        call = Call("GET", f"{self._at}/service-accounts", query={"name": name})
        return self._session.stream(paging.items(call, records.ServiceAccountPage))

    async def create(
        self, name: str, *, description: str | None = None, project_id: str | None = None, **how: Unpack[Sent]
    ) -> records.ServiceAccount:
        """Make a service account."""
        call = Call(
            "POST", f"{self._at}/service-accounts", json=given(name=name, description=description, project_id=project_id)
        )
        return await self._session.run(jobs.read(call, records.ServiceAccount, how))

    async def get(self, service_account_id: str) -> records.ServiceAccount:
        """Read a service account."""
        call = Call("GET", f"{self._at}/service-accounts/{quoted(service_account_id)}")
        return await self._session.run(jobs.read(call, records.ServiceAccount))

    async def delete(self, service_account_id: str, **how: Unpack[Sent]) -> records.ServiceAccount:
        """Delete a service account, its roles and its credentials."""
        call = Call("DELETE", f"{self._at}/service-accounts/{quoted(service_account_id)}")
        return await self._session.run(jobs.read(call, records.ServiceAccount, how))

    async def disable(self, service_account_id: str, **how: Unpack[Sent]) -> records.ServiceAccount:
        """Bar a service account from now on, whatever credentials are still good."""
        call = Call("POST", f"{self._at}/service-accounts/{quoted(service_account_id)}/disable")
        return await self._session.run(jobs.read(call, records.ServiceAccount, how))

    async def enable(self, service_account_id: str, **how: Unpack[Sent]) -> records.ServiceAccount:
        """Let a service account act again."""
        call = Call("POST", f"{self._at}/service-accounts/{quoted(service_account_id)}/enable")
        return await self._session.run(jobs.read(call, records.ServiceAccount, how))


class OrganizationRolesDryRun(_Group):
    """Tells what calls of roles would do. Nothing of it is done."""

    async def create(self, name: str, permissions: Sequence[str], *, description: str | None = None) -> records.DryRun:
        """Make a custom role."""
        call = Call(
            "POST",
            f"{self._at}/roles",
            query={"dry_run": True},
            json=given(name=name, description=description, permissions=permissions),
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def update(
        self, role_id: str, *, description: str | None = None, permissions: Sequence[str] | None = None
    ) -> records.DryRun:
        """Change what a custom role permits, for all who have it."""
        call = Call(
            "PATCH",
            f"{self._at}/roles/{quoted(role_id)}",
            query={"dry_run": True},
            json=given(description=description, permissions=permissions),
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def delete(self, role_id: str) -> records.DryRun:
        """Delete a custom role that nobody has."""
        call = Call("DELETE", f"{self._at}/roles/{quoted(role_id)}", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))


class OrganizationRoles(_Group):
    """Roles, in an organization."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = OrganizationRolesDryRun(session, at)

    def list(self, *, name: str | None = None) -> AsyncGenerator[records.Role, None]:
        """List an organization's custom roles."""
        call = Call("GET", f"{self._at}/roles", query={"name": name})
        return self._session.stream(paging.items(call, records.RolePage))

    async def create(
        self, name: str, permissions: Sequence[str], *, description: str | None = None, **how: Unpack[Sent]
    ) -> records.Role:
        """Make a custom role."""
        call = Call("POST", f"{self._at}/roles", json=given(name=name, description=description, permissions=permissions))
        return await self._session.run(jobs.read(call, records.Role, how))

    async def get(self, role_id: str) -> records.Role:
        """Read a custom role."""
        call = Call("GET", f"{self._at}/roles/{quoted(role_id)}")
        return await self._session.run(jobs.read(call, records.Role))

    async def update(
        self, role_id: str, *, description: str | None = None, permissions: Sequence[str] | None = None, **how: Unpack[Sent]
    ) -> records.Role:
        """Change what a custom role permits, for all who have it."""
        call = Call(
            "PATCH", f"{self._at}/roles/{quoted(role_id)}", json=given(description=description, permissions=permissions)
        )
        return await self._session.run(jobs.read(call, records.Role, how))

    async def delete(self, role_id: str, **how: Unpack[Sent]) -> records.Role:
        """Delete a custom role that nobody has."""
        call = Call("DELETE", f"{self._at}/roles/{quoted(role_id)}")
        return await self._session.run(jobs.read(call, records.Role, how))


class OrganizationRoleBindingsDryRun(_Group):
    """Tells what calls of role bindings would do. Nothing of it is done."""

    async def create(
        self,
        role: str,
        *,
        user: str | None = None,
        group: str | None = None,
        service_account: str | None = None,
        expires_at: datetime | None = None,
        project_id: str | None = None,
    ) -> records.DryRun:
        """Give a role in an organization."""
        call = Call(
            "POST",
            f"{self._at}/role-bindings",
            query={"dry_run": True},
            json=given(
                user=user,
                group=group,
                service_account=service_account,
                role=role,
                expires_at=expires_at,
                project_id=project_id,
            ),
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def delete(self, binding_id: str) -> records.DryRun:
        """Take a role in an organization away."""
        call = Call("DELETE", f"{self._at}/role-bindings/{quoted(binding_id)}", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))


class OrganizationRoleBindings(_Group):
    """Role bindings, in an organization."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = OrganizationRoleBindingsDryRun(session, at)

    def list(self, *, user: str | None = None, role: str | None = None) -> AsyncGenerator[records.Binding, None]:
        """List who has a role in an organization."""
        call = Call("GET", f"{self._at}/role-bindings", query={"user": user, "role": role})
        return self._session.stream(paging.items(call, records.BindingPage))

    async def create(
        self,
        role: str,
        *,
        user: str | None = None,
        group: str | None = None,
        service_account: str | None = None,
        expires_at: datetime | None = None,
        project_id: str | None = None,
        **how: Unpack[Sent],
    ) -> records.Binding:
        """Give a role in an organization."""
        call = Call(
            "POST",
            f"{self._at}/role-bindings",
            json=given(
                user=user,
                group=group,
                service_account=service_account,
                role=role,
                expires_at=expires_at,
                project_id=project_id,
            ),
        )
        return await self._session.run(jobs.read(call, records.Binding, how))

    async def delete(self, binding_id: str, **how: Unpack[Sent]) -> records.Binding:
        """Take a role in an organization away."""
        call = Call("DELETE", f"{self._at}/role-bindings/{quoted(binding_id)}")
        return await self._session.run(jobs.read(call, records.Binding, how))


class OrganizationProjectRoleBindingsDryRun(_Group):
    """Tells what calls of project role bindings would do. Nothing of it is done."""

    async def create(
        self,
        project_id: str,
        role: str,
        *,
        user: str | None = None,
        group: str | None = None,
        service_account: str | None = None,
        expires_at: datetime | None = None,
    ) -> records.DryRun:
        """Give a role in a project."""
        call = Call(
            "POST",
            f"{self._at}/projects/{quoted(project_id)}/role-bindings",
            query={"dry_run": True},
            json=given(user=user, group=group, service_account=service_account, role=role, expires_at=expires_at),
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def delete(self, project_id: str, binding_id: str) -> records.DryRun:
        """Take a role in a project away."""
        call = Call(
            "DELETE", f"{self._at}/projects/{quoted(project_id)}/role-bindings/{quoted(binding_id)}", query={"dry_run": True}
        )
        return await self._session.run(jobs.read(call, records.DryRun))


class OrganizationProjectRoleBindings(_Group):
    """Project role bindings, in an organization."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = OrganizationProjectRoleBindingsDryRun(session, at)

    def list(
        self, project_id: str, *, user: str | None = None, role: str | None = None
    ) -> AsyncGenerator[records.Binding, None]:
        """List who has a role in a project."""
        call = Call("GET", f"{self._at}/projects/{quoted(project_id)}/role-bindings", query={"user": user, "role": role})
        return self._session.stream(paging.items(call, records.BindingPage))

    async def create(
        self,
        project_id: str,
        role: str,
        *,
        user: str | None = None,
        group: str | None = None,
        service_account: str | None = None,
        expires_at: datetime | None = None,
        **how: Unpack[Sent],
    ) -> records.Binding:
        """Give a role in a project."""
        call = Call(
            "POST",
            f"{self._at}/projects/{quoted(project_id)}/role-bindings",
            json=given(user=user, group=group, service_account=service_account, role=role, expires_at=expires_at),
        )
        return await self._session.run(jobs.read(call, records.Binding, how))

    async def delete(self, project_id: str, binding_id: str, **how: Unpack[Sent]) -> records.Binding:
        """Take a role in a project away."""
        call = Call("DELETE", f"{self._at}/projects/{quoted(project_id)}/role-bindings/{quoted(binding_id)}")
        return await self._session.run(jobs.read(call, records.Binding, how))


class OrganizationInvitationsDryRun(_Group):
    """Tells what calls of invitations would do. Nothing of it is done."""

    async def create(
        self, email: str, role: str, *, project_id: str | None = None, expires_in_days: int | None = None
    ) -> records.DryRun:
        """Invite an e-mail address to a role. The token in the answer is told only once."""
        call = Call(
            "POST",
            f"{self._at}/invitations",
            query={"dry_run": True},
            json=given(email=email, role=role, project_id=project_id, expires_in_days=expires_in_days),
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def delete(self, invitation_id: str) -> records.DryRun:
        """Revoke an invitation: its token is worth nothing from now on."""
        call = Call("DELETE", f"{self._at}/invitations/{quoted(invitation_id)}", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))


class OrganizationInvitations(_Group):
    """Invitations, in an organization."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = OrganizationInvitationsDryRun(session, at)

    def list(self, *, email: str | None = None) -> AsyncGenerator[records.CommonInvitation, None]:
        """List an organization's invitations, however they stand."""
        call = Call("GET", f"{self._at}/invitations", query={"email": email})
        return self._session.stream(paging.items(call, records.InvitationPage))

    async def create(
        self, email: str, role: str, *, project_id: str | None = None, expires_in_days: int | None = None, **how: Unpack[Sent]
    ) -> records.NewInvitation:
        """Invite an e-mail address to a role. The token in the answer is told only once."""
        call = Call(
            "POST",
            f"{self._at}/invitations",
            json=given(email=email, role=role, project_id=project_id, expires_in_days=expires_in_days),
        )
        return await self._session.run(jobs.read(call, records.NewInvitation, how))

    async def delete(self, invitation_id: str, **how: Unpack[Sent]) -> records.CommonInvitation:
        """Revoke an invitation: its token is worth nothing from now on."""
        call = Call("DELETE", f"{self._at}/invitations/{quoted(invitation_id)}")
        return await self._session.run(jobs.read(call, records.CommonInvitation, how))


class OrganizationProjectsDryRun(_Group):
    """Tells what calls of projects would do. Nothing of it is done."""

    async def create(
        self, name: str, *, labels: Mapping[str, str] | None = None, spec: bodies.ProjectSpec | None = None
    ) -> records.DryRun:
        """Create a project."""
        call = Call("POST", f"{self._at}/projects", query={"dry_run": True}, json=given(name=name, labels=labels, spec=spec))
        return await self._session.run(jobs.read(call, records.DryRun))

    async def update(
        self, reference: str, *, name: str | None = None, labels: Mapping[str, str] | None = None
    ) -> records.DryRun:
        """Change a project."""
        call = Call(
            "PATCH", f"{self._at}/projects/{quoted(reference)}", query={"dry_run": True}, json=given(name=name, labels=labels)
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def delete(self, reference: str) -> records.DryRun:
        """Delete a project."""
        call = Call("DELETE", f"{self._at}/projects/{quoted(reference)}", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))

    async def restore(self, reference: str) -> records.DryRun:
        """Restore a deleted project."""
        call = Call("POST", f"{self._at}/projects/{quoted(reference)}/restore", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))


class OrganizationProjects(_Group):
    """Projects, in an organization."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = OrganizationProjectsDryRun(session, at)

    def list(
        self,
        *,
        deleted: bool | None = None,
        label: Selector | None = None,
        name: str | None = None,
        name_prefix: str | None = None,
        status: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        uses: str | None = None,
        sort: Literal["created_at", "-created_at", "name", "-name"] | None = None,
    ) -> AsyncGenerator[records.Project, None]:
        """List projects."""
        call = Call(
            "GET",
            f"{self._at}/projects",
            query={
                "deleted": deleted,
                "label": selector(label),
                "name": name,
                "name_prefix": name_prefix,
                "status": status,
                "created_after": created_after,
                "created_before": created_before,
                "uses": uses,
                "sort": sort,
            },
        )
        return self._session.stream(paging.items(call, records.ProjectPage))

    async def create(
        self,
        name: str,
        *,
        labels: Mapping[str, str] | None = None,
        spec: bodies.ProjectSpec | None = None,
        **how: Unpack[Waited],
    ) -> records.Project:
        """Create a project."""
        call = Call("POST", f"{self._at}/projects", json=given(name=name, labels=labels, spec=spec))
        return await self._session.run(jobs.settle(call, records.Project, how, f"{self._at}/projects"))

    async def get(self, reference: str) -> records.Project:
        """Read a project."""
        call = Call("GET", f"{self._at}/projects/{quoted(reference)}")
        return await self._session.run(jobs.read(call, records.Project))

    async def update(
        self, reference: str, *, name: str | None = None, labels: Mapping[str, str] | None = None, **how: Unpack[Conditional]
    ) -> records.Project:
        """Change a project."""
        call = Call("PATCH", f"{self._at}/projects/{quoted(reference)}", json=given(name=name, labels=labels))
        return await self._session.run(jobs.settle(call, records.Project, how, f"{self._at}/projects"))

    async def delete(self, reference: str, **how: Unpack[Conditional]) -> records.Project:
        """Delete a project."""
        call = Call("DELETE", f"{self._at}/projects/{quoted(reference)}")
        return await self._session.run(jobs.settle(call, records.Project, how, None))

    async def history(self, reference: str) -> tuple[records.HistoryEntry, ...]:
        """How a project came to be what it is."""
        call = Call("GET", f"{self._at}/projects/{quoted(reference)}/history")
        return await self._session.run(jobs.read(call, tuple[records.HistoryEntry, ...]))

    async def restore(self, reference: str, **how: Unpack[Conditional]) -> records.Project:
        """Restore a deleted project."""
        call = Call("POST", f"{self._at}/projects/{quoted(reference)}/restore")
        return await self._session.run(jobs.settle(call, records.Project, how, f"{self._at}/projects"))

    async def why(self, reference: str, *, limit: int | None = None) -> records.Why:
        """Why this project is as it is, or is not there."""
        call = Call("GET", f"{self._at}/projects/{quoted(reference)}/why", query={"limit": limit})
        return await self._session.run(jobs.read(call, records.Why))

    async def links(self, reference: str) -> records.Links:
        """What this project uses, and what uses it."""
        call = Call("GET", f"{self._at}/projects/{quoted(reference)}/links")
        return await self._session.run(jobs.read(call, records.Links))


class OrganizationQuota(_Group):
    """Quota, in an organization."""

    async def get(self) -> records.Quota:
        """Read the quota of an organization."""
        call = Call("GET", f"{self._at}/quota")
        return await self._session.run(jobs.read(call, records.Quota))


class AsyncOrganization(_Group):
    """What belongs to one organization: its projects, and who may do what in them."""

    def __init__(self, session: AsyncSession, organization_id: str) -> None:
        super().__init__(session, f"/api/common/v1/organizations/{quoted(organization_id)}")
        self.organization_id = organization_id
        self.api_keys = OrganizationApiKeys(session, self._at)
        self.groups = OrganizationGroups(session, self._at)
        self.group_members = OrganizationGroupMembers(session, self._at)
        self.service_accounts = OrganizationServiceAccounts(session, self._at)
        self.roles = OrganizationRoles(session, self._at)
        self.role_bindings = OrganizationRoleBindings(session, self._at)
        self.project_role_bindings = OrganizationProjectRoleBindings(session, self._at)
        self.invitations = OrganizationInvitations(session, self._at)
        self.projects = OrganizationProjects(session, self._at)
        self.quota = OrganizationQuota(session, self._at)


class CommonLoginMethods(_Group):
    """Login methods, in the platform."""

    async def list(self) -> records.Methods:
        """The ways to log in."""
        call = Call("GET", f"{self._at}/auth/methods", authenticated=False)
        return await self._session.run(jobs.read(call, records.Methods))


class CommonSessionsDryRun(_Group):
    """Tells what calls of sessions would do. Nothing of it is done."""

    async def logout(self) -> records.DryRun:
        """End this session: its refresh token is void at once, its access tokens within a second or two everywhere."""
        call = Call("POST", f"{self._at}/auth/logout", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))

    async def delete_all(self, user_id: str) -> records.DryRun:
        """End all sessions of a user."""
        call = Call("DELETE", f"{self._at}/users/{quoted(user_id)}/sessions", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))


class CommonSessions(_Group):
    """Sessions, in the platform."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = CommonSessionsDryRun(session, at)

    async def create(self, email: str, password: str, *, cookie: bool | None = None) -> records.LoginView:
        """Log in with e-mail address and password: get an access token and a refresh token."""
        call = Call(
            "POST", f"{self._at}/auth/login", json=given(email=email, password=password, cookie=cookie), authenticated=False
        )
        return await self._session.run(jobs.read(call, records.LoginView))

    async def create_totp(self, challenge: str, code: str, *, cookie: bool | None = None) -> records.LoginView:
        """Finish a login with a code of the second factor, or with a recovery code."""
        call = Call(
            "POST", f"{self._at}/auth/totp", json=given(challenge=challenge, code=code, cookie=cookie), authenticated=False
        )
        return await self._session.run(jobs.read(call, records.LoginView))

    async def refresh(self, *, refresh_token: str | None = None) -> records.LoginView:
        """Get the next access token, and the next refresh token: each is good once. One that comes again ends its session."""
        call = Call("POST", f"{self._at}/auth/refresh", json=given(refresh_token=refresh_token), authenticated=False)
        return await self._session.run(jobs.read(call, records.LoginView))

    async def logout(self, **how: Unpack[Sent]) -> None:
        """End this session: its refresh token is void at once, its access tokens within a second or two everywhere."""
        call = Call("POST", f"{self._at}/auth/logout")
        await self._session.run(jobs.done(call, how))

    def list(
        self,
        user_id: str,
        *,
        method: Literal["password", "totp", "device", "sso"] | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> AsyncGenerator[records.Session, None]:
        """List a user's sessions, oldest first."""
        call = Call(
            "GET",
            f"{self._at}/users/{quoted(user_id)}/sessions",
            query={"method": method, "created_after": created_after, "created_before": created_before},
        )
        return self._session.stream(paging.items(call, records.SessionPage))

    async def delete_all(self, user_id: str, **how: Unpack[Sent]) -> records.Ended:
        """End all sessions of a user."""
        call = Call("DELETE", f"{self._at}/users/{quoted(user_id)}/sessions")
        return await self._session.run(jobs.read(call, records.Ended, how))


class CommonJwks(_Group):
    """Jwks, in the platform."""

    async def get(self) -> records.Jwks:
        """The public keys with which access tokens can be verified; a new one is here a minute before it signs."""
        call = Call("GET", f"{self._at}/.well-known/jwks.json", authenticated=False)
        return await self._session.run(jobs.read(call, records.Jwks))


class CommonMySessionsDryRun(_Group):
    """Tells what calls of my sessions would do. Nothing of it is done."""

    async def delete_others(self) -> records.DryRun:
        """End all of your sessions but this one."""
        call = Call("DELETE", f"{self._at}/me/sessions", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))

    async def delete(self, session_id: str) -> records.DryRun:
        """End one of your sessions."""
        call = Call("DELETE", f"{self._at}/me/sessions/{quoted(session_id)}", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))


class CommonMySessions(_Group):
    """My sessions, in the platform."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = CommonMySessionsDryRun(session, at)

    def list(
        self,
        *,
        method: Literal["password", "totp", "device", "sso"] | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> AsyncGenerator[records.Session, None]:
        """List your sessions, oldest first."""
        call = Call(
            "GET",
            f"{self._at}/me/sessions",
            query={"method": method, "created_after": created_after, "created_before": created_before},
        )
        return self._session.stream(paging.items(call, records.SessionPage))

    async def delete_others(self, **how: Unpack[Sent]) -> records.Ended:
        """End all of your sessions but this one."""
        call = Call("DELETE", f"{self._at}/me/sessions")
        return await self._session.run(jobs.read(call, records.Ended, how))

    async def delete(self, session_id: str, **how: Unpack[Sent]) -> records.Session:
        """End one of your sessions."""
        call = Call("DELETE", f"{self._at}/me/sessions/{quoted(session_id)}")
        return await self._session.run(jobs.read(call, records.Session, how))


class CommonMyPasswordDryRun(_Group):
    """Tells what calls of my password would do. Nothing of it is done."""

    async def change(self, password: str, new_password: str) -> records.DryRun:
        """Change your password. Ends all of your sessions but this one; API keys stay good."""
        call = Call(
            "POST", f"{self._at}/me/password", query={"dry_run": True}, json=given(password=password, new_password=new_password)
        )
        return await self._session.run(jobs.read(call, records.DryRun))


class CommonMyPassword(_Group):
    """My password, in the platform."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = CommonMyPasswordDryRun(session, at)

    async def change(self, password: str, new_password: str, **how: Unpack[Sent]) -> records.Ended:
        """Change your password. Ends all of your sessions but this one; API keys stay good."""
        call = Call("POST", f"{self._at}/me/password", json=given(password=password, new_password=new_password))
        return await self._session.run(jobs.read(call, records.Ended, how))


class CommonMyTotpDryRun(_Group):
    """Tells what calls of my totp would do. Nothing of it is done."""

    async def create(self) -> records.DryRun:
        """Enrol a device: it counts once a code confirms it."""
        call = Call("POST", f"{self._at}/me/totp", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))

    async def confirm(self, code: str) -> records.DryRun:
        """Confirm the device with a code: from now on a login needs one. Answers ten recovery codes."""
        call = Call("POST", f"{self._at}/me/totp/confirm", query={"dry_run": True}, json=given(code=code))
        return await self._session.run(jobs.read(call, records.DryRun))

    async def disable(self, body: bodies.PasswordProof | bodies.CodeProof) -> records.DryRun:
        """Take your second factor away; proves by password or code that it is you."""
        call = Call("POST", f"{self._at}/me/totp/disable", query={"dry_run": True}, json=body)
        return await self._session.run(jobs.read(call, records.DryRun))


class CommonMyTotp(_Group):
    """My totp, in the platform."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = CommonMyTotpDryRun(session, at)

    async def get(self) -> records.Totp:
        """Whether your login needs a code, and how many recovery codes are left."""
        call = Call("GET", f"{self._at}/me/totp")
        return await self._session.run(jobs.read(call, records.Totp))

    async def create(self, **how: Unpack[Sent]) -> records.Enrolment:
        """Enrol a device: it counts once a code confirms it."""
        call = Call("POST", f"{self._at}/me/totp")
        return await self._session.run(jobs.read(call, records.Enrolment, how))

    async def confirm(self, code: str, **how: Unpack[Sent]) -> records.Recovery:
        """Confirm the device with a code: from now on a login needs one. Answers ten recovery codes."""
        call = Call("POST", f"{self._at}/me/totp/confirm", json=given(code=code))
        return await self._session.run(jobs.read(call, records.Recovery, how))

    async def disable(self, body: bodies.PasswordProof | bodies.CodeProof, **how: Unpack[Sent]) -> records.Totp:
        """Take your second factor away; proves by password or code that it is you."""
        call = Call("POST", f"{self._at}/me/totp/disable", json=body)
        return await self._session.run(jobs.read(call, records.Totp, how))


class CommonTotpDryRun(_Group):
    """Tells what calls of totp would do. Nothing of it is done."""

    async def delete(self, user_id: str) -> records.DryRun:
        """Take a user's second factor away, whose device is lost."""
        call = Call("DELETE", f"{self._at}/users/{quoted(user_id)}/totp", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))


class CommonTotp(_Group):
    """Totp, in the platform."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = CommonTotpDryRun(session, at)

    async def delete(self, user_id: str, **how: Unpack[Sent]) -> records.Totp:
        """Take a user's second factor away, whose device is lost."""
        call = Call("DELETE", f"{self._at}/users/{quoted(user_id)}/totp")
        return await self._session.run(jobs.read(call, records.Totp, how))


class CommonMyApiKeysDryRun(_Group):
    """Tells what calls of my api keys would do. Nothing of it is done."""

    async def create(
        self, name: str, *, scopes: Sequence[str] | None = None, expires_at: datetime | None = None
    ) -> records.DryRun:
        """Make a key of your own. Its token is told only now."""
        call = Call(
            "POST",
            f"{self._at}/me/api-keys",
            query={"dry_run": True},
            json=given(name=name, scopes=scopes, expires_at=expires_at),
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def delete(self, key_id: str) -> records.DryRun:
        """End one of your keys, within a second or two everywhere."""
        call = Call("DELETE", f"{self._at}/me/api-keys/{quoted(key_id)}", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))


class CommonMyApiKeys(_Group):
    """My api keys, in the platform."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = CommonMyApiKeysDryRun(session, at)

    def list(self, *, name: str | None = None) -> AsyncGenerator[records.ApiKey, None]:
        """List your keys, oldest first."""
        call = Call("GET", f"{self._at}/me/api-keys", query={"name": name})
        return self._session.stream(paging.items(call, records.ApiKeyPage))

    async def create(
        self, name: str, *, scopes: Sequence[str] | None = None, expires_at: datetime | None = None, **how: Unpack[Sent]
    ) -> records.NewApiKey:
        """Make a key of your own. Its token is told only now."""
        call = Call("POST", f"{self._at}/me/api-keys", json=given(name=name, scopes=scopes, expires_at=expires_at))
        return await self._session.run(jobs.read(call, records.NewApiKey, how))

    async def delete(self, key_id: str, **how: Unpack[Sent]) -> records.ApiKey:
        """End one of your keys, within a second or two everywhere."""
        call = Call("DELETE", f"{self._at}/me/api-keys/{quoted(key_id)}")
        return await self._session.run(jobs.read(call, records.ApiKey, how))


class CommonDeviceDryRun(_Group):
    """Tells what calls of device would do. Nothing of it is done."""

    async def approve(self, user_code: str) -> records.DryRun:
        """Let the device in that shows this code: it acts as you."""
        call = Call("POST", f"{self._at}/auth/device/approve", query={"dry_run": True}, json=given(user_code=user_code))
        return await self._session.run(jobs.read(call, records.DryRun))

    async def deny(self, user_code: str) -> records.DryRun:
        """Keep the device out that shows this code."""
        call = Call("POST", f"{self._at}/auth/device/deny", query={"dry_run": True}, json=given(user_code=user_code))
        return await self._session.run(jobs.read(call, records.DryRun))


class CommonDevice(_Group):
    """Device, in the platform."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = CommonDeviceDryRun(session, at)

    async def create(self, *, client_id: str | None = None) -> records.DeviceCodes:
        """Ask to act for whoever approves it: get codes that are good for ten minutes."""
        call = Call("POST", f"{self._at}/auth/device", json=given(client_id=client_id), authenticated=False)
        return await self._session.run(jobs.read(call, records.DeviceCodes))

    async def token(
        self, device_code: str, *, grant_type: str | None = None, client_id: str | None = None
    ) -> records.LoginView:
        """Ask whether it was approved: once it is, get tokens. Else 400 with the RFC's `error`."""
        call = Call(
            "POST",
            f"{self._at}/auth/device/token",
            json=given(device_code=device_code, grant_type=grant_type, client_id=client_id),
            authenticated=False,
        )
        return await self._session.run(jobs.read(call, records.LoginView))

    async def get(self, user_code: str) -> records.WaitingDevice:
        """Show the device that waits with this code: who asks, from where and since when."""
        call = Call("GET", f"{self._at}/auth/device/waiting", query={"user_code": user_code})
        return await self._session.run(jobs.read(call, records.WaitingDevice))

    async def approve(self, user_code: str, **how: Unpack[Sent]) -> records.Device:
        """Let the device in that shows this code: it acts as you."""
        call = Call("POST", f"{self._at}/auth/device/approve", json=given(user_code=user_code))
        return await self._session.run(jobs.read(call, records.Device, how))

    async def deny(self, user_code: str, **how: Unpack[Sent]) -> records.Device:
        """Keep the device out that shows this code."""
        call = Call("POST", f"{self._at}/auth/device/deny", json=given(user_code=user_code))
        return await self._session.run(jobs.read(call, records.Device, how))


class CommonMe(_Group):
    """Me, in the platform."""

    async def get(self) -> records.Me:
        """Who you are, and what you are bound to."""
        call = Call("GET", f"{self._at}/me")
        return await self._session.run(jobs.read(call, records.Me))


class CommonOwnPermissions(_Group):
    """Own permissions, in the platform."""

    async def list(self, *, organization_id: str | None = None, project_id: str | None = None) -> records.OwnPermissions:
        """What you may do in an organization, in a project or (neither) on the platform."""
        call = Call("GET", f"{self._at}/me/permissions", query={"organization_id": organization_id, "project_id": project_id})
        return await self._session.run(jobs.read(call, records.OwnPermissions))


class CommonOwnProjects(_Group):
    """Own projects, in the platform."""

    async def list(self, *, name_prefix: str | None = None) -> records.OwnPlaces:
        """The organizations and projects in which you have a role, whichever binding gives it."""
        call = Call("GET", f"{self._at}/me/projects", query={"name_prefix": name_prefix})
        return await self._session.run(jobs.read(call, records.OwnPlaces))


class CommonUsersDryRun(_Group):
    """Tells what calls of users would do. Nothing of it is done."""

    async def create(self, email: str, name: str, password: str) -> records.DryRun:
        """Create a user, who has no role yet."""
        call = Call("POST", f"{self._at}/users", query={"dry_run": True}, json=given(email=email, name=name, password=password))
        return await self._session.run(jobs.read(call, records.DryRun))

    async def disable(self, user_id: str) -> records.DryRun:
        """Bar a user from now on, whatever tokens are still good."""
        call = Call("POST", f"{self._at}/users/{quoted(user_id)}/disable", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))


class CommonUsers(_Group):
    """Users, in the platform."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = CommonUsersDryRun(session, at)

    def list(self, *, email: str | None = None, name: str | None = None) -> AsyncGenerator[records.User, None]:
        """List users, oldest first."""
        call = Call("GET", f"{self._at}/users", query={"email": email, "name": name})
        return self._session.stream(paging.items(call, records.UserPage))

    async def create(self, email: str, name: str, password: str, **how: Unpack[Sent]) -> records.User:
        """Create a user, who has no role yet."""
        call = Call("POST", f"{self._at}/users", json=given(email=email, name=name, password=password))
        return await self._session.run(jobs.read(call, records.User, how))

    async def get(self, user_id: str) -> records.User:
        """Read a user."""
        call = Call("GET", f"{self._at}/users/{quoted(user_id)}")
        return await self._session.run(jobs.read(call, records.User))

    async def disable(self, user_id: str, **how: Unpack[Sent]) -> records.User:
        """Bar a user from now on, whatever tokens are still good."""
        call = Call("POST", f"{self._at}/users/{quoted(user_id)}/disable")
        return await self._session.run(jobs.read(call, records.User, how))


class CommonPermissions(_Group):
    """Permissions, in the platform."""

    def list(self) -> AsyncGenerator[str, None]:
        """List all permissions that there are."""
        call = Call("GET", f"{self._at}/permissions")
        return self._session.stream(paging.items(call, records.PermissionPage))


class CommonBuiltInRoles(_Group):
    """Built in roles, in the platform."""

    def list(self) -> AsyncGenerator[records.BuiltInRole, None]:
        """List the built-in roles, what each permits, and where it may be given."""
        call = Call("GET", f"{self._at}/roles")
        return self._session.stream(paging.items(call, records.BuiltInRolePage))


class CommonPlatformRoleBindingsDryRun(_Group):
    """Tells what calls of platform role bindings would do. Nothing of it is done."""

    async def create(
        self,
        role: str,
        *,
        user: str | None = None,
        group: str | None = None,
        service_account: str | None = None,
        expires_at: datetime | None = None,
    ) -> records.DryRun:
        """Give a role on the whole platform."""
        call = Call(
            "POST",
            f"{self._at}/role-bindings",
            query={"dry_run": True},
            json=given(user=user, group=group, service_account=service_account, role=role, expires_at=expires_at),
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def delete(self, binding_id: str) -> records.DryRun:
        """Take a role on the whole platform away."""
        call = Call("DELETE", f"{self._at}/role-bindings/{quoted(binding_id)}", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))


class CommonPlatformRoleBindings(_Group):
    """Platform role bindings, in the platform."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = CommonPlatformRoleBindingsDryRun(session, at)

    def list(self, *, user: str | None = None, role: str | None = None) -> AsyncGenerator[records.Binding, None]:
        """List who has a role on the whole platform."""
        call = Call("GET", f"{self._at}/role-bindings", query={"user": user, "role": role})
        return self._session.stream(paging.items(call, records.BindingPage))

    async def create(
        self,
        role: str,
        *,
        user: str | None = None,
        group: str | None = None,
        service_account: str | None = None,
        expires_at: datetime | None = None,
        **how: Unpack[Sent],
    ) -> records.Binding:
        """Give a role on the whole platform."""
        call = Call(
            "POST",
            f"{self._at}/role-bindings",
            json=given(user=user, group=group, service_account=service_account, role=role, expires_at=expires_at),
        )
        return await self._session.run(jobs.read(call, records.Binding, how))

    async def delete(self, binding_id: str, **how: Unpack[Sent]) -> records.Binding:
        """Take a role on the whole platform away."""
        call = Call("DELETE", f"{self._at}/role-bindings/{quoted(binding_id)}")
        return await self._session.run(jobs.read(call, records.Binding, how))


class CommonInvitationsDryRun(_Group):
    """Tells what calls of invitations would do. Nothing of it is done."""

    async def accept(self, token: str) -> records.DryRun:
        """Accept an invitation for your own e-mail address."""
        call = Call("POST", f"{self._at}/invitations/accept", query={"dry_run": True}, json=given(token=token))
        return await self._session.run(jobs.read(call, records.DryRun))


class CommonInvitations(_Group):
    """Invitations, in the platform."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = CommonInvitationsDryRun(session, at)

    async def accept(self, token: str, **how: Unpack[Sent]) -> records.CommonInvitation:
        """Accept an invitation for your own e-mail address."""
        call = Call("POST", f"{self._at}/invitations/accept", json=given(token=token))
        return await self._session.run(jobs.read(call, records.CommonInvitation, how))

    async def join(self, token: str, name: str, password: str) -> records.Joined:
        """Make yourself an account with an invitation, for its e-mail address. Its token is all that is asked for."""
        call = Call(
            "POST", f"{self._at}/invitations/join", json=given(token=token, name=name, password=password), authenticated=False
        )
        return await self._session.run(jobs.read(call, records.Joined))


class CommonAccess(_Group):
    """Access, in the platform."""

    async def check(
        self, permission: str, *, organization_id: str | None = None, project_id: str | None = None, subject: str | None = None
    ) -> records.Access:
        """Tell whether somebody may do something, and through which binding, or what is missing."""
        call = Call(
            "POST",
            f"{self._at}/access/check",
            json=given(permission=permission, organization_id=organization_id, project_id=project_id, subject=subject),
        )
        return await self._session.run(jobs.read(call, records.Access))


class CommonOrganizationsDryRun(_Group):
    """Tells what calls of organizations would do. Nothing of it is done."""

    async def create(
        self, name: str, *, labels: Mapping[str, str] | None = None, spec: bodies.OrganizationSpec | None = None
    ) -> records.DryRun:
        """Create an organization."""
        call = Call(
            "POST", f"{self._at}/organizations", query={"dry_run": True}, json=given(name=name, labels=labels, spec=spec)
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def update(
        self, reference: str, *, name: str | None = None, labels: Mapping[str, str] | None = None
    ) -> records.DryRun:
        """Change an organization."""
        call = Call(
            "PATCH",
            f"{self._at}/organizations/{quoted(reference)}",
            query={"dry_run": True},
            json=given(name=name, labels=labels),
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def delete(self, reference: str) -> records.DryRun:
        """Delete an organization."""
        call = Call("DELETE", f"{self._at}/organizations/{quoted(reference)}", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))


class CommonOrganizations(_Group):
    """Organizations, in the platform."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = CommonOrganizationsDryRun(session, at)

    def list(
        self,
        *,
        label: Selector | None = None,
        name: str | None = None,
        name_prefix: str | None = None,
        status: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        uses: str | None = None,
        sort: Literal["created_at", "-created_at", "name", "-name"] | None = None,
    ) -> AsyncGenerator[records.Organization, None]:
        """List organizations."""
        call = Call(
            "GET",
            f"{self._at}/organizations",
            query={
                "label": selector(label),
                "name": name,
                "name_prefix": name_prefix,
                "status": status,
                "created_after": created_after,
                "created_before": created_before,
                "uses": uses,
                "sort": sort,
            },
        )
        return self._session.stream(paging.items(call, records.OrganizationPage))

    async def create(
        self,
        name: str,
        *,
        labels: Mapping[str, str] | None = None,
        spec: bodies.OrganizationSpec | None = None,
        **how: Unpack[Waited],
    ) -> records.Organization:
        """Create an organization."""
        call = Call("POST", f"{self._at}/organizations", json=given(name=name, labels=labels, spec=spec))
        return await self._session.run(jobs.settle(call, records.Organization, how, f"{self._at}/organizations"))

    async def get(self, reference: str) -> records.Organization:
        """Read an organization."""
        call = Call("GET", f"{self._at}/organizations/{quoted(reference)}")
        return await self._session.run(jobs.read(call, records.Organization))

    async def update(
        self, reference: str, *, name: str | None = None, labels: Mapping[str, str] | None = None, **how: Unpack[Conditional]
    ) -> records.Organization:
        """Change an organization."""
        call = Call("PATCH", f"{self._at}/organizations/{quoted(reference)}", json=given(name=name, labels=labels))
        return await self._session.run(jobs.settle(call, records.Organization, how, f"{self._at}/organizations"))

    async def delete(self, reference: str, **how: Unpack[Conditional]) -> records.Organization:
        """Delete an organization."""
        call = Call("DELETE", f"{self._at}/organizations/{quoted(reference)}")
        return await self._session.run(jobs.settle(call, records.Organization, how, None))

    async def history(self, reference: str) -> tuple[records.HistoryEntry, ...]:
        """How an organization came to be what it is."""
        call = Call("GET", f"{self._at}/organizations/{quoted(reference)}/history")
        return await self._session.run(jobs.read(call, tuple[records.HistoryEntry, ...]))

    async def why(self, reference: str, *, limit: int | None = None) -> records.Why:
        """Why this organization is as it is, or is not there."""
        call = Call("GET", f"{self._at}/organizations/{quoted(reference)}/why", query={"limit": limit})
        return await self._session.run(jobs.read(call, records.Why))

    async def links(self, reference: str) -> records.Links:
        """What this organization uses, and what uses it."""
        call = Call("GET", f"{self._at}/organizations/{quoted(reference)}/links")
        return await self._session.run(jobs.read(call, records.Links))


class CommonKinds(_Group):
    """Kinds, in the platform."""

    async def list(self) -> records.KindCatalog:
        """Their names, routes, permissions and schemas. It changes with the platform's version only: keep it by its ETag."""
        call = Call("GET", f"{self._at}/kinds")
        return await self._session.run(jobs.read(call, records.KindCatalog))


class AsyncCommon(_Group):
    """Organizations, users, roles, and what is yours."""

    def __init__(self, session: AsyncSession) -> None:
        super().__init__(session, "/api/common/v1")
        self.login_methods = CommonLoginMethods(session, self._at)
        self.sessions = CommonSessions(session, self._at)
        self.jwks = CommonJwks(session, self._at)
        self.my_sessions = CommonMySessions(session, self._at)
        self.my_password = CommonMyPassword(session, self._at)
        self.my_totp = CommonMyTotp(session, self._at)
        self.totp = CommonTotp(session, self._at)
        self.my_api_keys = CommonMyApiKeys(session, self._at)
        self.device = CommonDevice(session, self._at)
        self.me = CommonMe(session, self._at)
        self.own_permissions = CommonOwnPermissions(session, self._at)
        self.own_projects = CommonOwnProjects(session, self._at)
        self.users = CommonUsers(session, self._at)
        self.permissions = CommonPermissions(session, self._at)
        self.built_in_roles = CommonBuiltInRoles(session, self._at)
        self.platform_role_bindings = CommonPlatformRoleBindings(session, self._at)
        self.invitations = CommonInvitations(session, self._at)
        self.access = CommonAccess(session, self._at)
        self.organizations = CommonOrganizations(session, self._at)
        self.kinds = CommonKinds(session, self._at)


class OperationsPoolsDryRun(_Group):
    """Tells what calls of pools would do. Nothing of it is done."""

    async def create(self, name: str, spec: bodies.PoolSpec, *, labels: Mapping[str, str] | None = None) -> records.DryRun:
        """Create a pool."""
        call = Call("POST", f"{self._at}/pools", query={"dry_run": True}, json=given(name=name, labels=labels, spec=spec))
        return await self._session.run(jobs.read(call, records.DryRun))

    async def update(
        self, reference: str, *, name: str | None = None, labels: Mapping[str, str] | None = None
    ) -> records.DryRun:
        """Change a pool."""
        call = Call(
            "PATCH", f"{self._at}/pools/{quoted(reference)}", query={"dry_run": True}, json=given(name=name, labels=labels)
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def delete(self, reference: str) -> records.DryRun:
        """Delete a pool."""
        call = Call("DELETE", f"{self._at}/pools/{quoted(reference)}", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))


class OperationsPools(_Group):
    """Pools, in the whole platform."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = OperationsPoolsDryRun(session, at)

    def list(
        self,
        *,
        cluster: str | None = None,
        host: str | None = None,
        label: Selector | None = None,
        name: str | None = None,
        name_prefix: str | None = None,
        status: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        uses: str | None = None,
        sort: Literal["created_at", "-created_at", "name", "-name"] | None = None,
    ) -> AsyncGenerator[records.Pool, None]:
        """List pools."""
        call = Call(
            "GET",
            f"{self._at}/pools",
            query={
                "cluster": cluster,
                "host": host,
                "label": selector(label),
                "name": name,
                "name_prefix": name_prefix,
                "status": status,
                "created_after": created_after,
                "created_before": created_before,
                "uses": uses,
                "sort": sort,
            },
        )
        return self._session.stream(paging.items(call, records.PoolPage))

    async def create(
        self, name: str, spec: bodies.PoolSpec, *, labels: Mapping[str, str] | None = None, **how: Unpack[Waited]
    ) -> records.Pool:
        """Create a pool."""
        call = Call("POST", f"{self._at}/pools", json=given(name=name, labels=labels, spec=spec))
        return await self._session.run(jobs.settle(call, records.Pool, how, f"{self._at}/pools"))

    async def get(self, reference: str) -> records.Pool:
        """Read a pool."""
        call = Call("GET", f"{self._at}/pools/{quoted(reference)}")
        return await self._session.run(jobs.read(call, records.Pool))

    async def update(
        self, reference: str, *, name: str | None = None, labels: Mapping[str, str] | None = None, **how: Unpack[Conditional]
    ) -> records.Pool:
        """Change a pool."""
        call = Call("PATCH", f"{self._at}/pools/{quoted(reference)}", json=given(name=name, labels=labels))
        return await self._session.run(jobs.settle(call, records.Pool, how, f"{self._at}/pools"))

    async def delete(self, reference: str, **how: Unpack[Conditional]) -> records.Pool:
        """Delete a pool."""
        call = Call("DELETE", f"{self._at}/pools/{quoted(reference)}")
        return await self._session.run(jobs.settle(call, records.Pool, how, None))

    async def history(self, reference: str) -> tuple[records.HistoryEntry, ...]:
        """How a pool came to be what it is."""
        call = Call("GET", f"{self._at}/pools/{quoted(reference)}/history")
        return await self._session.run(jobs.read(call, tuple[records.HistoryEntry, ...]))

    async def why(self, reference: str, *, limit: int | None = None) -> records.Why:
        """Why this pool is as it is, or is not there."""
        call = Call("GET", f"{self._at}/pools/{quoted(reference)}/why", query={"limit": limit})
        return await self._session.run(jobs.read(call, records.Why))

    async def links(self, reference: str) -> records.Links:
        """What this pool uses, and what uses it."""
        call = Call("GET", f"{self._at}/pools/{quoted(reference)}/links")
        return await self._session.run(jobs.read(call, records.Links))


class OperationsHostsDryRun(_Group):
    """Tells what calls of hosts would do. Nothing of it is done."""

    async def create(self, name: str, spec: bodies.HostSpec, *, labels: Mapping[str, str] | None = None) -> records.DryRun:
        """Create a host."""
        call = Call("POST", f"{self._at}/hosts", query={"dry_run": True}, json=given(name=name, labels=labels, spec=spec))
        return await self._session.run(jobs.read(call, records.DryRun))

    async def update(
        self,
        reference: str,
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        spec: bodies.HostUpdate | None = None,
    ) -> records.DryRun:
        """Change a host."""
        call = Call(
            "PATCH",
            f"{self._at}/hosts/{quoted(reference)}",
            query={"dry_run": True},
            json=given(name=name, labels=labels, spec=spec),
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def delete(self, reference: str) -> records.DryRun:
        """Delete a host."""
        call = Call("DELETE", f"{self._at}/hosts/{quoted(reference)}", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))


class OperationsHosts(_Group):
    """Hosts, in the whole platform."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = OperationsHostsDryRun(session, at)

    def list(
        self,
        *,
        cluster: str | None = None,
        host: str | None = None,
        label: Selector | None = None,
        name: str | None = None,
        name_prefix: str | None = None,
        status: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        uses: str | None = None,
        sort: Literal["created_at", "-created_at", "name", "-name"] | None = None,
    ) -> AsyncGenerator[records.Host, None]:
        """List hosts."""
        call = Call(
            "GET",
            f"{self._at}/hosts",
            query={
                "cluster": cluster,
                "host": host,
                "label": selector(label),
                "name": name,
                "name_prefix": name_prefix,
                "status": status,
                "created_after": created_after,
                "created_before": created_before,
                "uses": uses,
                "sort": sort,
            },
        )
        return self._session.stream(paging.items(call, records.HostPage))

    async def create(
        self, name: str, spec: bodies.HostSpec, *, labels: Mapping[str, str] | None = None, **how: Unpack[Waited]
    ) -> records.Host:
        """Create a host."""
        call = Call("POST", f"{self._at}/hosts", json=given(name=name, labels=labels, spec=spec))
        return await self._session.run(jobs.settle(call, records.Host, how, f"{self._at}/hosts"))

    async def get(self, reference: str) -> records.Host:
        """Read a host."""
        call = Call("GET", f"{self._at}/hosts/{quoted(reference)}")
        return await self._session.run(jobs.read(call, records.Host))

    async def update(
        self,
        reference: str,
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        spec: bodies.HostUpdate | None = None,
        **how: Unpack[Conditional],
    ) -> records.Host:
        """Change a host."""
        call = Call("PATCH", f"{self._at}/hosts/{quoted(reference)}", json=given(name=name, labels=labels, spec=spec))
        return await self._session.run(jobs.settle(call, records.Host, how, f"{self._at}/hosts"))

    async def delete(self, reference: str, **how: Unpack[Conditional]) -> records.Host:
        """Delete a host."""
        call = Call("DELETE", f"{self._at}/hosts/{quoted(reference)}")
        return await self._session.run(jobs.settle(call, records.Host, how, None))

    async def history(self, reference: str) -> tuple[records.HistoryEntry, ...]:
        """How a host came to be what it is."""
        call = Call("GET", f"{self._at}/hosts/{quoted(reference)}/history")
        return await self._session.run(jobs.read(call, tuple[records.HistoryEntry, ...]))

    async def why(self, reference: str, *, limit: int | None = None) -> records.Why:
        """Why this host is as it is, or is not there."""
        call = Call("GET", f"{self._at}/hosts/{quoted(reference)}/why", query={"limit": limit})
        return await self._session.run(jobs.read(call, records.Why))

    async def links(self, reference: str) -> records.Links:
        """What this host uses, and what uses it."""
        call = Call("GET", f"{self._at}/hosts/{quoted(reference)}/links")
        return await self._session.run(jobs.read(call, records.Links))

    def vms(self, reference: str) -> AsyncGenerator[records.HostMachine, None]:
        """List the machines on a host."""
        call = Call("GET", f"{self._at}/hosts/{quoted(reference)}/vms")
        return self._session.stream(paging.items(call, records.HostMachinePage))


class OperationsAgentsDryRun(_Group):
    """Tells what calls of agents would do. Nothing of it is done."""

    async def create(self, name: str, spec: bodies.AgentSpec, *, labels: Mapping[str, str] | None = None) -> records.DryRun:
        """Create an agent."""
        call = Call("POST", f"{self._at}/agents", query={"dry_run": True}, json=given(name=name, labels=labels, spec=spec))
        return await self._session.run(jobs.read(call, records.DryRun))

    async def update(
        self, reference: str, *, name: str | None = None, labels: Mapping[str, str] | None = None
    ) -> records.DryRun:
        """Change an agent."""
        call = Call(
            "PATCH", f"{self._at}/agents/{quoted(reference)}", query={"dry_run": True}, json=given(name=name, labels=labels)
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def delete(self, reference: str) -> records.DryRun:
        """Delete an agent."""
        call = Call("DELETE", f"{self._at}/agents/{quoted(reference)}", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))

    async def enrol(self, reference: str, *, expires_in: int | None = None) -> records.DryRun:
        """Make a one-time token by which a process becomes this agent. It replaces the one before."""
        call = Call(
            "POST",
            f"{self._at}/agents/{quoted(reference)}/enrolment",
            query={"dry_run": True},
            json=given(expires_in=expires_in),
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def revoke(self, reference: str) -> records.DryRun:
        """Make all of the agent's credentials void, and an invitation that is open: the api refuses it, the bus cuts it off."""
        call = Call("POST", f"{self._at}/agents/{quoted(reference)}/revoke", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))


class OperationsAgents(_Group):
    """Agents, in the whole platform."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = OperationsAgentsDryRun(session, at)

    def list(
        self,
        *,
        cluster: str | None = None,
        host: str | None = None,
        label: Selector | None = None,
        name: str | None = None,
        name_prefix: str | None = None,
        status: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        uses: str | None = None,
        sort: Literal["created_at", "-created_at", "name", "-name"] | None = None,
    ) -> AsyncGenerator[records.Agent, None]:
        """List agents."""
        call = Call(
            "GET",
            f"{self._at}/agents",
            query={
                "cluster": cluster,
                "host": host,
                "label": selector(label),
                "name": name,
                "name_prefix": name_prefix,
                "status": status,
                "created_after": created_after,
                "created_before": created_before,
                "uses": uses,
                "sort": sort,
            },
        )
        return self._session.stream(paging.items(call, records.AgentPage))

    async def create(
        self, name: str, spec: bodies.AgentSpec, *, labels: Mapping[str, str] | None = None, **how: Unpack[Waited]
    ) -> records.Agent:
        """Create an agent."""
        call = Call("POST", f"{self._at}/agents", json=given(name=name, labels=labels, spec=spec))
        return await self._session.run(jobs.settle(call, records.Agent, how, f"{self._at}/agents"))

    async def get(self, reference: str) -> records.Agent:
        """Read an agent."""
        call = Call("GET", f"{self._at}/agents/{quoted(reference)}")
        return await self._session.run(jobs.read(call, records.Agent))

    async def update(
        self, reference: str, *, name: str | None = None, labels: Mapping[str, str] | None = None, **how: Unpack[Conditional]
    ) -> records.Agent:
        """Change an agent."""
        call = Call("PATCH", f"{self._at}/agents/{quoted(reference)}", json=given(name=name, labels=labels))
        return await self._session.run(jobs.settle(call, records.Agent, how, f"{self._at}/agents"))

    async def delete(self, reference: str, **how: Unpack[Conditional]) -> records.Agent:
        """Delete an agent."""
        call = Call("DELETE", f"{self._at}/agents/{quoted(reference)}")
        return await self._session.run(jobs.settle(call, records.Agent, how, None))

    async def history(self, reference: str) -> tuple[records.HistoryEntry, ...]:
        """How an agent came to be what it is."""
        call = Call("GET", f"{self._at}/agents/{quoted(reference)}/history")
        return await self._session.run(jobs.read(call, tuple[records.HistoryEntry, ...]))

    async def why(self, reference: str, *, limit: int | None = None) -> records.Why:
        """Why this agent is as it is, or is not there."""
        call = Call("GET", f"{self._at}/agents/{quoted(reference)}/why", query={"limit": limit})
        return await self._session.run(jobs.read(call, records.Why))

    async def links(self, reference: str) -> records.Links:
        """What this agent uses, and what uses it."""
        call = Call("GET", f"{self._at}/agents/{quoted(reference)}/links")
        return await self._session.run(jobs.read(call, records.Links))

    async def enrol(self, reference: str, *, expires_in: int | None = None, **how: Unpack[Sent]) -> records.Invitation:
        """Make a one-time token by which a process becomes this agent. It replaces the one before."""
        call = Call("POST", f"{self._at}/agents/{quoted(reference)}/enrolment", json=given(expires_in=expires_in))
        return await self._session.run(jobs.read(call, records.Invitation, how))

    async def revoke(self, reference: str, **how: Unpack[Sent]) -> records.RevokedAgent:
        """Make all of the agent's credentials void, and an invitation that is open: the api refuses it, the bus cuts it off."""
        call = Call("POST", f"{self._at}/agents/{quoted(reference)}/revoke")
        return await self._session.run(jobs.read(call, records.RevokedAgent, how))


class OperationsProvidersDryRun(_Group):
    """Tells what calls of providers would do. Nothing of it is done."""

    async def create(self, name: str, spec: bodies.ProviderSpec, *, labels: Mapping[str, str] | None = None) -> records.DryRun:
        """Create a provider."""
        call = Call("POST", f"{self._at}/providers", query={"dry_run": True}, json=given(name=name, labels=labels, spec=spec))
        return await self._session.run(jobs.read(call, records.DryRun))

    async def update(
        self, reference: str, *, name: str | None = None, labels: Mapping[str, str] | None = None
    ) -> records.DryRun:
        """Change a provider."""
        call = Call(
            "PATCH", f"{self._at}/providers/{quoted(reference)}", query={"dry_run": True}, json=given(name=name, labels=labels)
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def delete(self, reference: str) -> records.DryRun:
        """Delete a provider."""
        call = Call("DELETE", f"{self._at}/providers/{quoted(reference)}", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))


class OperationsProviders(_Group):
    """Providers, in the whole platform."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = OperationsProvidersDryRun(session, at)

    def list(
        self,
        *,
        cluster: str | None = None,
        host: str | None = None,
        label: Selector | None = None,
        name: str | None = None,
        name_prefix: str | None = None,
        status: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        uses: str | None = None,
        sort: Literal["created_at", "-created_at", "name", "-name"] | None = None,
    ) -> AsyncGenerator[records.Provider, None]:
        """List providers."""
        call = Call(
            "GET",
            f"{self._at}/providers",
            query={
                "cluster": cluster,
                "host": host,
                "label": selector(label),
                "name": name,
                "name_prefix": name_prefix,
                "status": status,
                "created_after": created_after,
                "created_before": created_before,
                "uses": uses,
                "sort": sort,
            },
        )
        return self._session.stream(paging.items(call, records.ProviderPage))

    async def create(
        self, name: str, spec: bodies.ProviderSpec, *, labels: Mapping[str, str] | None = None, **how: Unpack[Waited]
    ) -> records.Provider:
        """Create a provider."""
        call = Call("POST", f"{self._at}/providers", json=given(name=name, labels=labels, spec=spec))
        return await self._session.run(jobs.settle(call, records.Provider, how, f"{self._at}/providers"))

    async def get(self, reference: str) -> records.Provider:
        """Read a provider."""
        call = Call("GET", f"{self._at}/providers/{quoted(reference)}")
        return await self._session.run(jobs.read(call, records.Provider))

    async def update(
        self, reference: str, *, name: str | None = None, labels: Mapping[str, str] | None = None, **how: Unpack[Conditional]
    ) -> records.Provider:
        """Change a provider."""
        call = Call("PATCH", f"{self._at}/providers/{quoted(reference)}", json=given(name=name, labels=labels))
        return await self._session.run(jobs.settle(call, records.Provider, how, f"{self._at}/providers"))

    async def delete(self, reference: str, **how: Unpack[Conditional]) -> records.Provider:
        """Delete a provider."""
        call = Call("DELETE", f"{self._at}/providers/{quoted(reference)}")
        return await self._session.run(jobs.settle(call, records.Provider, how, None))

    async def history(self, reference: str) -> tuple[records.HistoryEntry, ...]:
        """How a provider came to be what it is."""
        call = Call("GET", f"{self._at}/providers/{quoted(reference)}/history")
        return await self._session.run(jobs.read(call, tuple[records.HistoryEntry, ...]))

    async def why(self, reference: str, *, limit: int | None = None) -> records.Why:
        """Why this provider is as it is, or is not there."""
        call = Call("GET", f"{self._at}/providers/{quoted(reference)}/why", query={"limit": limit})
        return await self._session.run(jobs.read(call, records.Why))

    async def links(self, reference: str) -> records.Links:
        """What this provider uses, and what uses it."""
        call = Call("GET", f"{self._at}/providers/{quoted(reference)}/links")
        return await self._session.run(jobs.read(call, records.Links))


class OperationsClustersDryRun(_Group):
    """Tells what calls of clusters would do. Nothing of it is done."""

    async def create(
        self, name: str, *, labels: Mapping[str, str] | None = None, spec: bodies.ClusterSpec | None = None
    ) -> records.DryRun:
        """Create a cluster."""
        call = Call("POST", f"{self._at}/clusters", query={"dry_run": True}, json=given(name=name, labels=labels, spec=spec))
        return await self._session.run(jobs.read(call, records.DryRun))

    async def update(
        self, reference: str, *, name: str | None = None, labels: Mapping[str, str] | None = None
    ) -> records.DryRun:
        """Change a cluster."""
        call = Call(
            "PATCH", f"{self._at}/clusters/{quoted(reference)}", query={"dry_run": True}, json=given(name=name, labels=labels)
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def delete(self, reference: str) -> records.DryRun:
        """Delete a cluster."""
        call = Call("DELETE", f"{self._at}/clusters/{quoted(reference)}", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))


class OperationsClusters(_Group):
    """Clusters, in the whole platform."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = OperationsClustersDryRun(session, at)

    def list(
        self,
        *,
        cluster: str | None = None,
        host: str | None = None,
        label: Selector | None = None,
        name: str | None = None,
        name_prefix: str | None = None,
        status: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        uses: str | None = None,
        sort: Literal["created_at", "-created_at", "name", "-name"] | None = None,
    ) -> AsyncGenerator[records.Cluster, None]:
        """List clusters."""
        call = Call(
            "GET",
            f"{self._at}/clusters",
            query={
                "cluster": cluster,
                "host": host,
                "label": selector(label),
                "name": name,
                "name_prefix": name_prefix,
                "status": status,
                "created_after": created_after,
                "created_before": created_before,
                "uses": uses,
                "sort": sort,
            },
        )
        return self._session.stream(paging.items(call, records.ClusterPage))

    async def create(
        self,
        name: str,
        *,
        labels: Mapping[str, str] | None = None,
        spec: bodies.ClusterSpec | None = None,
        **how: Unpack[Waited],
    ) -> records.Cluster:
        """Create a cluster."""
        call = Call("POST", f"{self._at}/clusters", json=given(name=name, labels=labels, spec=spec))
        return await self._session.run(jobs.settle(call, records.Cluster, how, f"{self._at}/clusters"))

    async def get(self, reference: str) -> records.Cluster:
        """Read a cluster."""
        call = Call("GET", f"{self._at}/clusters/{quoted(reference)}")
        return await self._session.run(jobs.read(call, records.Cluster))

    async def update(
        self, reference: str, *, name: str | None = None, labels: Mapping[str, str] | None = None, **how: Unpack[Conditional]
    ) -> records.Cluster:
        """Change a cluster."""
        call = Call("PATCH", f"{self._at}/clusters/{quoted(reference)}", json=given(name=name, labels=labels))
        return await self._session.run(jobs.settle(call, records.Cluster, how, f"{self._at}/clusters"))

    async def delete(self, reference: str, **how: Unpack[Conditional]) -> records.Cluster:
        """Delete a cluster."""
        call = Call("DELETE", f"{self._at}/clusters/{quoted(reference)}")
        return await self._session.run(jobs.settle(call, records.Cluster, how, None))

    async def history(self, reference: str) -> tuple[records.HistoryEntry, ...]:
        """How a cluster came to be what it is."""
        call = Call("GET", f"{self._at}/clusters/{quoted(reference)}/history")
        return await self._session.run(jobs.read(call, tuple[records.HistoryEntry, ...]))

    async def why(self, reference: str, *, limit: int | None = None) -> records.Why:
        """Why this cluster is as it is, or is not there."""
        call = Call("GET", f"{self._at}/clusters/{quoted(reference)}/why", query={"limit": limit})
        return await self._session.run(jobs.read(call, records.Why))

    async def links(self, reference: str) -> records.Links:
        """What this cluster uses, and what uses it."""
        call = Call("GET", f"{self._at}/clusters/{quoted(reference)}/links")
        return await self._session.run(jobs.read(call, records.Links))


class OperationsSummary(_Group):
    """Summary, in the whole platform."""

    async def get(self) -> records.Summary:
        """Counts by kind and status, of machines that run, of jobs, and of drift."""
        call = Call("GET", f"{self._at}/summary")
        return await self._session.run(jobs.read(call, records.Summary))


class OperationsJobsDryRun(_Group):
    """Tells what calls of jobs would do. Nothing of it is done."""

    async def cancel(self, job_id: str) -> records.DryRun:
        """What the job wanted is taken back at once; what it has done is undone. It ends FAILED with code `cancelled`."""
        call = Call("POST", f"{self._at}/jobs/{quoted(job_id)}/cancel", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))

    async def retry(self, job_id: str) -> records.DryRun:
        """A job that waits for its next try does not wait any longer; one that failed is followed by another attempt."""
        call = Call("POST", f"{self._at}/jobs/{quoted(job_id)}/retry", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))


class OperationsJobs(_Group):
    """Jobs, in the whole platform."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = OperationsJobsDryRun(session, at)

    def list(
        self,
        *,
        resource: str | None = None,
        parent: str | None = None,
        state: str | None = None,
        verb: Literal["create", "update", "delete", "correct", "bulk"] | None = None,
        kind: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> AsyncGenerator[records.Job, None]:
        """List jobs."""
        call = Call(
            "GET",
            f"{self._at}/jobs",
            query={
                "resource": resource,
                "parent": parent,
                "state": state,
                "verb": verb,
                "kind": kind,
                "created_after": created_after,
                "created_before": created_before,
            },
        )
        return self._session.stream(paging.items(call, records.JobPage))

    async def get(self, job_id: str) -> records.Job:
        """Read a job."""
        call = Call("GET", f"{self._at}/jobs/{quoted(job_id)}")
        return await self._session.run(jobs.read(call, records.Job))

    async def wait(self, job_id: str, timeout: float = WAIT_SECONDS, on_step: OnStep | None = None) -> records.Job:
        """Wait until it succeeded."""
        call = Call("GET", f"{self._at}/jobs/{quoted(job_id)}")
        return await self._session.run(jobs.wait(call.path, timeout, on_step))

    async def cancel(self, job_id: str, **how: Unpack[Sent]) -> records.Job:
        """What the job wanted is taken back at once; what it has done is undone. It ends FAILED with code `cancelled`."""
        call = Call("POST", f"{self._at}/jobs/{quoted(job_id)}/cancel")
        return await self._session.run(jobs.read(call, records.Job, how))

    async def retry(self, job_id: str, **how: Unpack[Sent]) -> records.Job:
        """A job that waits for its next try does not wait any longer; one that failed is followed by another attempt."""
        call = Call("POST", f"{self._at}/jobs/{quoted(job_id)}/retry")
        return await self._session.run(jobs.read(call, records.Job, how))

    async def trace(self, job_id: str) -> records.Trace:
        """Read where a job's time went."""
        call = Call("GET", f"{self._at}/jobs/{quoted(job_id)}/trace")
        return await self._session.run(jobs.read(call, records.Trace))


class OperationsAuditEvents(_Group):
    """Audit events, in the whole platform."""

    def list(
        self,
        *,
        action: str | None = None,
        outcome: Literal["allowed", "denied", "failed"] | None = None,
        actor: str | None = None,
        resource: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> AsyncGenerator[records.AuditEvent, None]:
        """Read the audit log."""
        call = Call(
            "GET",
            f"{self._at}/audit-events",
            query={
                "action": action,
                "outcome": outcome,
                "actor": actor,
                "resource": resource,
                "created_after": created_after,
                "created_before": created_before,
            },
        )
        return self._session.stream(paging.items(call, records.AuditPage))


class OperationsDriftDryRun(_Group):
    """Tells what calls of drift would do. Nothing of it is done."""

    async def decide(
        self, drift_id: str, decision: Literal["correct", "ignore"], reason: str, *, until: datetime | None = None
    ) -> records.DryRun:
        """Have it corrected at once, by the ordinary job and past the brake; or ignored, for a while or as long as it lasts."""
        call = Call(
            "POST",
            f"{self._at}/drift/{quoted(drift_id)}/decide",
            query={"dry_run": True},
            json=given(decision=decision, until=until, reason=reason),
        )
        return await self._session.run(jobs.read(call, records.DryRun))


class OperationsDrift(_Group):
    """Drift, in the whole platform."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = OperationsDriftDryRun(session, at)

    def list(
        self,
        *,
        open_only: bool | None = None,
        resource: str | None = None,
        kind: str | None = None,
        difference: Literal["missing", "orphan", "modified", "wrong_state"] | None = None,
        decision: Literal["correct", "alert", "ignore"] | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> AsyncGenerator[records.Drift, None]:
        """List drift."""
        call = Call(
            "GET",
            f"{self._at}/drift",
            query={
                "open_only": open_only,
                "resource": resource,
                "kind": kind,
                "difference": difference,
                "decision": decision,
                "created_after": created_after,
                "created_before": created_before,
            },
        )
        return self._session.stream(paging.items(call, records.DriftPage))

    async def decide(
        self,
        drift_id: str,
        decision: Literal["correct", "ignore"],
        reason: str,
        *,
        until: datetime | None = None,
        **how: Unpack[Sent],
    ) -> records.Drift:
        """Have it corrected at once, by the ordinary job and past the brake; or ignored, for a while or as long as it lasts."""
        call = Call(
            "POST", f"{self._at}/drift/{quoted(drift_id)}/decide", json=given(decision=decision, until=until, reason=reason)
        )
        return await self._session.run(jobs.read(call, records.Drift, how))


class OperationsIncidents(_Group):
    """Incidents, in the whole platform."""

    def list(
        self,
        *,
        open_only: bool | None = None,
        code: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> AsyncGenerator[records.Incident, None]:
        """List incidents."""
        call = Call(
            "GET",
            f"{self._at}/incidents",
            query={"open_only": open_only, "code": code, "created_after": created_after, "created_before": created_before},
        )
        return self._session.stream(paging.items(call, records.IncidentPage))


class OperationsHostsHealth(_Group):
    """Hosts health, in the whole platform."""

    def list(self, *, cluster: str | None = None, name: str | None = None) -> AsyncGenerator[records.HostHealth, None]:
        """See how the hosts are."""
        call = Call("GET", f"{self._at}/hosts-health", query={"cluster": cluster, "name": name})
        return self._session.stream(paging.items(call, records.HostHealthPage))


class OperationsSystem(_Group):
    """System, in the whole platform."""

    async def get(self) -> records.System:
        """See how the platform itself is."""
        call = Call("GET", f"{self._at}/system")
        return await self._session.run(jobs.read(call, records.System))


class OperationsTrafficRulesDryRun(_Group):
    """Tells what calls of traffic rules would do. Nothing of it is done."""

    async def create(
        self,
        action: Literal["pause", "reject", "rate", "concurrency"],
        reason: str,
        expires_at: datetime,
        *,
        limit: int | None = None,
        organization: str | None = None,
        project: str | None = None,
        kind: str | None = None,
        cluster: str | None = None,
        verbs: Sequence[Literal["create", "update", "delete", "correct"]] | None = None,
    ) -> records.DryRun:
        """Make a traffic rule."""
        call = Call(
            "POST",
            f"{self._at}/traffic-rules",
            query={"dry_run": True},
            json=given(
                action=action,
                limit=limit,
                organization=organization,
                project=project,
                kind=kind,
                cluster=cluster,
                verbs=verbs,
                reason=reason,
                expires_at=expires_at,
            ),
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def update(
        self, rule_id: str, *, limit: int | None = None, reason: str | None = None, expires_at: datetime | None = None
    ) -> records.DryRun:
        """Change a traffic rule."""
        call = Call(
            "PATCH",
            f"{self._at}/traffic-rules/{quoted(rule_id)}",
            query={"dry_run": True},
            json=given(limit=limit, reason=reason, expires_at=expires_at),
        )
        return await self._session.run(jobs.read(call, records.DryRun))

    async def delete(self, rule_id: str) -> records.DryRun:
        """The jobs that it holds begin at once, as far as no other rule holds them."""
        call = Call("DELETE", f"{self._at}/traffic-rules/{quoted(rule_id)}", query={"dry_run": True})
        return await self._session.run(jobs.read(call, records.DryRun))


class OperationsTrafficRules(_Group):
    """Traffic rules, in the whole platform."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = OperationsTrafficRulesDryRun(session, at)

    def list(
        self,
        *,
        action: Literal["pause", "reject", "rate", "concurrency"] | None = None,
        organization: str | None = None,
        project: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> AsyncGenerator[records.TrafficRule, None]:
        """List traffic rules."""
        call = Call(
            "GET",
            f"{self._at}/traffic-rules",
            query={
                "action": action,
                "organization": organization,
                "project": project,
                "created_after": created_after,
                "created_before": created_before,
            },
        )
        return self._session.stream(paging.items(call, records.TrafficRulePage))

    async def create(
        self,
        action: Literal["pause", "reject", "rate", "concurrency"],
        reason: str,
        expires_at: datetime,
        *,
        limit: int | None = None,
        organization: str | None = None,
        project: str | None = None,
        kind: str | None = None,
        cluster: str | None = None,
        verbs: Sequence[Literal["create", "update", "delete", "correct"]] | None = None,
        **how: Unpack[Sent],
    ) -> records.TrafficRule:
        """Make a traffic rule."""
        call = Call(
            "POST",
            f"{self._at}/traffic-rules",
            json=given(
                action=action,
                limit=limit,
                organization=organization,
                project=project,
                kind=kind,
                cluster=cluster,
                verbs=verbs,
                reason=reason,
                expires_at=expires_at,
            ),
        )
        return await self._session.run(jobs.read(call, records.TrafficRule, how))

    async def get(self, rule_id: str) -> records.TrafficRule:
        """Read a traffic rule."""
        call = Call("GET", f"{self._at}/traffic-rules/{quoted(rule_id)}")
        return await self._session.run(jobs.read(call, records.TrafficRule))

    async def update(
        self,
        rule_id: str,
        *,
        limit: int | None = None,
        reason: str | None = None,
        expires_at: datetime | None = None,
        **how: Unpack[Sent],
    ) -> records.TrafficRule:
        """Change a traffic rule."""
        call = Call(
            "PATCH",
            f"{self._at}/traffic-rules/{quoted(rule_id)}",
            json=given(limit=limit, reason=reason, expires_at=expires_at),
        )
        return await self._session.run(jobs.read(call, records.TrafficRule, how))

    async def delete(self, rule_id: str, **how: Unpack[Sent]) -> records.TrafficRule:
        """The jobs that it holds begin at once, as far as no other rule holds them."""
        call = Call("DELETE", f"{self._at}/traffic-rules/{quoted(rule_id)}")
        return await self._session.run(jobs.read(call, records.TrafficRule, how))


class OperationsQuotaDryRun(_Group):
    """Tells what calls of quota would do. Nothing of it is done."""

    async def update(self, project_id: str, body: bodies.QuotaLimits) -> records.DryRun:
        """What is not named is as the platform's default from now on."""
        call = Call("PUT", f"{self._at}/projects/{quoted(project_id)}/quota", query={"dry_run": True}, json=body)
        return await self._session.run(jobs.read(call, records.DryRun))

    async def change(self, project_id: str, body: bodies.QuotaLimits) -> records.DryRun:
        """What is not named stays as it is."""
        call = Call("PATCH", f"{self._at}/projects/{quoted(project_id)}/quota", query={"dry_run": True}, json=body)
        return await self._session.run(jobs.read(call, records.DryRun))


class OperationsQuota(_Group):
    """Quota, in the whole platform."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = OperationsQuotaDryRun(session, at)

    async def get(self, project_id: str) -> records.Quota:
        """Read the quota of a project."""
        call = Call("GET", f"{self._at}/projects/{quoted(project_id)}/quota")
        return await self._session.run(jobs.read(call, records.Quota))

    async def update(self, project_id: str, body: bodies.QuotaLimits, **how: Unpack[Sent]) -> records.Quota:
        """What is not named is as the platform's default from now on."""
        call = Call("PUT", f"{self._at}/projects/{quoted(project_id)}/quota", json=body)
        return await self._session.run(jobs.read(call, records.Quota, how))

    async def change(self, project_id: str, body: bodies.QuotaLimits, **how: Unpack[Sent]) -> records.Quota:
        """What is not named stays as it is."""
        call = Call("PATCH", f"{self._at}/projects/{quoted(project_id)}/quota", json=body)
        return await self._session.run(jobs.read(call, records.Quota, how))


class OperationsOrganizationQuotaDryRun(_Group):
    """Tells what calls of organization quota would do. Nothing of it is done."""

    async def update(self, organization_id: str, body: bodies.QuotaLimits) -> records.DryRun:
        """What is not named is as the platform's default from now on."""
        call = Call("PUT", f"{self._at}/organizations/{quoted(organization_id)}/quota", query={"dry_run": True}, json=body)
        return await self._session.run(jobs.read(call, records.DryRun))

    async def change(self, organization_id: str, body: bodies.QuotaLimits) -> records.DryRun:
        """What is not named stays as it is."""
        call = Call("PATCH", f"{self._at}/organizations/{quoted(organization_id)}/quota", query={"dry_run": True}, json=body)
        return await self._session.run(jobs.read(call, records.DryRun))


class OperationsOrganizationQuota(_Group):
    """Organization quota, in the whole platform."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = OperationsOrganizationQuotaDryRun(session, at)

    async def get(self, organization_id: str) -> records.Quota:
        """Read the quota of an organization."""
        call = Call("GET", f"{self._at}/organizations/{quoted(organization_id)}/quota")
        return await self._session.run(jobs.read(call, records.Quota))

    async def update(self, organization_id: str, body: bodies.QuotaLimits, **how: Unpack[Sent]) -> records.Quota:
        """What is not named is as the platform's default from now on."""
        call = Call("PUT", f"{self._at}/organizations/{quoted(organization_id)}/quota", json=body)
        return await self._session.run(jobs.read(call, records.Quota, how))

    async def change(self, organization_id: str, body: bodies.QuotaLimits, **how: Unpack[Sent]) -> records.Quota:
        """What is not named stays as it is."""
        call = Call("PATCH", f"{self._at}/organizations/{quoted(organization_id)}/quota", json=body)
        return await self._session.run(jobs.read(call, records.Quota, how))


class OperationsDefaultQuotaDryRun(_Group):
    """Tells what calls of default quota would do. Nothing of it is done."""

    async def update(self, of: str, body: bodies.QuotaLimits) -> records.DryRun:
        """What is not named has no limit from now on."""
        call = Call("PUT", f"{self._at}/quota-defaults/{quoted(of)}", query={"dry_run": True}, json=body)
        return await self._session.run(jobs.read(call, records.DryRun))

    async def change(self, of: str, body: bodies.QuotaLimits) -> records.DryRun:
        """What is not named stays as it is."""
        call = Call("PATCH", f"{self._at}/quota-defaults/{quoted(of)}", query={"dry_run": True}, json=body)
        return await self._session.run(jobs.read(call, records.DryRun))


class OperationsDefaultQuota(_Group):
    """Default quota, in the whole platform."""

    def __init__(self, session: AsyncSession, at: str) -> None:
        super().__init__(session, at)
        self.dry_run = OperationsDefaultQuotaDryRun(session, at)

    async def get(self, of: str) -> records.QuotaDefaults:
        """Read the default limits."""
        call = Call("GET", f"{self._at}/quota-defaults/{quoted(of)}")
        return await self._session.run(jobs.read(call, records.QuotaDefaults))

    async def update(self, of: str, body: bodies.QuotaLimits, **how: Unpack[Sent]) -> records.QuotaDefaults:
        """What is not named has no limit from now on."""
        call = Call("PUT", f"{self._at}/quota-defaults/{quoted(of)}", json=body)
        return await self._session.run(jobs.read(call, records.QuotaDefaults, how))

    async def change(self, of: str, body: bodies.QuotaLimits, **how: Unpack[Sent]) -> records.QuotaDefaults:
        """What is not named stays as it is."""
        call = Call("PATCH", f"{self._at}/quota-defaults/{quoted(of)}", json=body)
        return await self._session.run(jobs.read(call, records.QuotaDefaults, how))


class AsyncOperations(_Group):
    """What operators see and do: the infrastructure, and the jobs of everybody."""

    def __init__(self, session: AsyncSession) -> None:
        super().__init__(session, "/api/ops/v1")
        self.pools = OperationsPools(session, self._at)
        self.hosts = OperationsHosts(session, self._at)
        self.agents = OperationsAgents(session, self._at)
        self.providers = OperationsProviders(session, self._at)
        self.clusters = OperationsClusters(session, self._at)
        self.summary = OperationsSummary(session, self._at)
        self.jobs = OperationsJobs(session, self._at)
        self.audit_events = OperationsAuditEvents(session, self._at)
        self.drift = OperationsDrift(session, self._at)
        self.incidents = OperationsIncidents(session, self._at)
        self.hosts_health = OperationsHostsHealth(session, self._at)
        self.system = OperationsSystem(session, self._at)
        self.traffic_rules = OperationsTrafficRules(session, self._at)
        self.quota = OperationsQuota(session, self._at)
        self.organization_quota = OperationsOrganizationQuota(session, self._at)
        self.default_quota = OperationsDefaultQuota(session, self._at)

    async def search(self, q: str, *, limit: int | None = None) -> records.SearchResults:
        """By id, by the beginning of the name, by label, by address."""
        call = Call("GET", f"{self._at}/search", query={"q": q, "limit": limit})
        return await self._session.run(jobs.read(call, records.SearchResults))

    def events(self, *, cursor: str | None = None) -> AsyncGenerator[Event, None]:
        """Every change of resources and jobs that you may read, in the order of transactions."""
        call = Call("GET", f"{self._at}/events")
        return self._session.stream(events.follow(call, cursor))
