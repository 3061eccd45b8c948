"""Jobs: durable attempts at what is wanted. Workflows are handed in; no kind, driver, bus or HTTP client is known here."""
