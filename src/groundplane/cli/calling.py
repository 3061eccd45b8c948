"""A command of the table, done: its request made of what was typed, sent, followed, shown."""

import itertools
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from groundplane.cli.connection import Connection
from groundplane.cli.failures import CommandError
from groundplane.cli.output import name_of, show
from groundplane.cli.paint import coloured, harmless
from groundplane.cli.table import Command, Field
from groundplane.cli.values import body_of, missing
from groundplane.sdk.errors import ApiError
from groundplane.sdk.paging import pages
from groundplane.sdk.session import Call

_PIECE = 1 << 20
_UPLOAD_SECONDS = 600.0
_FOLLOW_SECONDS = 0.5


@dataclass(frozen=True)
class Typed:
    """What was typed: the values of fields by where and key, and the options that all such commands have."""

    fields: Mapping[tuple[str, str], Any]
    context: str | None = None
    organization: str | None = None
    project: str | None = None
    form: str = "table"
    query: str | None = None
    limit: int | None = None
    file: str | None = None
    sets: tuple[str, ...] = ()
    upload: str | None = None
    dry_run: bool = False
    key: str | None = None
    match: str | None = None
    wait: bool = False
    timeout: float = 600.0
    yes: bool = False
    follow: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)

    def of(self, where: str) -> dict[str, Any]:
        """The values that were said for one part of the request."""
        return {key: value for (part, key), value in self.fields.items() if part == where}


def run(command: Command, typed: Typed) -> None:
    """Do it. Raises CommandError, ClientError."""
    connection = Connection(typed.context, typed.organization, typed.project)
    with closing(connection):
        path_values = _identified(connection, command, typed.of("path"))
        body = _body(connection, command, typed, path_values)
        if "confirm" in command.traits and not (typed.yes or typed.dry_run):
            _confirm(command, typed)
        path = connection.path(command.path, path_values)
        query = {**_query(connection, command, typed), **({"dry_run": "true"} if typed.dry_run else {})}
        if "pages" in command.traits:
            _list(connection, command, typed, path, query)
        elif "text" in command.traits:
            _print_text(connection, typed, path, query)
        else:
            call = Call(command.method, path, query=query, json=body, headers=_headers(typed))
            before, reference, _ = command.path.partition("{reference}")
            _send(connection, command, typed, call, connection.path(before + reference, path_values))


def _headers(typed: Typed) -> dict[str, str]:
    return {"If-Match": typed.match} if typed.match else {}


def _identified(connection: Connection, command: Command, said: Mapping[str, Any]) -> dict[str, str]:
    """The path's values in their order, each looked up below those before it."""
    found: dict[str, str] = {}
    for each in command.fields:
        if each.where == "path":
            found[each.key] = connection.identify(each, str(said[each.key]), found)
    return found


def _query(connection: Connection, command: Command, typed: Typed) -> dict[str, str | int | float]:
    query: dict[str, str | int | float] = {}
    known = {each.key: each for each in command.fields if each.where == "query"}
    for key, value in typed.of("query").items():
        if known[key].type == "labels":
            query[key] = ",".join(f"{name}={label}" for name, label in value)
        elif known[key].many:
            query[key] = ",".join(value)
        elif isinstance(value, bool):
            query[key] = str(value).lower()
        else:
            query[key] = connection.identify(known[key], value, {}) if isinstance(value, str) else value
    if typed.limit is not None and "limit" in command.traits:
        query["limit"] = typed.limit
    return query


def _body(connection: Connection, command: Command, typed: Typed, before: Mapping[str, str]) -> dict[str, Any] | None:
    if "body" not in command.traits:
        return None
    known = {each.key: each for each in command.fields if each.where == "body"}
    said = {}
    for key, value in typed.of("body").items():
        said[key] = connection.identify(known[key], value, before) if isinstance(value, str) and known[key].by else value
    body = body_of(command, said, typed.file, typed.sets)
    for each in missing(command, body):
        _ask(command, each, body)
    return body


def _ask(command: Command, wanted: Field, body: dict[str, Any]) -> None:
    """Ask for a secret on a terminal; all else must be typed. Raises CommandError."""
    name = wanted.name.upper() if wanted.positional else f"--{wanted.name}"
    if wanted.type != "secret" or not sys.stdin.isatty():
        file = " or from a file by " + f"--{wanted.name}-file" if wanted.file else ""
        raise CommandError(f"{name} is missing.", f"Say it{file}. See: gp {command.noun} {command.verb} --help")
    *parents, last = wanted.key.split(".")
    holder = body
    for parent in parents:
        holder = holder.setdefault(parent, {})
    holder[last] = click.prompt(wanted.name.replace("-", " ").capitalize(), hide_input=True, err=True)


def _confirm(command: Command, typed: Typed) -> None:
    """Ask before what cannot be undone, if there is somebody to ask."""
    if not sys.stdin.isatty():
        return
    what = " ".join(harmless(str(value)) for value in typed.of("path").values())
    click.confirm(
        f"{command.verb.capitalize()} {command.noun.removeprefix('ops ')} {what}".rstrip() + "?", abort=True, err=True
    )


