"""SSH keys: public keys that machines let in."""

import base64
import hashlib
from typing import Annotated

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from pydantic import Field

from groundplane.controlplane.resources.fields import Strict, example
from groundplane.controlplane.resources.kind import Column, Creation, Draft, Kind, one_by_one
from groundplane.kernel.errors import InvalidRequestError


class BadPublicKeyError(InvalidRequestError):
    """This is not an SSH public key. Paste the one line of a .pub file, as in `ssh-ed25519 AAAA… you@there`."""

    code = "bad_public_key"


class SshKeyRequest(Strict):
    """The one line of a `.pub` file."""

    model_config = example(
        {"public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPbnbRiXzEFm4uXGvdLGIx0dg0b3z8iN0QF3lUYc9Yw ann@laptop"}
    )

    public_key: Annotated[
        str,
        Field(min_length=20, max_length=8192, pattern=r"^[ -~\n\r]*$", description="As in `ssh-ed25519 AAAA… you@there`."),
    ]


class SshKeySpec(Strict):
    """The key, and its fingerprint as ssh-keygen shows it."""

    public_key: str = Field(description="The line that machines are given.")
    fingerprint: str = Field(description="As ssh-keygen shows it.")


async def admit(_creation: Creation, _draft: Draft, request: SshKeyRequest) -> SshKeySpec:
    """Only what is a public key is kept, so that nothing else reaches a guest."""
    line = request.public_key.strip()
    try:
        if "\n" in line or "\r" in line:
            raise BadPublicKeyError
        load_ssh_public_key(line.encode("ascii"))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadPublicKeyError from error
    digest = hashlib.sha256(base64.b64decode(line.split()[1])).digest()
    return SshKeySpec(public_key=line, fingerprint="SHA256:" + base64.b64encode(digest).decode().rstrip("="))


SSH_KEY = Kind(
    name="ssh_key",
    plural="ssh-keys",
    title="SSH key",
    title_plural="SSH keys",
    prefix="key",
    service="compute",
    namespace="tenant",
    summary="A public key that machines let in.",
    spec=SshKeySpec,
    create=SshKeyRequest,
    admit=one_by_one(admit),
    dimensions=("ssh_keys",),
    quota=lambda _spec: {"ssh_keys": 1},
    columns=(Column("spec.fingerprint", "Fingerprint"),),
)
