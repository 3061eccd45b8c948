"""Nouns and verbs of the table as commands of Click, each made only when it is the one that was typed, or asked about."""

import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import click

from groundplane.cli.completion import complete_field, complete_place
from groundplane.cli.table import Command, Field, Table
from groundplane.cli.values import Value

ALIASES = {"org": "organization"}
FORMATS = ("table", "wide", "json", "yaml", "name")
Maker = Callable[[str], click.Command]


class Sectioned(click.Command):
    """A command whose help tells its own options from those that all commands have. `common`: the names of the latter."""

    common: frozenset[str] = frozenset()

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Its own options, then those of all."""
        options = (param for param in self.get_params(ctx) if isinstance(param, click.Option))
        records = [(param, record) for param in options if (record := param.get_help_record(ctx))]
        own = [record for param, record in records if param.name not in self.common]
        rest = [record for param, record in records if param.name in self.common]
        for title, lines in (("Options", own), ("Common options", rest)):
            if lines:
                with formatter.section(title):
                    formatter.write_dl(lines)


class Nouns(click.Group):
    """The words that may follow a noun: its verbs, and longer nouns. `by_hand`: commands that the table does not have."""

    def __init__(self, table: Table, noun: str, by_hand: Mapping[str, Maker], **more: Any) -> None:
        super().__init__(name=noun.rpartition(" ")[2] or None, **more)
        self.table = table
        self.noun = noun
        self.by_hand = {key.removeprefix(f"{noun} ").strip(): make for key, make in by_hand.items() if self._is_here(noun, key)}
        self._all_by_hand = by_hand

    @staticmethod
    def _is_here(noun: str, key: str) -> bool:
        return key.rpartition(" ")[0] == noun

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Verbs first, then longer nouns."""
        del ctx
        words = [*self.table.verbs(self.noun), *self.by_hand, *self.table.below(self.noun)]
        return list(dict.fromkeys(words))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """What a word stands for."""
        del ctx
        name = ALIASES.get(cmd_name, cmd_name)
        if name in self.by_hand:
            return self.by_hand[name](name)
        command = self.table.find(self.noun, name)
        if command is not None:
            return made(command)
        deeper = f"{self.noun} {name}".strip()
        if deeper in self.table.nouns:
            return Nouns(self.table, deeper, self._all_by_hand, help=self.table.nouns[deeper])
        return None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """The command of the first word; a word that is none is told which it may have been."""
        word = args[0]
        if self.get_command(ctx, word) is None and not word.startswith("-"):
            near = difflib.get_close_matches(word, self.list_commands(ctx), n=3)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            ctx.fail(f"There is no {word!r} here.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Verbs and nouns, each with its sentence."""
        verbs = {**self.table.verbs(self.noun)}
        for name, make in self.by_hand.items():
            verbs[name] = make(name).get_short_help_str(200)
        for title, words in (("Verbs", verbs), ("Nouns", self.table.below(self.noun))):
            if words:
                with formatter.section(title):
                    formatter.write_dl(list(words.items()))
        del ctx


def made(command: Command) -> click.Command:
    """A command of the table as Click's."""
    params = [param for index, field in enumerate(command.fields) for param in _parameters(field, index)]
    params.sort(key=lambda param: not isinstance(param, click.Argument))
    own = _own_options(command)
    common = _common_options(command)
    body = command.description if command.description and not command.description.startswith(command.summary) else ""
    help_text = f"{command.summary}." + (f"\n\n{body}" if body else "")
    result = Sectioned(command.verb, params=[*params, *own, *common], callback=_callback(command), help=help_text)
    result.common = frozenset(param.name for param in common if param.name)
    return result


def _parameters(field: Field, index: int) -> list[click.Parameter]:
    name, kind = f"f{index}", Value(field)
    complete = complete_field(field)
    if field.positional:
        must = field.where != "body"  # a body may come from a file
        return [
            click.Argument(
                [name], required=must, metavar=field.name.upper(), type=kind, shell_complete=complete, help=_sentence(field)
            )
        ]
    if field.type == "bool":
        return [click.Option([f"--{field.name}/--no-{field.name}", name], default=None, help=_sentence(field))]
    flags = [f"--{field.name}", name] + (["-l"] if field.name == "label" else [])
    option = click.Option(flags, type=kind, multiple=field.many, help=_sentence(field), shell_complete=complete)
    if not field.file:
        return [option]
    words = f"Read {field.name} from a file; - is standard input."
    return [option, click.Option([f"--{field.name}-file", f"{name}_file"], type=click.Path(allow_dash=True), help=words)]


def _sentence(field: Field) -> str:
    words = field.help
    notes = []
    if field.required and not field.positional:
        notes.append("required")
    if field.default is not None:
        notes.append(f"default: {field.default}")
    if field.nullable:
        notes.append("none: without")
    if field.many and field.type in {"entry", "labels", "text", "word"} and field.where == "body":
        notes.append("may be repeated")
    if field.type == "entry":
        parts = field.parts or {}
        several = "; + between the parts of a list" if any(kind.endswith("s") for kind in parts.values()) else ""
        words = f"{words} Fields: {', '.join(parts)}{several}.".strip()
    return (words + (f" [{'; '.join(notes)}]" if notes else "")).strip()


def _own_options(command: Command) -> list[click.Parameter]:
    """What this sort of command has."""
    return [option for trait, make in _OPTIONS.items() if trait in command.traits for option in make(command)]


def _option(*flags: str, **more: Any) -> click.Option:
    return click.Option(flags, **more)


def _upload(_: Command) -> Iterator[click.Option]:
    yield _option("--file", "upload", required=True, type=click.Path(dir_okay=False), help="The disk image to upload.")


def _request(command: Command) -> Iterator[click.Option]:
    whole = "the request, or only its spec" if "spec" in command.traits else "the request"
    words = f"A YAML or JSON file of {whole}; - is standard input."
    yield _option("--from-file", "file", type=click.Path(allow_dash=True), help=words)
    words = "Set any field, as in root_volume.image=tiny; a list or object as JSON."
    yield _option("--set", "sets", multiple=True, metavar="PATH=VALUE", help=words)


def _limit(command: Command) -> Iterator[click.Option]:
    words = "At most so many." + (" All, if not said." if "pages" in command.traits else "")
    yield _option("--limit", type=click.IntRange(min=1), metavar="N", help=words)


def _offset(_: Command) -> Iterator[click.Option]:
    yield _option("--follow", "-f", is_flag=True, help="Go on as it grows, until Ctrl-C.")


def _job(_: Command) -> Iterator[click.Option]:
    yield _option("--wait/--no-wait", default=False, help="Wait until it is so, and show the steps on the way.")
    words = "How long to wait; 600 if not said."
    yield _option("--timeout", type=click.FloatRange(min=0), default=600.0, metavar="SECONDS", help=words)


def _dry_run(_: Command) -> Iterator[click.Option]:
    yield _option("--dry-run", is_flag=True, help="Do nothing; show what would be done.")


def _confirm(_: Command) -> Iterator[click.Option]:
    yield _option("--yes", "-y", is_flag=True, help="Do not ask.")


def _etag(_: Command) -> Iterator[click.Option]:
    yield _option("--if-match", "match", metavar="ETAG", help="Only if it still has this entity tag.")


def _key(_: Command) -> Iterator[click.Option]:
    yield _option("--idempotency-key", "key", metavar="TEXT", help="With the same key it is done once, however often typed.")


_OPTIONS: Mapping[str, Callable[[Command], Iterator[click.Option]]] = {
    "upload": _upload, "body": _request, "pages": _limit, "limit": _limit, "offset": _offset, "job": _job,
    "dry_run": _dry_run, "confirm": _confirm, "etag": _etag, "key": _key,
}  # fmt: skip
"""By the trait of a command: its options."""


def _common_options(command: Command) -> list[click.Parameter]:
    found: list[click.Parameter] = []
    if command.scope == "project":
        words, offered = "Another project than the context's.", complete_place("projects")
        found.append(_option("--project", metavar="NAME", help=words, shell_complete=offered))
    if command.scope:
        words, offered = "Another organization than the context's.", complete_place("organizations")
        found.append(_option("--org", "organization", metavar="NAME", help=words, shell_complete=offered))
    found.append(_option("--context", metavar="NAME", help="Another context than the one in use."))
    if "text" not in command.traits:
        forms = click.Choice(FORMATS)
        found.append(_option("--output", "-o", "form", type=forms, default="table", help="How the answer is shown."))
        found.append(_option("--query", metavar="JMESPATH", help="Show only what this picks of the answer."))
    return found


def _callback(command: Command) -> Callable[..., None]:
    def callback(**given: Any) -> None:
        from groundplane.cli.calling import Typed, run  # noqa: PLC0415  # help and completion of words need no SDK
        from groundplane.cli.values import read_file  # noqa: PLC0415

        fields: dict[tuple[str, str], Any] = {}
        for index, field in enumerate(command.fields):
            value = given.pop(f"f{index}", None)
            path = given.pop(f"f{index}_file", None)
            if path is not None:
                value = read_file(path)
            if value is not None and value != ():
                before = fields.get((field.where, field.key), ())  # a list has options of several forms
                fields[field.where, field.key] = (*before, *value) if field.many else value
        run(command, Typed(fields=fields, **given))

    return callback
