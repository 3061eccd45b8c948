"""The database schema and its migrations; knows tables, no services."""
