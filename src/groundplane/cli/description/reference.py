"""The reference of the command line, made of the same table as the commands."""

import json
from collections.abc import Iterator

from groundplane.cli.failures import EXIT_CODES
from groundplane.cli.table import Command, Field, Table

_HEAD = """# The command line

Made from the API's description by `groundplane openapi`; do not edit. `gp` is short for `groundplane`. Nouns come before verbs,
names and ids are both understood, and `--help` after any word says what it takes.

## What all commands have

| Option | What it does |
| --- | --- |
| `--context NAME` | another context than the one in use; also `GROUNDPLANE_CONTEXT` |
| `--org NAME` | another organization than the context's; also `GROUNDPLANE_ORGANIZATION` |
| `--project NAME` | another project than the context's; also `GROUNDPLANE_PROJECT` |
| `-o`, `--output` | `table`, `wide`, `json`, `yaml`, `name` |
| `--query JMESPATH` | only what this picks of the answer |
| `--from-file PATH`, `--set PATH=VALUE` | the request, or parts of it, where a command sends one |
| `--dry-run` | do nothing; show what would be done |
| `--wait`, `--no-wait`, `--timeout SECONDS` | whether to wait for the job, and how long |
| `--idempotency-key TEXT` | with the same key it is done once |
| `--yes`, `-y` | do not ask before what cannot be undone |

Programs say `GROUNDPLANE_URL` and `GROUNDPLANE_API_KEY` instead of logging in. `NO_COLOR` switches colours off.

## Sessions and contexts

| Command | What it does |
| --- | --- |
| `gp login [URL]` | log in: in the browser (device flow), by `--email`, or by `--api-key` |
| `gp logout` | end the session, and forget its tokens |
| `gp context list` | the platforms that you are logged in to |
| `gp context use [NAME] [--org NAME] [--project NAME]` | choose what commands are about |
| `gp context delete NAME` | forget one |
| `gp why KIND NAME` | why something is as it is, or is not there |
| `gp job watch JOB`, `gp ops job watch JOB` | a job's steps as they happen |
| `gp event watch`, `gp ops event watch` | what changes, as it changes; as JSON, each with the cursor to go on from |
| `gp completion bash`, `zsh`, `fish` | what makes a shell complete nouns, verbs, options, names and ids |

Contexts and credentials are files below `~/.config/groundplane` (`GROUNDPLANE_CONFIG_DIR`); credentials have mode 0600.

## Exit codes

| Code | Meaning |
| --- | --- |
"""


def write_reference(table: str) -> str:
    """The page, in Markdown. `table` is the command table as it is committed."""
    parsed = Table(json.loads(table))
    codes = "".join(f"| {code} | {meaning} |\n" for code, meaning in EXIT_CODES.items())
    nouns: dict[str, list[Command]] = {}
    for command in parsed:
        nouns.setdefault(command.noun, []).append(command)
    sections = "".join("".join(_section(noun, parsed.nouns.get(noun, ""), found)) for noun, found in nouns.items())
    return f"{_HEAD}{codes}{sections}"


def _section(noun: str, sentence: str, commands: list[Command]) -> Iterator[str]:
    yield f"\n## {noun or 'search'}\n\n{sentence}\n" if sentence else f"\n## {noun or 'search'}\n"
    for command in commands:
        words = f"gp {noun} {command.verb}".replace("  ", " ")
        arguments = "".join(f" {field.name.upper()}" for field in command.fields if field.positional)
        options = [field for field in command.fields if not field.positional]
        yield f"\n### {words}\n\n{command.summary}.\n\n```text\n{words}{arguments}{' [OPTIONS]' if options else ''}\n```\n"
        if options:
            yield "\n| Option | |\n| --- | --- |\n" + "".join(map(_row, options))


def _row(field: Field) -> str:
    value = "" if field.type == "bool" else " " + ("\\|".join(field.choices) or field.type.upper())
    flag = f"--{field.name}/--no-{field.name}" if field.type == "bool" else f"--{field.name}{value}"
    notes = [
        *(["required"] if field.required else []),
        *([f"default {field.default}"] if field.default is not None else []),
        *(["may be repeated"] if field.many else []),
    ]
    words = field.help.replace("|", "\\|")
    said = f" ({', '.join(notes)})" if notes else ""
    return f"| `{flag}` | {words}{said} |\n"
