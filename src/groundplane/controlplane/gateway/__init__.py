"""The HTTP edge: applications, middleware, the generic routes of a kind, problems. Every route goes through an operation."""
