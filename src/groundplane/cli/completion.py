"""What the shell offers after Tab: nouns, verbs and options from the table, names and ids from the platform.

The platform is asked once, for a second at most; whatever goes wrong, nothing is offered.
"""

import contextlib
from collections.abc import Callable
from threading import Thread
from typing import TYPE_CHECKING, Any

from groundplane.cli.table import Field, the_table

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem

SECONDS = 1.0
MOST = 100
Completer = Callable[["click.Context", "click.Parameter", str], list["CompletionItem"]]
SHELLS = ("bash", "zsh", "fish")


def complete_field(field: Field) -> Completer | None:
    """What a field may be: one of its choices, or the name of something that is there."""
    if field.choices:
        return lambda _ctx, _param, typed: _items(list(field.choices), typed)
    if not field.kind:
        return None
    return lambda ctx, _param, typed: _offered(field.kind, ctx, typed)


def complete_noun(noun: str) -> Completer:
    """The names of what there is of a noun; empty: of the noun that was typed before."""

    def complete(ctx: "click.Context", _param: "click.Parameter", typed: str) -> list["CompletionItem"]:
        wanted = noun or str(ctx.params.get("noun"))
        return _offered(wanted if the_table().find(wanted, "list") else f"ops {wanted}", ctx, typed)

    return complete


def complete_place(sort: str) -> Completer:
    """Organizations or projects that one may go to."""

    def complete(ctx: "click.Context", _param: "click.Parameter", typed: str) -> list["CompletionItem"]:
        answer = _asked(ctx, "/api/common/v1/me/projects", {"name_prefix": typed} if sort == "projects" else {})
        return _items([each["name"] for each in answer.get(sort, ())], typed)

    return complete


def _items(words: list[str], typed: str) -> list["CompletionItem"]:
    from click.shell_completion import CompletionItem  # noqa: PLC0415  # only shells need it

    return [CompletionItem(word) for word in dict.fromkeys(words) if word.startswith(typed)]


def _offered(noun: str, ctx: "click.Context", typed: str) -> list["CompletionItem"]:
    prefix, typed_name = "", typed
    if noun == "*":
        prefix, slash, typed_name = typed.rpartition("/")
        if not slash:
            return _items([f"{each}/" for each in the_table().below("")], typed)
        noun, prefix = prefix, f"{prefix}/"
    if noun == "project":
        return complete_place("projects")(ctx, ctx.command.params[0], typed_name)
    command = the_table().find(noun, "list")
    if command is None:
        return []
    named = {each.key for each in command.fields}
    query: dict[str, Any] = {"limit": MOST, **({"name_prefix": typed_name} if typed_name and "name_prefix" in named else {})}
    items = _asked(ctx, command.path, query).get("items", [])
    words = [str(each.get("name") or each.get("email") or each.get("id")) for each in items]
    ids = [str(each["id"]) for each in items if "id" in each and "_" in typed_name]
    return _items([f"{prefix}{each}" for each in words + ids], typed)


def _asked(ctx: "click.Context", path: str, query: dict[str, Any]) -> dict[str, Any]:
    """One question in what the command line says; nothing if there is no answer in time."""
    found: dict[str, Any] = {}
    asking = Thread(target=lambda: found.update(_answer(ctx, path, query)), daemon=True)
    asking.start()
    asking.join(SECONDS)
    return dict(found)


def _answer(ctx: "click.Context", path: str, query: dict[str, Any]) -> dict[str, Any]:
    from groundplane.cli.connection import Connection  # noqa: PLC0415  # only who completes names needs it
    from groundplane.sdk.retries import Retries  # noqa: PLC0415
    from groundplane.sdk.session import Call  # noqa: PLC0415

    said = ctx.params
    with contextlib.suppress(Exception):  # a shell that waits for Tab has no use for errors
        connection = Connection(said.get("context"), said.get("organization"), said.get("project"), Retries(budget=0.0))
        with contextlib.closing(connection):
            before = {key: str(said.get(f"f{index}")) for index, key in _path_keys(ctx) if said.get(f"f{index}")}
            call = Call("GET", connection.path(path, before), query=query)
            found: dict[str, Any] = connection.session.json(call)
            return found
    return {}


def _path_keys(ctx: "click.Context") -> list[tuple[int, str]]:
    words = ctx.command_path.split()[1:]
    command = the_table().find(" ".join(words[:-1]), words[-1]) if words else None
    return [(index, each.key) for index, each in enumerate(command.fields if command else ()) if each.where == "path"]


def script(shell: str, program: str) -> str:
    """What a shell is to read, so that it completes a program's words."""
    import click  # noqa: PLC0415
    from click.shell_completion import get_completion_class  # noqa: PLC0415

    found = get_completion_class(shell)
    if found is None:
        raise ValueError(shell)
    return found(click.Command(program), {}, program, variable(program)).source()


def variable(program: str) -> str:
    """The variable by which the shell asks a program what to offer."""
    return f"_{program}_COMPLETE".replace("-", "_").upper()
