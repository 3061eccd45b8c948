"""What can be set: the fields of Settings, by the names of their environment variables."""

import json

from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from groundplane.kernel.settings import Settings, default_data_directory
from groundplane.processes.reference.markdown import code, page, table
from groundplane.processes.reference.schema import Teller


def settings_page() -> str:
    """The page."""
    schema = Settings.model_json_schema()
    teller = Teller(schema.get("$defs", {}), {})
    rows = [
        (code(f"GROUNDPLANE_{name.upper()}"), teller.type_of(field), _default(name), str(field.get("description", "")))
        for name, field in schema["properties"].items()
    ]
    return page(
        "Settings",
        "Each process reads its settings at its start: environment variables over `groundplane.toml` in the data "
        "directory, where the same names stand in lower case without `GROUNDPLANE_`. A value that is not right is "
        "refused with a sentence, and the process does not start. Lists and maps are JSON in the environment. "
        "`groundplane up` hands its own environment on to all that it starts.",
        table(("Variable", "Type", "Default", "Meaning"), rows),
        "In `groundplane.toml`:",
        '```toml\napi_port = 8701\nrate_limit_login = "20/minute"\ntrusted_proxies = ["10.0.0.0/8"]\n```',
    )


def _default(name: str) -> str:
    field = Settings.model_fields[name]
    if field.default is PydanticUndefined:
        return _MADE[field.default_factory]
    value = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    return code(json.dumps(value)) if value not in (None, "", ()) else ""


_MADE = {
    default_data_directory: "`/var/lib/groundplane/default` as root, else `~/.local/share/groundplane/default`",
    dict: "`{}`",
}
"""What is made anew for each process, and may depend on who runs it."""
