"""Who somebody is and what they may do: users, passwords, tokens, roles, bindings. Knows nothing of HTTP.

This is the service's front door; its modules and tables are its own.
"""

from groundplane.controlplane.identity.actor import Actor
from groundplane.controlplane.identity.bindings import (
    RoleBinding,
    authorize,
    bind,
    bindings_of_user,
    end_bindings_in,
    list_bindings,
    organizations_of,
    permits_on_platform,
    require_enabled,
    unbind,
)
from groundplane.controlplane.identity.problems import (
    BindingExistsError,
    EmailTakenError,
    InvalidCredentialsError,
    InvalidTokenError,
    LastAdministratorError,
    TokenExpiredError,
    UserNotFoundError,
    WeakPasswordError,
)
from groundplane.controlplane.identity.roles import ROLES, Role
from groundplane.controlplane.identity.tokens import Audience, Claims, Tokens
from groundplane.controlplane.identity.users import (
    FIRST_ADMINISTRATOR,
    User,
    create_user,
    disable_user,
    ensure_first_administrator,
    find_user_by_email,
    get_user,
    list_users,
    log_in,
)

__all__ = [
    "FIRST_ADMINISTRATOR",
    "ROLES",
    "Actor",
    "Audience",
    "BindingExistsError",
    "Claims",
    "EmailTakenError",
    "InvalidCredentialsError",
    "InvalidTokenError",
    "LastAdministratorError",
    "Role",
    "RoleBinding",
    "TokenExpiredError",
    "Tokens",
    "User",
    "UserNotFoundError",
    "WeakPasswordError",
    "authorize",
    "bind",
    "bindings_of_user",
    "create_user",
    "disable_user",
    "end_bindings_in",
    "ensure_first_administrator",
    "find_user_by_email",
    "get_user",
    "list_bindings",
    "list_users",
    "log_in",
    "organizations_of",
    "permits_on_platform",
    "require_enabled",
    "unbind",
]
