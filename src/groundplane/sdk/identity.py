"""Users, and who has which role where."""

from collections.abc import Iterator
from urllib.parse import quote

from groundplane.sdk.paging import pages
from groundplane.sdk.records import RoleBinding, User
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

    def create(self, user: str, role: str, project_id: str | None = None, *, idempotency_key: str | None = None) -> RoleBinding:
        """Give a user (id or e-mail address) a role here; in one project of the organization only, if one is named."""
        body = {"user": user, "role": role, **({"project_id": project_id} if project_id else {})}
        return RoleBinding.from_json(self._session.json(Call("POST", self._path, json=body), idempotency_key=idempotency_key))

    def list(self) -> Iterator[RoleBinding]:
        """All bindings of this place, oldest first."""
        return map(RoleBinding.from_json, pages(self._session, self._path))

    def delete(self, binding_id: str, *, idempotency_key: str | None = None) -> RoleBinding:
        """Take a role away."""
        call = Call("DELETE", f"{self._path}/{quote(binding_id, safe='')}")
        return RoleBinding.from_json(self._session.json(call, idempotency_key=idempotency_key))
