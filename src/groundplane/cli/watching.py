"""`gp job watch` and `gp event watch`: what happens, as it happens."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import click

from groundplane.cli.connection import Connection
from groundplane.cli.following import follow
from groundplane.cli.paint import coloured, harmless, moment
from groundplane.cli.table import the_table
from groundplane.sdk.errors import ApiError
from groundplane.sdk.session import Call, Session

LOOK_SECONDS = 0.5
"""How long after a look that found nothing the next one is."""
EVENTS = {"event": "/api/tenant/v1/projects/{project_id}/events", "ops event": "/api/ops/v1/events"}


def watch_job(
    noun: str, job: str, timeout: float, context: str | None, project: str | None = None, organization: str | None = None
) -> None:
    """Show the steps until the job ends; a job that ended shows them all. Raises CommandError, ClientError."""
    command = the_table().find(noun, "show")
    assert command is not None  # noqa: S101  # the table has it
    with closing(Connection(context, organization, project)) as connection:
        path = connection.path(command.path, {"job_id": job})
        told = follow(connection, {"id": job, "href": path}, timeout, quiet=False)
    click.echo(f"{told.workflow} {told.id}: {coloured(told.state)}")


def watch_events(
    noun: str, since: str | None, form: str, context: str | None, project: str | None = None, organization: str | None = None
) -> None:
    """Show every change, until Ctrl-C. As JSON, each is a line with its cursor. Raises CommandError, ClientError."""
    with closing(Connection(context, organization, project)) as connection:
        for cursor, data in _changes(connection.session, connection.path(EVENTS[noun]), since):
            if form == "json":
                click.echo(json.dumps({"cursor": cursor, "data": data}))
            else:
                click.echo("Some changes were missed: list again what you look at." if data is None else _line(data))


def _changes(session: Session, path: str, cursor: str | None) -> Iterator[tuple[str | None, Mapping[str, Any] | None]]:
    """Each change with a cursor behind which nothing is lost, page by page for ever; None: some were missed. Raises ApiError."""
    while True:
        try:
            page = session.json(Call("GET", path, query={"cursor": cursor} if cursor else {}))
        except ApiError as error:
            if error.code != "cursor_too_old":
                raise
            cursor = None
            yield cursor, None
            continue
        for number, item in enumerate(page["items"], 1):
            yield page["next"] if number == len(page["items"]) else cursor, item
        cursor = page["next"]
        if not page["items"]:
            time.sleep(LOOK_SECONDS)


def _line(data: Mapping[str, Any]) -> str:
    at = moment(data["at"])[11:]
    if data["entity"] == "job":
        return f"{at}  job {data['id']}: {data['workflow']} {coloured(data['state'])} at {harmless(data['step'])}"
    status = "deleted" if data["deleted"] else data["status"]
    by = f" by {data['changed_by']}" if data.get("changed_by") else ""
    return f"{at}  {data['kind'].replace('_', '-')} {harmless(data['name'])}: {coloured(status)}{by}"
