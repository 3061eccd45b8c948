"""Users, groups, service accounts, roles, who has which role where, and invitations."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from groundplane.sdk.paging import pages
from groundplane.sdk.records import (
    CustomRole,
    Group,
    Invitation,
    Member,
    RoleBinding,
    ServiceAccount,
    User,
)
from groundplane.sdk.session import Call, Session


class Users:
    """The platform's users, for administrators. All calls raise ApiError and ConnectionFailedError."""

    def __init__(self, session: Session, path: str) -> None:
        self._session = session
        self._path = path

    def create(self, email: str, name: str, password: str, *, idempotency_key: str | None = None) -> User:
        """Make a user, who has no role yet. A password has 12 to 256 characters."""
        body = {"email": email, "name": name, "password": password}
        return User.from_json(self._session.json(Call("POST", self._path, json=body), idempotency_key=idempotency_key))

    def get(self, user_id: str) -> User:
        """Read a user."""
        return User.from_json(self._session.json(Call("GET", f"{self._path}/{quote(user_id, safe='')}")))

    def list(self) -> Iterator[User]:
        """All users, oldest first."""
        return map(User.from_json, pages(self._session, self._path))

    def disable(self, user_id: str, *, idempotency_key: str | None = None) -> User:
        """Bar a user from now on, whatever tokens are still good."""
        call = Call("POST", f"{self._path}/{quote(user_id, safe='')}/disable")
        return User.from_json(self._session.json(call, idempotency_key=idempotency_key))


