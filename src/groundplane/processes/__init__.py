"""The composition roots: the one place that lists kinds, picks providers, and starts processes."""
