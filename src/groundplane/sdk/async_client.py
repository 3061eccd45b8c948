"""The client for asyncio: where everything that the public API offers is found by name."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from groundplane.sdk import asynchronous, login
from groundplane.sdk.async_session import AsyncRenewal, AsyncSession
from groundplane.sdk.retries import Retries

if TYPE_CHECKING:
    from groundplane.sdk.login import DeviceCodes
    from groundplane.sdk.records import User


class AsyncClient:
    """As Client, for asyncio: what it calls is awaited, what it lists is iterated by `async for`.

    async with AsyncClient("http://127.0.0.1:8700", "gp_…") as client:
        async for vm in client.tenant(project_id).vms.list():
            ...
    """

    def __init__(
        self,
        base_url: str,
        token: str | None = None,
        *,
        refresh_token: str | None = None,
        renewal: AsyncRenewal | None = None,
        retries: Retries | None = None,
    ) -> None:
        self.session = AsyncSession(base_url, token, retries, refresh_token=refresh_token, renewal=renewal)
        self.ops = asynchronous.AsyncOperations(self.session)
        self.common = asynchronous.AsyncCommon(self.session)

    async def __aenter__(self) -> Self:
        """Close when the block ends."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        await self.session.close()

    async def login(self, email: str, password: str, code: str | None = None) -> "User":
        """As `Client.login`."""
        return await self.session.run(login.remembered(self.session.conversation, email, password, code))

    async def login_by_device(self, show: "Callable[[DeviceCodes], object]") -> "User":
        """As `Client.login_by_device`."""
        return await self.session.run(login.approved(self.session.conversation, show))

    def tenant(self, project_id: str) -> asynchronous.AsyncTenant:
        """A project's resources."""
        return asynchronous.AsyncTenant(self.session, project_id)

    def organization(self, organization_id: str) -> asynchronous.AsyncOrganization:
        """An organization's projects, and who may do what in them."""
        return asynchronous.AsyncOrganization(self.session, organization_id)
