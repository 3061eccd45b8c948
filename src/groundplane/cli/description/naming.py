"""Which noun and verb an operation is typed as, told by its path; the few that read badly have names of their own here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = Mapping[str, Any]

METHODS = ("get", "post", "put", "patch", "delete")
OF_ITEMS = {"get": "show", "patch": "update", "put": "set", "delete": "delete"}
OF_COLLECTIONS = {"get": "list", "post": "create", "patch": "update", "put": "set", "delete": "delete-all"}
OF_THINGS = {**OF_COLLECTIONS, "get": "show", "delete": "delete"}

NAMES: Mapping[str, str] = {
    "common built_in_role_list": "built-in-role list",
    "common device_approve": "device approve",
    "common device_deny": "device deny",
    "common device_read": "device show",
    "common group_member_create": "group member add",
    "common group_member_delete": "group member remove",
    "common invitation_accept": "invitation accept",
    "common invitation_join": "invitation join",
    "common jwks_read": "signing-key list",
    "common my_session_delete_others": "me session delete-others",
    "common platform_role_binding_create": "platform role-binding create",
    "common platform_role_binding_delete": "platform role-binding delete",
    "common platform_role_binding_list": "platform role-binding list",
    "common kind_list": "kind list",
    "common project_role_binding_create": "project role-binding create",
    "common project_role_binding_delete": "project role-binding delete",
    "common project_role_binding_list": "project role-binding list",
    "common quota_read": "organization quota show",
    "common access_check": "access check",
    "common me_read": "me show",
    "ops agent_enrol": "ops agent enrol",
    "ops host_health_list": "ops host-health list",
    "tenant secret_reveal": "secret reveal",
    "tenant secret_destroy": "secret version destroy",
}
"""By namespace and operationId; the last word is the verb."""

AMONG: Mapping[str, str] = {"common project_restore": "deleted"}
"""Operations about what their noun's list shows with a filter alone; the API knows that by its id."""

BY_HAND: Mapping[str, str] = {
    "common login_method_list": "login",
    "common device_create": "login",
    "common device_token": "login",
    "common session_create": "login",
    "common session_create_totp": "login",
    "common session_refresh": "login",
    "common session_logout": "logout",
    "common sso_start": "login",
    "common sso_callback": "login",
    "tenant event_list": "event watch",
    "ops event_list": "ops event watch",
}
"""Operations that are reached by commands which are more than one request; single sign-on by the browser of the device flow."""


@dataclass(frozen=True)
class Paths:
    """What the paths of a namespace say about one another. `singular` is by the segment of a collection."""

    namespace: str
    document: Json
    singular: Mapping[str, str] = field(default_factory=dict)

    def name(self, path: str, method: str) -> str:
        """Noun and verb, as they are typed."""
        operation = self.document["paths"][path][method]
        fixed = NAMES.get(f"{self.namespace} {operation['operationId']}")
        if fixed is not None:
            return fixed
        parts = self._below_scope(path)
        last = parts[-1]
        if last.startswith("{"):
            return " ".join((*self._nouns(parts), OF_ITEMS.get(method, method)))
        if self._is_verb(path, parts, method):
            return " ".join((*self._nouns(parts[:-1]), last))
        verbs = OF_COLLECTIONS if self._is_collection(path, operation) else OF_THINGS
        return " ".join((*self._nouns(parts), verbs[method]))

    def _below_scope(self, path: str) -> list[str]:
        """The path without the project or organization that a context says. Operators' nouns keep theirs: ops project quota."""
        parts = path.strip("/").split("/")
        if self.namespace == "ops":
            return [part for part in parts if part not in {"{project_id}", "{organization_id}"}]
        for scope in ("organizations", "projects"):
            if parts[0] == scope and len(parts) > 2 and parts[1] == f"{{{scope[:-1]}_id}}":
                parts = parts[2:]
        return parts

    def _nouns(self, parts: list[str]) -> list[str]:
        words = [self.singular.get(part) or singular(part) for part in parts if not part.startswith("{")]
        return (["ops"] if self.namespace == "ops" else []) + words

    def _is_verb(self, path: str, parts: list[str], method: str) -> bool:
        """What follows one item or thing, by one method that reads or acts, and has nothing below it."""
        paths = self.document["paths"]
        alone = sum(each in METHODS for each in paths[path]) == 1 and method in {"get", "post"}
        below = any(other.startswith(f"{path}/{{") for other in paths)
        if len(parts) == 1:
            return parts[0] == "search"
        after_item = parts[-2].startswith("{") or path.rpartition("/")[0] in paths
        return alone and not below and after_item and not self._is_page(paths[path][method])

    def _is_collection(self, path: str, operation: Json) -> bool:
        return any(other.startswith(f"{path}/{{") for other in self.document["paths"]) or self._is_page(operation)

    def _is_page(self, operation: Json) -> bool:
        return self.page_item(operation) is not None

    def page_item(self, operation: Json) -> Json | None:
        """The schema of what a list holds, in pages or as a whole; None when the operation answers no list."""
        shape = self.resolved(answer_schema(operation))
        if shape.get("properties", {}).get("items", {}).get("type") == "array":
            item: Json = self.resolved(shape["properties"]["items"].get("items", {}))
            return item
        return None

    def resolved(self, schema: Json) -> Json:
        """A schema itself, where there was a reference to it."""
        while "$ref" in schema:
            schema = self.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return schema


def answer_schema(operation: Json) -> Json:
    """The schema of a successful answer; of several, of the one that is not a dry run's."""
    for status in ("201", "202", "200"):
        content = operation["responses"].get(status, {}).get("content", {})
        schema: Json = content.get("application/json", {}).get("schema", {})
        shapes = schema.get("anyOf", [schema])
        for shape in shapes:
            if shape and not str(shape.get("$ref", "")).endswith("/DryRunView"):
                found: Json = shape
                return found
    return {}


def singular(word: str) -> str:
    """Of a plural's last word."""
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    return re.sub(r"(?<=[a-z])s$", "", word) if not word.endswith("ss") else word
