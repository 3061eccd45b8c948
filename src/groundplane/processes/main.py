"""The command `groundplane`, short `gp`: the commands that run the platform, and beside them the client of its API.

Loads only what is typed: a client's command waits for no library of the platform, and a process for none of the client.
"""

import sys
from pathlib import Path

RUNNING = {
    "up": "Start everything on this machine and wait until it is ready.",
    "down": "Stop the control plane; guests and the data plane go on, unless --all takes everything away.",
    "restart": "Restart parts in place; guests go on.",
    "status": "Show what runs.",
    "doctor": "Say what this machine can run, and what is missing.",
    "migrate": "Bring database and message streams to where the processes can start.",
    "api": "Run the api.",
    "worker": "Run the worker.",
    "agent": "Run the agent of a cluster.",
    "keys": "The keys that sign access tokens.",
    "secrets": "Stored secrets and the keys that seal them.",
    "openapi": "Write what is made of the code: OpenAPI documents, SDK, command table, reference.",
}
"""The commands of `groundplane.processes.commands`, each with its sentence."""


def main() -> None:
    """Run the command line."""
    arguments = sys.argv[1:]
    if arguments and arguments[0] in RUNNING:
        from groundplane.processes.commands import app  # noqa: PLC0415  # see the module

        app()
    from groundplane.cli.main import run  # noqa: PLC0415  # see the module

    name = Path(sys.argv[0]).name
    sys.exit(run(arguments, "groundplane" if name == "main.py" else name, RUNNING))


if __name__ == "__main__":
    main()
