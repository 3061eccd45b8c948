"""`gp job watch` and `gp event watch`: what happens, as it happens."""

import json
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import click

from groundplane.cli.connection import Connection
from groundplane.cli.following import follow
from groundplane.cli.paint import coloured, harmless, moment
from groundplane.cli.table import the_table
from groundplane.sdk.calls import Call
from groundplane.sdk.events import follow as follow_events
from groundplane.sdk.record import as_json

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
        call = Call("GET", connection.path(EVENTS[noun]))
        for event in connection.session.stream(follow_events(call, since)):
            data = None if event.data is None else as_json(event.data)
            if form == "json":
                click.echo(json.dumps({"cursor": event.cursor, "data": data}))
            else:
                click.echo("Some changes were missed: list again what you look at." if data is None else _line(data))


def _line(data: Mapping[str, Any]) -> str:
    at = moment(data["at"])[11:]
    if data["entity"] == "job":
        return f"{at}  job {data['id']}: {data['workflow']} {coloured(data['state'])} at {harmless(data['step'])}"
    status = "deleted" if data["deleted"] else data["status"]
    by = f" by {data['changed_by']}" if data.get("changed_by") else ""
    return f"{at}  {data['kind'].replace('_', '-')} {harmless(data['name'])}: {coloured(status)}{by}"
