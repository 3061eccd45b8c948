"""`groundplane`, short `gp`: the public API on the command line. Sees nothing of the platform but the SDK."""
