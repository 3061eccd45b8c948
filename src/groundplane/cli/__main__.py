"""`python -m groundplane.cli`: the command line without what runs the platform."""

import sys

from groundplane.cli.main import run

sys.exit(run(sys.argv[1:]))
