"""Settings of every process: environment (`GROUNDPLANE_…`) over a file (`groundplane.toml` in the data directory).

Validated at the start, and refused with a sentence. Secrets are never printed or logged.
"""

import os
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, StringConstraints, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

RATE_PATTERN = r"^([1-9][0-9]* ?(/|per) ?([1-9][0-9]* )?(second|minute|hour|day)s?)?$"
RateLimit = Annotated[str, StringConstraints(pattern=RATE_PATTERN)]
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # nothing is bound here
"""Where what listens on all addresses is called from the same machine."""
Origin = Annotated[str, StringConstraints(pattern=r"^https?://[^/*]+$")]


def default_data_directory(name: str = "default") -> Path:
    """`/var/lib/groundplane/NAME` as root, else `~/.local/share/groundplane/NAME`."""
    if os.geteuid() == 0:
        return Path("/var/lib/groundplane") / name
    return Path.home() / ".local/share/groundplane" / name


class Settings(BaseSettings):
    """What a process needs to know of its surroundings."""

    model_config = SettingsConfigDict(env_prefix="GROUNDPLANE_", extra="ignore", frozen=True)

    data_dir: Path = Field(default_factory=default_data_directory, description="Where all of an installation lies.")
    database_url: SecretStr = Field(
        default=SecretStr(""), description="A PostgreSQL 18 that is there already; empty: one of our own."
    )
    nats_url: SecretStr = Field(default=SecretStr(""), description="A NATS that is there already; empty: one of our own.")
    encryption_keys: SecretStr = Field(
        default=SecretStr(""),
        description="Key-encryption keys of 64 hex digits, separated by commas, the current one first; before those of files.",
    )
    nats_credentials: Path | None = Field(default=None, description="A NATS credentials file (JWT and seed) for nats_url.")
    agent_nats_url: str = Field(default="", description="Where agents reach NATS, if not at nats_url.")
    agent_credential_seconds: int = Field(
        default=86_400,
        ge=4,
        le=30 * 86_400,
        description="How long an agent's credentials are good; renewed at half of that.",
    )
    api_host: str = Field(default="127.0.0.1", description="The address that the api listens on.")
    api_port: int = Field(default=8700, ge=1, le=65535, description="The port that the api listens on.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="The least that is logged.")
    data_plane: Literal["local", "simulated"] = Field(
        default="local", description="This machine's libvirt and OVN, or engines that are only simulated."
    )
    simulated_hosts: int = Field(default=3, ge=0, le=10_000, description="How many hosts the simulated data plane has.")
    access_token_seconds: int = Field(default=900, ge=60, le=86_400, description="How long an access token is good.")
    session_idle_seconds: int = Field(default=7 * 86_400, ge=300, description="How long a session lasts without a refresh.")
    session_seconds: int = Field(default=30 * 86_400, ge=300, description="How long a session lasts in all.")
    verification_url: str = Field(
        default="", description="Where people approve devices; by default /console/device of the api."
    )
    sso_issuer: str = Field(
        default="",
        pattern=r"^(https://.+|http://(127\.0\.0\.1|\[::1\]|localhost)(:\d+)?(/.*)?)?$",
        description="The OpenID provider, exactly as it calls itself; by TLS unless it is on this machine. Empty: none.",
    )
    sso_name: str = Field(default="", description="How the provider is called where people log in; by default its host.")
    sso_client_id: str = Field(default="groundplane", description="What the provider calls us.")
    sso_client_secret: SecretStr = Field(default=SecretStr(""), description="What the provider gave us to prove that.")
    sso_redirect_url: str = Field(default="", description="Our callback; by default of the request's own host.")
    sso_return_url: str = Field(default="/", description="Where the browser goes once it is logged in.")
    sso_allowed_domains: tuple[str, ...] = Field(
        default=(),
        description="Whose vouched-for addresses are let in, and linked to users that exist. Empty: all, no link.",
    )
    sso_groups_claim: str = Field(default="groups", description="Which claim of the provider names the groups of a user.")
    sso_group_roles: dict[str, str] = Field(
        default_factory=dict, description="Group to role: `admin`, `owner@org_…`, `viewer@org_…/prj_…`."
    )
    max_image_bytes: int = Field(default=64 << 30, ge=1, description="The largest image file that is taken.")
    look_seconds: float = Field(default=30.0, gt=0, description="How often the engines are asked for all that they hold.")
    database_pool: int = Field(default=12, ge=1, le=200, description="Eight of these are for creates that share transactions.")
    project_undo_days: float = Field(default=7.0, ge=0, le=3650, description="So long a deleted project can be restored.")

    trace_sample_ratio: float = Field(default=0.1, ge=0, le=1, description="Which part of the traces that begin here is kept.")
    otlp_endpoint: str = Field(default="", description="Where spans are sent to, such as http://HOST:4318/v1/traces.")
    metrics_host: str = Field(default="127.0.0.1", description="The address where figures are read.")
    metrics_port: int = Field(default=0, ge=0, le=65535, description="Each process's own; 0: nobody reads them.")

    # The gateway. A limit is a number and a time, `100/minute`; empty: none. One api process answers a few thousand requests a
    # second, so that the limits of principals are above what one process can do: they bind who sets them lower.
    rate_limit_read: RateLimit = Field(default="600000/minute", description="Of reads, by principal.")
    rate_limit_write: RateLimit = Field(default="300000/minute", description="Of changes, by principal.")
    rate_limit_upload: RateLimit = Field(default="600/minute", description="Of uploads, by principal.")
    rate_limit_login: RateLimit = Field(default="120/minute", description="Of logins, by address: an office may be behind one.")
    rate_limit_address: RateLimit = Field(default="1200000/minute", description="Of all requests, by address.")
    rate_limit_console: RateLimit = Field(default="60000/minute", description="Of the console's files, by address.")
    rate_limit_storage: SecretStr = Field(default=SecretStr(""), description="redis:// or valkey:// for replicas, else memory.")
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = Field(default=(), description="Whose X-Forwarded-For is believed.")
    cors_origins: tuple[Origin, ...] = Field(default=(), description="Origins whose pages may call the api.")
    tls_certificate: Path | None = Field(default=None, description="PEM, with its chain; the api then speaks TLS itself.")
    tls_key: Path | None = Field(default=None, description="PEM, of the certificate.")
    api_ca: Path | None = Field(
        default=None, description="PEM of the authorities that an agent believes about the api; by default the system's."
    )
    require_if_match: bool = Field(default=False, description="Changes of resources must say what they change.")

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together. Set both, or none.")
        return self

    @property
    def tls(self) -> bool:
        """Does the api speak TLS itself?"""
        return self.tls_certificate is not None

    @property
    def api_url(self) -> str:
        """Where the api is reached from its own machine."""
        host = LOOPBACK.get(self.api_host, self.api_host)
        return f"{'https' if self.tls else 'http'}://{f'[{host}]' if ':' in host else host}:{self.api_port}"

    @property
    def blob_directory(self) -> Path:
        """Where uploaded images lie."""
        return self.data_dir / "blobs"

    @property
    def key_directory(self) -> Path:
        """Where the platform's own keys lie; only the control plane reads it."""
        return self.data_dir / "keys"

    @property
    def agent_directory(self) -> Path:
        """Where an agent of this installation keeps its key and what it was given."""
        return self.data_dir / "agent"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments over environment over the file in the data directory."""
        del dotenv_settings, file_secret_settings
        named = init_settings().get("data_dir") or os.environ.get("GROUNDPLANE_DATA_DIR")
        directory = Path(named or default_data_directory())
        file = TomlConfigSettingsSource(settings_cls, toml_file=directory / "groundplane.toml")
        return init_settings, env_settings, file
