"""Jobs that are waited for: their steps as they happen, on standard error, so that standard output is the answer alone."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from groundplane.cli.connection import Connection
from groundplane.cli.failures import FAILED, INTERRUPTED, TIMEOUT, CommandError
from groundplane.cli.stories import step_line
from groundplane.sdk.errors import JobFailedError, WaitTimeoutError
from groundplane.sdk.jobs import wait_for

if TYPE_CHECKING:
    from groundplane.sdk.records import Job, JobStep


def watch_command(job: Mapping[str, Any], connection: Connection) -> str:
    """What to type to see how a job goes on."""
    href, context = str(job["href"]), connection.context
    if "/ops/" in href:
        return f"gp ops job watch {job['id']}"
    here = context.project is not None and f"/projects/{context.project.id}/" in href
    return f"gp job watch {job['id']}" + ("" if here else f" --project {href.partition('/projects/')[2].partition('/')[0]}")


def started(job: Mapping[str, Any], connection: Connection) -> None:
    """Say which job goes on with what was asked for."""
    if sys.stderr.isatty():
        click.echo(f"Job {job['id']} goes on with it. Watch it: {watch_command(job, connection)}", err=True)


def follow(connection: Connection, job: Mapping[str, Any], timeout: float, *, quiet: bool, done: str = "") -> "Job":
    """Wait for a job, and show its steps unless `quiet`. `done`: the code of a failure that is what was wanted.

    Raises CommandError: it failed, took too long, or Ctrl-C was typed.
    """
    watch = watch_command(job, connection)
    try:
        with _live(str(job["id"]), quiet=quiet) as on_step:
            return wait_for(connection.session, str(job["href"]), timeout, on_step)
    except JobFailedError as error:
        if error.code == done:
            return error.job
        raise CommandError(
            f"Job {error.job.id} failed: {error}", f"See what happened: {watch.replace(' watch ', ' show ')}", FAILED
        ) from error
    except WaitTimeoutError as error:
        raise CommandError(str(error), f"It goes on; watch it: {watch}", TIMEOUT) from error
    except KeyboardInterrupt:
        raise CommandError("Nobody waits any more; the job goes on.", f"Watch it: {watch}", INTERRUPTED) from None


@contextmanager
def _live(job_id: str, *, quiet: bool) -> Iterator[Any]:
    """On a terminal, a line that moves below the steps."""
    if quiet or not sys.stderr.isatty():
        yield None if quiet else _say
        return
    from rich.console import Console  # noqa: PLC0415  # only who watches pays for it
    from rich.text import Text  # noqa: PLC0415

    console = Console(stderr=True, highlight=False)
    with console.status(f"{job_id}: waiting") as status:

        def on_step(step: "JobStep") -> None:
            console.print(Text.from_ansi(_line(step)))
            status.update(f"{job_id}: {step.step}")

        yield on_step


def _say(step: "JobStep") -> None:
    click.echo(_line(step), err=True)


def _line(step: "JobStep") -> str:
    body = {"at": step.at.isoformat(), "step": step.step, "what": step.what, "attempt": step.attempt, "detail": step.detail}
    return f"  {step_line(body)}"