class RoleBindings:
    """Who has which role in an organization, or on the whole platform. All calls raise ApiError and ConnectionFailedError."""

    def __init__(self, session: Session, path: str) -> None:
        self._session = session
        self._path = path

    def create(
        self,
        user: str,
        role: str,
        project_id: str | None = None,
        *,
        expires_at: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> RoleBinding:
        """Give a user (id or e-mail address) a role here; in one project of the organization only, if one is named."""
        return self._create({"user": user, "role": role}, project_id, expires_at, idempotency_key)

    def create_for_group(
        self,
        group: str,
        role: str,
        project_id: str | None = None,
        *,
        expires_at: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> RoleBinding:
        """As `create`, for the members of a group (id or name)."""
        return self._create({"group": group, "role": role}, project_id, expires_at, idempotency_key)

    def create_for_service_account(
        self,
        service_account_id: str,
        role: str,
        project_id: str | None = None,
        *,
        expires_at: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> RoleBinding:
        """As `create`, for a service account."""
        return self._create({"service_account": service_account_id, "role": role}, project_id, expires_at, idempotency_key)

    def _create(
        self, body: dict[str, Any], project_id: str | None, expires_at: datetime | None, idempotency_key: str | None
    ) -> RoleBinding:
        more = {"project_id": project_id, "expires_at": expires_at.isoformat() if expires_at else None}
        body |= {name: value for name, value in more.items() if value is not None}
        return RoleBinding.from_json(self._session.json(Call("POST", self._path, json=body), idempotency_key=idempotency_key))

    def list(self) -> Iterator[RoleBinding]:
        """All bindings of this place, oldest first."""
        return map(RoleBinding.from_json, pages(self._session, self._path))

    def delete(self, binding_id: str, *, idempotency_key: str | None = None) -> RoleBinding:
        """Take a role away."""
        call = Call("DELETE", f"{self._path}/{quote(binding_id, safe='')}")
        return RoleBinding.from_json(self._session.json(call, idempotency_key=idempotency_key))


class CustomRoles:
    """An organization's own roles. All calls raise ApiError and ConnectionFailedError."""

    def __init__(self, session: Session, path: str) -> None:
        self._session = session
        self._path = path

    def create(
        self, name: str, permissions: Sequence[str], description: str = "", *, idempotency_key: str | None = None
    ) -> CustomRole:
        """Make a role of permissions (or patterns: `compute.*`) that you have yourself."""
        body = {"name": name, "permissions": list(permissions), "description": description}
        return CustomRole.from_json(self._session.json(Call("POST", self._path, json=body), idempotency_key=idempotency_key))

    def list(self) -> Iterator[CustomRole]:
        """All of them, oldest first."""
        return map(CustomRole.from_json, pages(self._session, self._path))

    def update(self, role_id: str, permissions: Sequence[str], *, idempotency_key: str | None = None) -> CustomRole:
        """Change what a role permits, for all who have it."""
        call = Call("PATCH", f"{self._path}/{quote(role_id, safe='')}", json={"permissions": [*permissions]})
        return CustomRole.from_json(self._session.json(call, idempotency_key=idempotency_key))

    def delete(self, role_id: str, *, idempotency_key: str | None = None) -> CustomRole:
        """Delete a role that nobody has."""
        call = Call("DELETE", f"{self._path}/{quote(role_id, safe='')}")
        return CustomRole.from_json(self._session.json(call, idempotency_key=idempotency_key))


class Groups:
    """An organization's groups of users. All calls raise ApiError and ConnectionFailedError."""

    def __init__(self, session: Session, path: str) -> None:
        self._session = session
        self._path = path

    def create(self, name: str, description: str = "", *, idempotency_key: str | None = None) -> Group:
        """Make a group, without members and roles."""
        call = Call("POST", self._path, json={"name": name, "description": description})
        return Group.from_json(self._session.json(call, idempotency_key=idempotency_key))

    def list(self) -> Iterator[Group]:
        """All groups, oldest first."""
        return map(Group.from_json, pages(self._session, self._path))

    def delete(self, group_id: str, *, idempotency_key: str | None = None) -> Group:
        """Delete a group, and with it what it gave its members."""
        return Group.from_json(self._session.json(Call("DELETE", self._item(group_id)), idempotency_key=idempotency_key))

    def members(self, group_id: str) -> Iterator[Member]:
        """Who is in a group."""
        return map(Member.from_json, pages(self._session, f"{self._item(group_id)}/members"))

    def add(self, group_id: str, user: str, *, idempotency_key: str | None = None) -> Member:
        """Put a user (id or e-mail address) into a group."""
        call = Call("POST", f"{self._item(group_id)}/members", json={"user": user})
        return Member.from_json(self._session.json(call, idempotency_key=idempotency_key))

    def remove(self, group_id: str, user_id: str, *, idempotency_key: str | None = None) -> Member:
        """Take a user out of a group."""
        call = Call("DELETE", f"{self._item(group_id)}/members/{quote(user_id, safe='')}")
        return Member.from_json(self._session.json(call, idempotency_key=idempotency_key))

    def _item(self, group_id: str) -> str:
        return f"{self._path}/{quote(group_id, safe='')}"


class ServiceAccounts:
    """What programs act as in an organization. All calls raise ApiError and ConnectionFailedError."""

    def __init__(self, session: Session, path: str) -> None:
        self._session = session
        self._path = path

    def create(
        self, name: str, description: str = "", project_id: str | None = None, *, idempotency_key: str | None = None
    ) -> ServiceAccount:
        """Make one, without roles; for one project only, if one is named."""
        body = {"name": name, "description": description, **({"project_id": project_id} if project_id else {})}
        answer = self._session.json(Call("POST", self._path, json=body), idempotency_key=idempotency_key)
        return ServiceAccount.from_json(answer)

    def list(self) -> Iterator[ServiceAccount]:
        """All of them, oldest first."""
        return map(ServiceAccount.from_json, pages(self._session, self._path))

    def disable(self, account_id: str, *, idempotency_key: str | None = None) -> ServiceAccount:
        """Bar it from now on."""
        return self._change("POST", account_id, "/disable", idempotency_key)

    def enable(self, account_id: str, *, idempotency_key: str | None = None) -> ServiceAccount:
        """Let it act again."""
        return self._change("POST", account_id, "/enable", idempotency_key)

    def delete(self, account_id: str, *, idempotency_key: str | None = None) -> ServiceAccount:
        """Delete it, its roles and its credentials."""
        return self._change("DELETE", account_id, "", idempotency_key)

    def _change(self, method: str, account_id: str, verb: str, idempotency_key: str | None) -> ServiceAccount:
        call = Call(method, f"{self._path}/{quote(account_id, safe='')}{verb}")
        return ServiceAccount.from_json(self._session.json(call, idempotency_key=idempotency_key))


class Invitations:
    """Invitations to an organization. All calls raise ApiError and ConnectionFailedError."""

    def __init__(self, session: Session, path: str) -> None:
        self._session = session
        self._path = path

    def create(
        self, email: str, role: str, project_id: str | None = None, *, days: int = 7, idempotency_key: str | None = None
    ) -> Invitation:
        """Invite an e-mail address to a role. The token in the answer is told only now."""
        body: dict[str, Any] = {"email": email, "role": role, "expires_in_days": days}
        body |= {"project_id": project_id} if project_id else {}
        return Invitation.from_json(self._session.json(Call("POST", self._path, json=body), idempotency_key=idempotency_key))

    def list(self) -> Iterator[Invitation]:
        """All of them, however they stand, oldest first."""
        return map(Invitation.from_json, pages(self._session, self._path))

    def revoke(self, invitation_id: str, *, idempotency_key: str | None = None) -> Invitation:
        """Make its token worthless."""
        call = Call("DELETE", f"{self._path}/{quote(invitation_id, safe='')}")
        return Invitation.from_json(self._session.json(call, idempotency_key=idempotency_key))
