"""The entry of the command line: finds the command, does it, and turns whatever it ends in into a sentence and an exit code."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from groundplane.cli.by_hand import COMMANDS
from groundplane.cli.by_hand import NOUNS as MORE_NOUNS
from groundplane.cli.commands import Nouns
from groundplane.cli.completion import variable
from groundplane.cli.failures import EXIT_CODES, FAILED, INTERRUPTED, SERVER, TIMEOUT, USAGE, CommandError, of_refusal
from groundplane.cli.table import the_table

HELP = """The cloud of your own servers.

Nouns, then verbs: gp vm create web --image tiny --network lan --wait. Names and ids are both understood. What a noun or a verb
takes is told by --help after it."""


class Root(Nouns):
    """All words. `beside` are the commands that run the platform itself, with their sentences; whoever starts us does them."""

    def __init__(self, beside: Mapping[str, str], program: str) -> None:
        table = the_table()
        table.nouns.update(MORE_NOUNS)
        settings = {"help_option_names": ["--help", "-h"], "max_content_width": 110}
        super().__init__(table, "", COMMANDS, help=HELP, context_settings=settings)
        self.beside = beside
        self.params.append(_version(program))

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All first words."""
        return [*super().list_commands(ctx), *self.beside]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """What a word stands for."""
        if cmd_name in self.beside:
            return click.Command(cmd_name, help=self.beside[cmd_name])
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The words in the order in which one needs them."""
        nouns, projects = self.table.below(""), self.table.in_projects() | {"event"}
        ours = {
            name: str(make(name).help).partition(": ")[0].partition("\n")[0].rstrip(".") for name, make in self.by_hand.items()
        }
        found = dict(self.table.verbs(""))
        sections = {
            "Begin": {**ours, **found, "context": nouns["context"]},
            "In a project": {word: said for word, said in nouns.items() if word in projects and word != "ops"},
            "Organizations and people": {
                word: said for word, said in nouns.items() if word not in projects | {"ops", "context"}
            },
            "Operators": {"ops": nouns["ops"]},
            "This machine's installation": dict(self.beside),
            "Exit codes": {str(code): said for code, said in EXIT_CODES.items()},
        }
        for title, words in sections.items():
            if words:
                with formatter.section(title):
                    formatter.write_dl(sorted(words.items()) if title[0] in "IO" else list(words.items()))
        del ctx


def _version(program: str) -> click.Option:
    def tell(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
        if wanted and not ctx.resilient_parsing:
            from importlib.metadata import version  # noqa: PLC0415  # only who asks pays for it

            click.echo(f"{program} {version('groundplane')}")
            ctx.exit()

    return click.Option(["--version"], is_flag=True, expose_value=False, is_eager=True, callback=tell, help="Say the version.")


def run(arguments: Sequence[str], program: str = "gp", beside: Mapping[str, str] | None = None) -> int:
    """Do what was typed; answers the exit code."""
    root = Root(beside or {}, program)
    instruction = os.environ.get(variable(program))
    if instruction:
        from click.shell_completion import shell_complete  # noqa: PLC0415  # only shells need it

        return shell_complete(root, {}, program, variable(program), instruction)
    colour = False if os.environ.get("NO_COLOR") else None
    try:
        answer: Any = root.main([*arguments], prog_name=program, standalone_mode=False, color=colour)
    except Exception as error:
        return _ended(error)
    except KeyboardInterrupt:
        return _told(CommandError("Interrupted.", "", INTERRUPTED))
    return answer if isinstance(answer, int) else 0


def _ended(error: Exception) -> int:
    """The exit code of what a command ended in, once it is told."""
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, click.Abort):
        return _told(CommandError("Nothing was done.", "", INTERRUPTED))
    if isinstance(error, BrokenPipeError):
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123  # nobody reads any more, not at exit either
        return FAILED
    return _told(_sentences(error))


def _sentences(error: Exception) -> CommandError:
    """What is told of an error; one that nobody foresaw is raised again."""
    if isinstance(error, CommandError):
        return error
    if isinstance(error, click.UsageError):
        help_of = f"{error.ctx.command_path} --help" if error.ctx else "gp --help"
        return CommandError(error.format_message(), f"See: {help_of}", USAGE)
    if isinstance(error, click.ClickException):
        return CommandError(error.format_message(), "", USAGE)
    return _of_sdk(error)


def _of_sdk(error: Exception) -> CommandError:
    from groundplane.sdk.errors import ApiError, ConnectionFailedError, WaitTimeoutError  # noqa: PLC0415  # it has begun already

    if isinstance(error, ApiError):
        return of_refusal(error)
    if isinstance(error, ConnectionFailedError):
        advice = "See that it runs, and at this address: gp context list"
        return CommandError(f"The platform cannot be reached: {error}.", advice, SERVER)
    if isinstance(error, WaitTimeoutError):
        return CommandError(str(error), "Try again.", TIMEOUT)
    raise error


def _told(error: CommandError) -> int:
    from groundplane.cli.paint import harmless  # noqa: PLC0415  # only errors need it

    first = click.style("Error:", fg="red", bold=True) if not os.environ.get("NO_COLOR") else "Error:"
    click.echo(f"{first} {harmless(error.what)}", err=True)
    if error.advice:
        click.echo(harmless(error.advice), err=True)
    return error.code
