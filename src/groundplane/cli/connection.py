"""A command's way to the platform: the context's session, its tokens kept fresh for all processes, names turned into ids."""

import os
import re
import time
from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import quote

from groundplane.cli.contexts import Context, Credentials, Place, Store
from groundplane.cli.failures import NOT_FOUND, CommandError, LoggedOutError
from groundplane.cli.table import Field, the_table
from groundplane.sdk.errors import ApiError
from groundplane.sdk.login import refreshed
from groundplane.sdk.paging import pages
from groundplane.sdk.retries import Retries
from groundplane.sdk.session import Call, Session

PROGRAM = "groundplane-cli"
"""What the platform is told that asks it."""
FRESH_SECONDS = 30.0
"""Tokens that expire sooner are renewed first."""
_ID = re.compile(r"[a-z]+(_[a-z]+)*_[0-9a-hjkmnp-tv-z]{26}")
"""Ids as the platform types them: a prefix, and a UUID in Crockford's base 32."""
_PLACES = "/api/common/v1/me/projects"


def is_id(text: str) -> bool:
    """Whether it is an id, not a name: no name has an underscore."""
    return _ID.fullmatch(text) is not None


class Connection:
    """Opened at the first request. `organization` and `project` are what the command line said of them."""

    def __init__(
        self, context: str | None = None, organization: str | None = None, project: str | None = None,
        retries: Retries | None = None,
    ) -> None:  # fmt: skip
        self.store = Store.of_environment()
        self._named = context or os.environ.get("GROUNDPLANE_CONTEXT")
        self._organization = organization or os.environ.get("GROUNDPLANE_ORGANIZATION")
        self._project = project or os.environ.get("GROUNDPLANE_PROJECT")
        self._retries = retries

    @cached_property
    def context(self) -> Context:
        """What commands are about; for programs GROUNDPLANE_URL with GROUNDPLANE_API_KEY say it. Raises CommandError."""
        url = os.environ.get("GROUNDPLANE_URL")
        if url and os.environ.get("GROUNDPLANE_API_KEY") and not self._named:
            return Context("environment", url)
        return self.store.context(self._named)

    @cached_property
    def session(self) -> Session:
        """The conversation with the platform. Raises CommandError."""
        context = self.context
        key = os.environ.get("GROUNDPLANE_API_KEY") if context.name == "environment" else None
        key = key or self.store.credentials(context.name).api_key
        if key:
            return Session(context.url, key, self._retries, program=PROGRAM)
        return Session(context.url, self._stored_token(), self._retries, renewal=self._renewed, program=PROGRAM)

    def _stored_token(self) -> str | None:
        credentials = self.store.credentials(self.context.name)
        return credentials.access_token if credentials.expires_at > time.time() + FRESH_SECONDS else None

    def _renewed(self, session: Session, refused: str | None) -> str | None:
        """The token that another process got meanwhile, or a new one: each refresh token is used by one process only."""
        name, url = self.context.name, self.context.url
        with self.store.locked():
            known = self.store.credentials(name)
            if known.access_token != refused and known.expires_at > time.time() + FRESH_SECONDS:
                return known.access_token
            if not known.refresh_token:
                raise LoggedOutError(url=url)
            try:
                tokens = refreshed(session, known.refresh_token)
            except ApiError as error:
                if error.status == 401:
                    raise LoggedOutError("Your login is over.", url) from error
                raise
            self.store.keep(name, Credentials(tokens.access_token, tokens.refresh_token or "", tokens.expires_at))
            return tokens.access_token

    def close(self) -> None:
        """Close what was opened."""
        if "session" in self.__dict__:
            self.session.close()

    @cached_property
    def project(self) -> Place:
        """The project that the command is about. Raises CommandError, ApiError."""
        if self._project:
            known = is_id(self._project)
            return Place(self._project, self._project) if known else self.find_project(self._project)[1]
        if self.context.project is None or self._organization:
            raise CommandError(
                "Which project is meant?", "Say --project NAME, or once for all commands: gp context use --project NAME"
            )
        return self.context.project

    @cached_property
    def organization(self) -> Place:
        """The organization that the command is about. Raises CommandError, ApiError."""
        if self._organization:
            return self.find_organization(self._organization)
        if self._project:
            return self.find_project(self._project)[0]
        if self.context.organization is None:
            raise CommandError(
                "Which organization is meant?", "Say --org NAME, or once for all commands: gp context use --org NAME"
            )
        return self.context.organization

    def find_project(self, said: str) -> tuple[Place, Place]:
        """A project with its organization, by id, name, or ORGANIZATION/NAME. Raises CommandError, ApiError."""
        within, _, name = said.rpartition("/")
        within = within or self._organization or ""
        query: Mapping[str, str] = {} if is_id(name) else {"name_prefix": name}
        found = self.session.json(Call("GET", _PLACES, query=query))["projects"]
        found = [each for each in found if name in {each["name"], each["id"]}]
        if within:
            found = [each for each in found if within in {each["organization_name"], each["organization_id"]}]
        elif len(found) > 1 and self.context.organization is not None:
            near = [each for each in found if each["organization_id"] == self.context.organization.id]
            found = near or found
        if len(found) > 1:
            several = ", ".join(f"{each['organization_name']}/{each['name']}" for each in found)
            raise CommandError(f"There are several projects {name}: {several}.", "Say --project ORGANIZATION/NAME.")
        if not found:
            raise CommandError(
                f"There is no project {said!r} that you may see.", "See where you may go: gp me projects", NOT_FOUND
            )
        one = found[0]
        return Place(one["organization_id"], one["organization_name"]), Place(one["id"], one["name"])

    def find_organization(self, said: str) -> Place:
        """By id or name. Raises CommandError, ApiError."""
        if is_id(said):
            return Place(said, said)
        for each in self.session.json(Call("GET", _PLACES))["organizations"]:
            if said == each["name"]:
                return Place(each["id"], each["name"])
        command = the_table().find("organization", "list")
        if command is not None:  # administrators of the platform see more than where they have roles
            for each in pages(self.session, command.path, {"name": said}):
                return Place(each["id"], each["name"])
        raise CommandError(
            f"There is no organization {said!r} that you may see.", "See where you may go: gp me projects", NOT_FOUND
        )

    def path(self, template: str, values: Mapping[str, str] | None = None) -> str:
        """A command's path, with what the context and `values` say. Raises CommandError, ApiError."""
        given = dict(values or {})
        if "{project_id}" in template and "project_id" not in given:
            given["project_id"] = self.project.id
        if "{organization_id}" in template and "organization_id" not in given:
            given["organization_id"] = self.organization.id
        for name, value in given.items():
            template = template.replace(f"{{{name}}}", quote(value, safe=""))
        return template

    def identify(self, field: Field, said: str, before: Mapping[str, str]) -> str:
        """The id of what a field names. `before`: what was said of the path so far. Raises CommandError, ApiError."""
        if is_id(said) or not (field.by or field.kind == "*"):
            return said
        if field.kind == "*":
            return self._identify_any(said)
        if field.kind == "project" and not field.among:
            return self.find_project(said)[1].id
        if field.kind == "organization":
            return self.find_organization(said).id
        return self._look_up(field, said, before)

    def _identify_any(self, said: str) -> str:
        noun, _, name = said.rpartition("/")
        for wanted in (noun, f"ops {noun}"):
            command = the_table().find(wanted, "show")
            if noun and command is not None:
                path = self.path(command.path, {command.fields[0].key: name})
                return str(self.session.json(Call("GET", path))["id"])
        raise CommandError(f"{said!r} is not an id.", "Say KIND/NAME, as in vm/web, or an id.")

    def _look_up(self, field: Field, said: str, before: Mapping[str, str]) -> str:
        noun, by = field.kind, field.by
        command = the_table().find(noun, "list")
        if command is None:
            return said
        keys = {field.key for field in command.fields if field.where == "path"}
        path = self.path(command.path, {key: value for key, value in before.items() if key in keys})
        found: list[Any] = [
            each for each in pages(self.session, path, {field.among: "true"} if field.among else {by: said}) if each[by] == said
        ]
        if len(found) == 1:
            return str(found[0].get("id") or found[0].get("user_id"))
        if found:
            raise CommandError(f"There are several of the name {said!r}.", f"Say the id: gp {noun} list")
        raise CommandError(f"There is no {noun} {said!r}.", f"See what is there: gp {noun} list", NOT_FOUND)
