"""Secrets of projects: values that are written, and read by their own route alone. Their specs hold no value."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from groundplane.controlplane.resources.fields import Strict, example
from groundplane.controlplane.resources.kind import Column, Creation, Draft, Kind, one_by_one
from groundplane.controlplane.resources.resource import Resource
from groundplane.kernel.database import Tx

MOST_BYTES = 64 << 10


def _check_size(value: SecretStr) -> SecretStr:
    if len(_plain(value)) > MOST_BYTES:
        raise ValueError(f"at most {MOST_BYTES} bytes as UTF-8")
    return value


Value = Annotated[
    SecretStr,
    Field(min_length=1, max_length=MOST_BYTES, description="What is secret: at most 64 KiB as UTF-8. It is never answered."),
    AfterValidator(_check_size),
]


class SecretRequest(Strict):
    """A value; for an update, the next version's."""

    model_config = example({"value": "hunter2"})

    value: Value


class SecretSpec(Strict):
    """Which version is the current one."""

    version: int = Field(description="The number of the current version.")


def _plain(value: SecretStr) -> bytes:
    return value.get_secret_value().encode()


async def admit(creation: Creation, draft: Draft, request: SecretRequest) -> SecretSpec:
    """The first version."""
    await creation.manager.keep_secret(creation.tx, draft, _plain(request.value))
    return SecretSpec(version=1)


async def revise(_tx: Tx, resource: Resource, _request: SecretRequest) -> SecretSpec:
    """The next version, which the manager keeps."""
    return SecretSpec(version=SecretSpec.model_validate(resource.spec).version + 1)


SECRET = Kind(
    name="secret",
    plural="secrets",
    title="Secret",
    title_plural="Secrets",
    prefix="scr",
    service="secrets",
    namespace="tenant",
    summary="A value that is kept sealed, in versions.",
    spec=SecretSpec,
    create=SecretRequest,
    admit=one_by_one(admit),
    update=SecretRequest,
    revise=revise,
    keeps=lambda request: _plain(request.value),
    dimensions=("secrets",),
    quota=lambda _spec: {"secrets": 1},
    columns=(Column("spec.version", "Version"),),
)
