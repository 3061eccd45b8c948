"""The client for threads: where everything that the public API offers is found by name."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from groundplane.sdk import blocking, login
from groundplane.sdk.retries import Retries
from groundplane.sdk.session import Renewal, Session

if TYPE_CHECKING:
    from groundplane.sdk.login import DeviceCodes
    from groundplane.sdk.records import User


class Client:
    """A connection to a platform. Requests are sent again while the platform is away for a moment (see Retries).

    Each call that changes something has an idempotency key, the same however often it is sent, so that it is done once.
    Whoever would make the call itself again, after a crash of their own for one, gives their own `idempotency_key`.

    with Client("http://127.0.0.1:8700") as client:
        client.login(email, password)
        vm = client.tenant(project_id).vms.create("web", {"vcpus": 1, ...}, wait=True)

    Who one is, is told by one of:

    token          an access token, or an API key (`gp_…`)
    refresh_token  of an earlier login; it is used up, and the ones that follow it are kept in memory
    renewal        asked for a token whenever there is no good one, by those who keep them elsewhere
    login, login_by_device
    """

    def __init__(
        self,
        base_url: str,
        token: str | None = None,
        *,
        refresh_token: str | None = None,
        renewal: Renewal | None = None,
        retries: Retries | None = None,
    ) -> None:
        self.session = Session(base_url, token, retries, refresh_token=refresh_token, renewal=renewal)
        self.ops = blocking.Operations(self.session)
        self.common = blocking.Common(self.session)

    def __enter__(self) -> Self:
        """Close when the block ends."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self.session.close()

    def login(self, email: str, password: str, code: str | None = None) -> "User":
        """Log in; `code` is of the second factor, or a recovery code. The password stays in memory, to begin sessions anew.

        With a second factor it does not: when the session is over, calls raise ApiError 401. Raises ApiError.
        """
        return self.session.run(login.remembered(self.session.conversation, email, password, code))

    def login_by_device(self, show: "Callable[[DeviceCodes], object]") -> "User":
        """Let somebody approve elsewhere, who is shown a code (RFC 8628), and wait. Raises WaitTimeoutError, ApiError."""
        return self.session.run(login.approved(self.session.conversation, show))

    def tenant(self, project_id: str) -> blocking.Tenant:
        """A project's resources."""
        return blocking.Tenant(self.session, project_id)

    def organization(self, organization_id: str) -> blocking.Organization:
        """An organization's projects, and who may do what in them."""
        return blocking.Organization(self.session, organization_id)
