"""Runs the demo from the command line."""

from groundplane.processes.demo.story import main

if __name__ == "__main__":
    main()
