"""The commands that are more than one request of the table. What they do is imported when they are called."""

from collections.abc import Callable, Mapping

import click

from groundplane.cli.commands import FORMATS, Maker, Sectioned
from groundplane.cli.completion import SHELLS, complete_noun, complete_place
from groundplane.cli.table import the_table

NOUNS: Mapping[str, str] = {
    "context": "Platforms that you are logged in to, and what commands are about there.",
    "event": "What changes in a project, as it changes.",
    "ops event": "What changes on the whole platform, as it changes.",
}
"""Nouns that only commands made by hand have."""


def _login(name: str) -> click.Command:
    def callback(**given: object) -> None:
        from groundplane.cli.logins import log_in  # noqa: PLC0415

        log_in(**given)  # type: ignore[arg-type]

    return click.Command(
        name,
        help="Log in to a platform: in the browser, unless an e-mail address or an API key is given. URL is where its API is.",
        params=[
            click.Argument(["url"], default=""),
            click.Option(["--email"], help="Log in by password, which is asked for."),
            click.Option(["--password-stdin"], is_flag=True, help="Read the password from standard input."),
            click.Option(["--api-key"], is_flag=True, help="Log in by an API key, which is asked for, or read from a pipe."),
            click.Option(["--name"], default="default", show_default=True, help="What the context is called."),
            click.Option(["--org", "organization"], help="The organization that commands are about."),
            click.Option(["--project"], help="The project that commands are about."),
        ],
        callback=callback,
    )


def _logout(name: str) -> click.Command:
    def callback(context: str | None) -> None:
        from groundplane.cli.logins import log_out  # noqa: PLC0415

        log_out(context)

    return click.Command(
        name, help="End the session, and forget its tokens.", params=[click.Option(["--context"])], callback=callback
    )


def _context_list(name: str) -> click.Command:
    def callback(form: str) -> None:
        from groundplane.cli.logins import list_contexts  # noqa: PLC0415

        list_contexts(form)

    output = click.Option(["--output", "-o", "form"], type=click.Choice(FORMATS), default="table")
    return click.Command(name, help="List contexts.", params=[output], callback=callback)


def _context_use(name: str) -> click.Command:
    def callback(**given: str | None) -> None:
        from groundplane.cli.logins import use_context  # noqa: PLC0415

        use_context(**given)

    return click.Command(
        name,
        help="Choose a context, or the organization and project that its commands are about.",
        params=[
            click.Argument(["context"], required=False, metavar="NAME", shell_complete=_complete_context),
            click.Option(["--org", "organization"], metavar="NAME", shell_complete=complete_place("organizations")),
            click.Option(["--project"], metavar="NAME", shell_complete=complete_place("projects")),
        ],
        callback=callback,
    )


def _context_delete(name: str) -> click.Command:
    def callback(context: str) -> None:
        from groundplane.cli.logins import delete_context  # noqa: PLC0415

        delete_context(context)

    argument = click.Argument(["context"], metavar="NAME", shell_complete=_complete_context)
    return click.Command(name, help="Forget a context and its credentials.", params=[argument], callback=callback)


def _complete_context(_ctx: click.Context, _param: click.Parameter, typed: str) -> list[str]:
    from groundplane.cli.contexts import Store  # noqa: PLC0415

    return [name for name in Store.of_environment().contexts() if name.startswith(typed)]


def _why(name: str) -> click.Command:
    """`why vm web` is `vm why web`, as one asks it."""

    def callback(noun: str, rest: tuple[str, ...]) -> None:
        from groundplane.cli.commands import made  # noqa: PLC0415
        from groundplane.cli.failures import CommandError  # noqa: PLC0415

        for wanted in (noun, f"ops {noun}"):
            command = the_table().find(wanted, "why")
            if command is not None:
                made(command).main([*rest], prog_name=f"gp {wanted} why", standalone_mode=False)
                return
        raise CommandError(f"Nobody can tell why of {noun!r}.", "Name a kind and one of it: gp why vm web")

    return click.Command(
        name,
        help="Why something is as it is, or is not there: gp why vm web. All that happened to it, cause before effect.",
        params=[
            click.Argument(["noun"], metavar="KIND", shell_complete=_complete_why),
            click.Argument(
                ["rest"], nargs=-1, required=True, metavar="NAME", type=click.UNPROCESSED, shell_complete=complete_noun("")
            ),
        ],
        context_settings={"ignore_unknown_options": True},
        callback=callback,
    )


