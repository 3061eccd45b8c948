"""What an operation is called in Python: `vm_create` of a project is `tenant.vms.create`. Told by its operationId and path."""

import keyword
import re
from collections.abc import Iterable

from groundplane.sdk.making.description import Document

SCOPES = {"tenant": "/projects/{project_id}", "common": "/organizations/{organization_id}"}
"""What a scope object binds, by namespace; what lies elsewhere is found at the namespace itself."""

_VERBS_OF_NOUNS = ("list", "create", "read")
_WORDS = {"read": "get"}


class Names:
    """Groups and methods of one namespace."""

    def __init__(self, document: Document) -> None:
        self._nouns = _nouns(operation["operationId"] for _, _, operation in document.operations())
        self._plurals = {
            noun: _plural(noun, path)
            for path, _, operation in document.operations()
            for noun, verb in [self.split(operation["operationId"])]
            if verb == "list"
        }

    def split(self, operation_id: str) -> tuple[str, str]:
        """Noun and verb; one word alone is a verb without a noun."""
        noun = max((each for each in self._nouns if operation_id.startswith(f"{each}_")), key=len, default="")
        if noun:
            return noun, operation_id.removeprefix(f"{noun}_")
        noun, _, verb = operation_id.rpartition("_")
        return noun, verb

    def place(self, operation_id: str) -> tuple[str, str]:
        """The attribute under which an operation's noun is found, and its method there."""
        noun, verb = self.split(operation_id)
        return self._plurals.get(noun, noun), _WORDS.get(verb, verb)


def _nouns(operation_ids: Iterable[str]) -> set[str]:
    return {each.removesuffix(f"_{verb}") for each in operation_ids for verb in _VERBS_OF_NOUNS if each.endswith(f"_{verb}")}


def _plural(noun: str, path: str) -> str:
    """As the path of the list has it: `my_session` in /me/sessions is `my_sessions`."""
    words = path.rpartition("/")[2].replace("-", "_").split("_")
    kept = noun.split("_")[: -len(words)]
    return "_".join((*kept, *words))


def class_name(words: str) -> str:
    """`security_groups` as SecurityGroups."""
    return "".join(word[:1].upper() + word[1:] for word in re.split(r"[_\s-]+", words))


def argument(name: str) -> str:
    """A name of the description as Python takes it."""
    found = re.sub(r"\W", "_", name)
    return f"{found}_" if keyword.iskeyword(found) else found
