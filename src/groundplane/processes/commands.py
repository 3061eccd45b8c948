"""The commands that run the platform: each of its processes, and what starts them all on one machine."""

import asyncio
import gc
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from groundplane.kernel.settings import Settings
from groundplane.processes import up
from groundplane.processes.layout import data_directory

app = typer.Typer(
    name="groundplane",
    help="Groundplane turns a company's own servers into a cloud.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    add_completion=False,
)
for command in (up.up, up.down, up.restart, up.status, up.doctor):
    app.command()(command)
keys = typer.Typer(help="The keys that sign access tokens.", no_args_is_help=True)
app.add_typer(keys, name="keys")


secrets = typer.Typer(name="secrets", help="Stored secrets and the keys that seal them.", no_args_is_help=True)
app.add_typer(secrets)


def spare_the_collector() -> None:
    """What was imported lives as long as the process: the garbage collector need not look at it, nor look that often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def _serve(run: Callable[[Settings], Awaitable[None]]) -> None:
    async def body() -> None:
        await run(Settings())

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        spare_the_collector()
        runner.run(body())


@app.command()
def migrate() -> None:
    """Bring database and message streams to where the processes can start."""
    from groundplane.processes.migrate import migrate as run  # noqa: PLC0415  # each process loads only its own

    _serve(run)


@app.command()
def api() -> None:
    """Run the api."""
    from groundplane.processes.api import serve  # noqa: PLC0415  # each process loads only its own

    spare_the_collector()
    serve(Settings())


@app.command()
def worker() -> None:
    """Run the worker."""
    from groundplane.processes.worker import run  # noqa: PLC0415  # each process loads only its own

    _serve(run)


@app.command()
def agent(
    enrol: Annotated[str | None, typer.Option(help="A one-time enrolment token, at the first start.")] = None,
    api: Annotated[str | None, typer.Option(help="Where the api is, e.g. https://cloud.example.org.")] = None,
) -> None:
    """Run the agent of a cluster."""
    from groundplane.processes.agent import run  # noqa: PLC0415  # each process loads only its own

    _serve(lambda settings: run(settings, token=enrol, api_url=api))


@keys.command("rotate")
def rotate_signing_key() -> None:
    """Make a new signing key. It signs in a minute; what the old one signed stays good until it expires."""
    from groundplane.controlplane.identity import SigningKeys  # noqa: PLC0415  # each process loads only its own

    made = SigningKeys.of_directory(Settings().key_directory).rotate()
    typer.echo(f"Key {made.id} signs from {made.begins:%Y-%m-%d %H:%M:%S} UTC; nothing needs to be restarted.")


@app.command()
def openapi(*, check: bool = False) -> None:
    """Write what is made of the code: OpenAPI documents, command table, reference; or check that it is as committed."""
    from groundplane.processes.documents import write_documents  # noqa: PLC0415  # each process loads only its own

    different = write_documents(check=check)
    if check and different:
        typer.echo(f"Not as the code says: {', '.join(different)}. Run `groundplane openapi` and commit.", err=True)
        raise typer.Exit(1)


@secrets.command("rotate")
def rotate_secrets(
    name: up.Name = "default",
    data_dir: up.DataDir = None,
    key_encryption_key: Annotated[bool, typer.Option(help="The key that wraps the data keys, instead of these.")] = False,
) -> None:
    """Replace the data key of every organization, and seal every secret anew. Everything may run; begun again, it goes on."""
    from groundplane.processes.secrets import NoInstallationError  # noqa: PLC0415  # each process loads only its own
    from groundplane.processes.secrets import rotate as run  # noqa: PLC0415

    there = data_dir or (Path(named) if (named := os.environ.get("GROUNDPLANE_DATA_DIR")) else None)
    layout = data_directory(name, there)
    os.environ["GROUNDPLANE_DATA_DIR"] = str(layout.root)  # its groundplane.toml is read from there
    try:
        typer.echo(asyncio.run(run(Settings(), key_encryption_key=key_encryption_key)))
    except NoInstallationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(up.NOT_RUNNING) from error
