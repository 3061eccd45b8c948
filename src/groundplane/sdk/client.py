"""The client: where everything that the public API offers is found by name."""

from collections.abc import Mapping
from typing import Self
from urllib.parse import quote

from groundplane.sdk.collection import Collection
from groundplane.sdk.identity import CustomRoles, Groups, Invitations, RoleBindings, ServiceAccounts, Users
from groundplane.sdk.images import Images
from groundplane.sdk.jobs import Jobs
from groundplane.sdk.machines import Machines
from groundplane.sdk.oversight import PlatformOversight, ProjectOversight, Usage, read_quota
from groundplane.sdk.records import Access, Invitation, User
from groundplane.sdk.retries import Retries
from groundplane.sdk.secrets import Secrets
from groundplane.sdk.session import Call, Session
from groundplane.sdk.traffic import TrafficRules

_TENANT = "/api/tenant/v1"
_OPS = "/api/ops/v1"
_COMMON = "/api/common/v1"


class Client:
    """A connection to a platform. Requests are sent again while the platform is away for a moment (see Retries).

    Each call that changes something has an idempotency key, the same however often it is sent, so that it is done once.
    Whoever would make the call itself again, after a crash of their own for one, gives their own `idempotency_key`.

    with Client("http://127.0.0.1:8700") as client:
        client.login(email, password)
        vm = client.tenant(project_id).vms.create("web", {"image": "tiny", ...}, wait=True)
    """

    def __init__(self, base_url: str, token: str | None = None, *, retries: Retries | None = None) -> None:
        self._session = Session(base_url, token, retries)
        self.ops = Operations(self._session)
        self.common = Common(self._session)

    def __enter__(self) -> Self:
        """Close when the block ends."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._session.close()

    def login(self, email: str, password: str) -> User:
        """Log in. The credentials stay in memory, so that expired tokens are renewed. Raises ApiError."""
        return User.from_json(self._session.log_in(email, password))

    def tenant(self, project_id: str) -> "Tenant":
        """A project's resources."""
        return Tenant(self._session, project_id)


class Tenant(ProjectOversight):
    """What lies in one project."""

    def __init__(self, session: Session, project_id: str) -> None:
        scope = f"{_TENANT}/projects/{quote(project_id, safe='')}"
        super().__init__(session, scope)
        self.project_id = project_id
        self.images = Images(session, f"{scope}/images")
        self.volumes = Collection(session, f"{scope}/volumes")
        self.networks = Collection(session, f"{scope}/networks")
        self.subnets = Collection(session, f"{scope}/subnets")
        self.security_groups = Collection(session, f"{scope}/security-groups")
        self.ports = Collection(session, f"{scope}/ports")
        self.ssh_keys = Collection(session, f"{scope}/ssh-keys")
        self.secrets = Secrets(session, f"{scope}/secrets")
        self.vms = Machines(session, f"{scope}/vms")
        self.jobs = Jobs(session, scope)


class Operations(PlatformOversight):
    """What operators see and do: the infrastructure, and the jobs of everybody."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, _OPS)
        self.clusters = Collection(session, f"{_OPS}/clusters")
        self.providers = Collection(session, f"{_OPS}/providers")
        self.agents = Collection(session, f"{_OPS}/agents")
        self.hosts = Collection(session, f"{_OPS}/hosts")
        self.pools = Collection(session, f"{_OPS}/pools")
        self.jobs = Jobs(session, _OPS)
        self.traffic_rules = TrafficRules(session, f"{_OPS}/traffic-rules")


class Common:
    """Organizations, projects, users and roles."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.organizations = Collection(session, f"{_COMMON}/organizations")
        self.users = Users(session, f"{_COMMON}/users")
        self.platform_role_bindings = RoleBindings(session, f"{_COMMON}/role-bindings")

    def projects(self, organization_id: str) -> Collection:
        """The projects of an organization."""
        return Collection(self._session, f"{_organization(organization_id)}/projects")

    def quota(self, organization_id: str) -> Mapping[str, Usage]:
        """What all projects of an organization use, and may use, together."""
        return read_quota(self._session, f"{_COMMON}/organizations/{quote(organization_id, safe='')}")

    def role_bindings(self, organization_id: str) -> RoleBindings:
        """Who has which role in an organization and its projects."""
        return RoleBindings(self._session, f"{_organization(organization_id)}/role-bindings")

    def roles(self, organization_id: str) -> CustomRoles:
        """An organization's own roles."""
        return CustomRoles(self._session, f"{_organization(organization_id)}/roles")

    def groups(self, organization_id: str) -> Groups:
        """An organization's groups of users."""
        return Groups(self._session, f"{_organization(organization_id)}/groups")

    def service_accounts(self, organization_id: str) -> ServiceAccounts:
        """An organization's service accounts."""
        return ServiceAccounts(self._session, f"{_organization(organization_id)}/service-accounts")

    def invitations(self, organization_id: str) -> Invitations:
        """Who is invited to an organization."""
        return Invitations(self._session, f"{_organization(organization_id)}/invitations")

    def accept(self, token: str, *, idempotency_key: str | None = None) -> Invitation:
        """Accept an invitation for your own e-mail address. Raises ApiError."""
        call = Call("POST", f"{_COMMON}/invitations/accept", json={"token": token})
        return Invitation.from_json(self._session.json(call, idempotency_key=idempotency_key))

    def check(
        self,
        permission: str,
        *,
        organization_id: str | None = None,
        project_id: str | None = None,
        subject: str | None = None,
    ) -> Access:
        """May you, or may the subject (a user or service account), do that there; or what is missing. Raises ApiError."""
        said = {"organization_id": organization_id, "project_id": project_id, "subject": subject}
        body = {"permission": permission, **{name: value for name, value in said.items() if value is not None}}
        return Access.from_json(self._session.json(Call("POST", f"{_COMMON}/access/check", json=body)))

    def me(self) -> User:
        """Who the token says that you are."""
        return User.from_json(self._session.json(Call("GET", f"{_COMMON}/me"))["user"])


def _organization(organization_id: str) -> str:
    return f"{_COMMON}/organizations/{quote(organization_id, safe='')}"