def _list(connection: Connection, command: Command, typed: Typed, path: str, query: Mapping[str, str | int | float]) -> None:
    found: Iterator[Any] = pages(connection.session, path, query)
    show(command, list(itertools.islice(found, typed.limit)), typed.form, typed.query)


def _print_text(connection: Connection, typed: Typed, path: str, query: Mapping[str, str | int | float]) -> None:
    """A text as it is; on a terminal, without what would drive it. Followed, until Ctrl-C."""
    import time  # noqa: PLC0415  # only who follows waits

    offset = int(query.get("offset", 0))
    while True:
        piece = _text_so_far(connection, path, {**query, "offset": offset}, patient=typed.follow)
        offset += len(piece)
        if sys.stdout.isatty():
            click.echo(harmless(piece.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")), nl=False)
        else:
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
        if not typed.follow:
            return
        if not piece:
            time.sleep(_FOLLOW_SECONDS)


def _text_so_far(connection: Connection, path: str, query: Mapping[str, str | int | float], *, patient: bool) -> bytes:
    try:
        content: bytes = connection.session.send(Call("GET", path, query=query)).content
    except ApiError as error:
        if patient and error.code in {"console_not_found", "not_ready"}:
            return b""
        raise
    return content


def _send(connection: Connection, command: Command, typed: Typed, call: Call, item: str) -> None:
    if "upload" in command.traits:
        call = _uploading(call, Path(str(typed.upload)))
    answer = connection.session.json(call, idempotency_key=typed.key)
    if "only_page" in command.traits:
        answer = answer["items"]
    reference = _job_of(answer)
    if reference is None or typed.dry_run or command.method == "GET":
        _tell(command, typed, answer)
        return
    from groundplane.cli.following import follow, started  # noqa: PLC0415  # only jobs are followed

    if not typed.wait:
        _tell(command, typed, answer)
        started(reference, connection)
        return
    done = "cancelled" if command.verb == "cancel" else ""
    follow(connection, reference, typed.timeout, quiet=typed.form not in {"table", "wide"}, done=done)
    _tell(command, typed, _settled(connection, call, item, answer, reference))


def _job_of(answer: Any) -> Mapping[str, Any] | None:
    """The job that carries an answer on: named by a resource, or the answer itself."""
    if not isinstance(answer, Mapping):
        return None
    if "workflow" in answer and "links" in answer:
        return {"id": answer["id"], "state": answer["state"], "href": answer["links"]["self"]}
    job: Mapping[str, Any] | None = answer.get("job")
    return job if isinstance(job, Mapping) else None


def _settled(connection: Connection, call: Call, item: str, answer: Any, job: Mapping[str, Any]) -> Any:
    """What was waited for, as it is now; what was deleted, as it was. `item`: where it lies, or its collection."""
    if "workflow" in answer:
        return connection.session.json(Call("GET", str(job["href"])))
    if call.method == "DELETE":
        return {**answer, "status": "deleted", "job": None}
    if "items" in answer:
        return {
            "items": [connection.session.json(Call("GET", f"{item}/{each['id']}")) for each in answer["items"]],
            "job": None,
        }
    return connection.session.json(
        Call("GET", item if item != call.path or call.method == "PATCH" else f"{item}/{answer['id']}")
    )


def _tell(command: Command, typed: Typed, answer: Any) -> None:
    """A change of a resource is one line for people; everything else is shown."""
    people = typed.form in {"table", "wide"} and not typed.query and not typed.dry_run
    resources = _resources(answer) if people and command.method != "GET" else []
    if not resources:
        bulk = isinstance(answer, Mapping) and isinstance(answer.get("items"), list) and command.method != "GET"
        show(command, answer["items"] if bulk and not people else answer, typed.form, typed.query)
    for each in resources:
        power = (each.get("observed") or {}).get("power")
        state = coloured(each["status"]) + (f", {coloured(power)}" if power and each["status"] == "active" else "")
        click.echo(f"{each['kind'].replace('_', '-')} {harmless(name_of(each))} ({each['id']}): {state}")


def _resources(answer: Any) -> list[Mapping[str, Any]]:
    """The resources that an answer is about, if it is of resources."""
    found = answer.get("items", [answer]) if isinstance(answer, Mapping) else []
    return [each for each in found if isinstance(each, Mapping) and {"kind", "status", "name", "id"} <= set(each)]


def _uploading(call: Call, path: Path) -> Call:
    """The call with a file as its body, and a line that tells how much of it is sent."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.", "Name a disk image that is there.") from error
    headers = {**call.headers, "Content-Type": "application/octet-stream", "Content-Length": str(size)}
    return Call(
        call.method,
        call.path,
        query=call.query,
        body=lambda: _pieces(path, size, _progress()),
        headers=headers,
        wait=_UPLOAD_SECONDS,
    )


def _pieces(path: Path, size: int, tell: Callable[[int, int], None]) -> Iterator[bytes]:
    sent = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
            sent += len(piece)
            tell(sent, size)


def _progress() -> Callable[[int, int], None]:
    def tell(sent: int, size: int) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r{sent >> 20} of {size >> 20} MiB sent", err=True, nl=sent >= size)

    return tell