def _complete_why(_ctx: click.Context, _param: click.Parameter, typed: str) -> list[str]:
    words = {each.noun.removeprefix("ops ") for each in the_table() if each.verb == "why"}
    return sorted(word for word in words if word.startswith(typed))


def _watch(noun: str) -> Maker:
    def make(name: str) -> click.Command:
        def callback(**given: object) -> None:
            from groundplane.cli.watching import watch_job  # noqa: PLC0415

            watch_job(noun, **given)  # type: ignore[arg-type]

        own: list[click.Parameter] = [
            click.Argument(["job"], metavar="JOB", shell_complete=complete_noun(noun)),
            click.Option(["--timeout"], type=float, default=600.0, show_default=True, metavar="SECONDS", help="How long."),
        ]
        return _placed(name, "Watch a job until it ends.", own, callback, in_project=noun == "job")

    return make


def _watch_events(noun: str) -> Maker:
    def make(name: str) -> click.Command:
        def callback(**given: object) -> None:
            from groundplane.cli.watching import watch_events  # noqa: PLC0415

            watch_events(noun, **given)  # type: ignore[arg-type]

        own: list[click.Parameter] = [
            click.Option(
                ["--since"], metavar="CURSOR", help="Begin after the event of this cursor; else with what happens now."
            ),
            click.Option(
                ["--output", "-o", "form"], type=click.Choice(["table", "json"]), default="table", help="How it is shown."
            ),
        ]
        return _placed(name, "Watch what changes, until Ctrl-C.", own, callback, in_project=noun == "event")

    return make


def _placed(
    name: str, words: str, own: list[click.Parameter], callback: Callable[..., None], *, in_project: bool
) -> click.Command:
    """A command with the options that say where it is about."""
    common = [click.Option(["--context"], metavar="NAME", help="Another context than the one in use.")]
    if in_project:
        help_of = "Another {} than the context's."
        common.append(click.Option(["--project"], metavar="NAME", help=help_of.format("project")))
        common.append(click.Option(["--org", "organization"], metavar="NAME", help=help_of.format("organization")))
    result = Sectioned(name, help=words, params=[*own, *common], callback=callback)
    result.common = frozenset({"context", "project", "organization"})
    return result


def _completion(name: str) -> click.Command:
    def callback(shell: str) -> None:
        from groundplane.cli.completion import script  # noqa: PLC0415

        root = click.get_current_context().find_root()
        click.echo(script(shell, root.info_name or "gp"))

    return click.Command(
        name,
        help=(
            "Print what makes a shell complete nouns, verbs, options, names and ids.\n\n\b\n"
            'bash: eval "$(gp completion bash)" in ~/.bashrc\n'
            'zsh:  eval "$(gp completion zsh)" in ~/.zshrc\n'
            "fish: gp completion fish > ~/.config/fish/completions/gp.fish"
        ),
        params=[click.Argument(["shell"], type=click.Choice(SHELLS))],
        callback=callback,
    )


COMMANDS: Mapping[str, Maker] = {
    "login": _login,
    "logout": _logout,
    "context list": _context_list,
    "context use": _context_use,
    "context delete": _context_delete,
    "why": _why,
    "completion": _completion,
    "job watch": _watch("job"),
    "ops job watch": _watch("ops job"),
    "event watch": _watch_events("event"),
    "ops event watch": _watch_events("ops event"),
}
"""By the words that they are typed as."""
