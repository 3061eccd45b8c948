"""Permissions, which routes need each, and the roles that every platform has."""

from groundplane.controlplane.identity.roles import ROLES, Role
from groundplane.processes.reference.api import Api
from groundplane.processes.reference.markdown import code, page, table


def permissions_page(api: Api) -> str:
    """The page."""
    services = sorted({name.partition(".")[0] for name in api.permissions})
    sections = [part for service in services for part in (f"### {service}", _of_service(api, service))]
    return page(
        "Permissions and roles",
        "A permission is `service.kind.verb`. A role is a list of patterns of permissions, given to a user, a group or"
        " a service account on the platform, in an organization or in a project. What is given in an organization "
        "holds in all its projects, what is given on the platform holds everywhere. Organizations may make roles of "
        "their own from the same patterns; nobody gives more than they have.",
        "## Built-in roles",
        table(("Role", "Given", "What for", "Patterns"), map(_role, ROLES.values())),
        "Routes for operators are decided for the platform alone: no role in an organization or project reaches one. "
        "What a role does not let you see answers 404.",
        "## All permissions",
        *sections,
    )


def _role(role: Role) -> list[str]:
    where = " or ".join({"platform": "on the platform", "organization": "in an organization", "project": "in a project"}[each]
                        for each in role.levels)  # fmt: skip
    return [code(role.name), where, role.summary, ", ".join(map(code, role.permissions))]


def _of_service(api: Api, service: str) -> str:
    rows = (
        (code(name), ", ".join(role.name for role in ROLES.values() if role.permits(name)),
         " ".join(dict.fromkeys(code(f"{each.method} {each.path}") for each in routes)))
        for name, routes in api.permissions.items() if name.startswith(f"{service}.")
    )  # fmt: skip
    return table(("Permission", "Roles that give it", "Routes"), rows)
