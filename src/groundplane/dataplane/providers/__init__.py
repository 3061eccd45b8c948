"""The Protocols that engines are driven through, and one package per engine. Only its own package knows an engine."""
