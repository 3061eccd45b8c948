"""The page of a group of routes that is not a kind's: logins, roles, jobs, quotas …"""

from groundplane.processes.reference.api import Api
from groundplane.processes.reference.markdown import page
from groundplane.processes.reference.routes import QUIET, overview, route


def group_slug(tag: str) -> str:
    """The name of its file."""
    return tag.lower().replace(" ", "-")


def group_title(tag: str) -> str:
    """How people read it."""
    return tag[0].upper() + tag[1:]


def group_page(api: Api, tag: str) -> str:
    """All its routes, by who they are for."""
    sections = list(api.sections(tag))
    parts: list[str] = []
    known = set(QUIET)
    for title, operations in sections:
        parts += [f"## {title}" if len(sections) > 1 else "## Routes", overview(operations)]
        parts += [route(each, known) for each in operations]
    return page(group_title(tag), *parts)
