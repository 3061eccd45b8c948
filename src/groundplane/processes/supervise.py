"""The supervisor's own process: composes an installation and runs it until told to stop.

Started by `groundplane up` with the data directory's lock already held in an inherited descriptor.
"""

import asyncio
import logging
import os
import sys
from pathlib import Path

from groundplane.processes.layout import Installation, Layout
from groundplane.processes.parts import compose
from groundplane.processes.supervisor import PartFailedError, Supervisor


def supervise(layout: Layout, lock: int) -> int:
    """Run the installation until SIGTERM, SIGINT or `stop`; return the exit status.

    The lock's descriptor is not inherited by children, so that a killed supervisor frees it at once.
    """
    os.set_inheritable(lock, False)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    installation = Installation.load(layout) or Installation()
    try:
        composition = compose(layout, installation)
    except PartFailedError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    composition.endpoints.save(layout)
    asyncio.run(Supervisor(layout, composition.parts).run())
    return 0


if __name__ == "__main__":
    sys.exit(supervise(Layout(Path(sys.argv[1])), int(sys.argv[2])))
