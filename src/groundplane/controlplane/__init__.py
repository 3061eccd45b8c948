"""The control plane: only commits transactions. Cut by service, then by kind; pyproject.toml says who may import whom."""
