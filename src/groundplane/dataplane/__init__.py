"""The data plane: agents that carry out idempotent operations on real engines and say what is. Never sees the database."""
