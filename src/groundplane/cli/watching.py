"""`gp job watch`: a job's steps as they happen."""

from contextlib import closing

import click

from groundplane.cli.connection import Connection
from groundplane.cli.following import follow
from groundplane.cli.paint import coloured
from groundplane.cli.table import the_table


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
