"""A guest's seed: a NoCloud disk (ISO 9660 labelled `cidata`) with its name, its keys and its user data.

It never asks for the user data itself, and keeps nothing of it.
"""

import io
import json

from pycdlib import PyCdlib

from groundplane.contracts.specs import Seed

NO_USER_DATA = b"#cloud-config\n"


def seed_iso(seed: Seed, user_data: bytes | None) -> bytes:
    """Return the disk's bytes."""
    iso = PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident="cidata")
    files = {"meta-data": _meta_data(seed), "user-data": NO_USER_DATA if user_data is None else user_data}
    for name, content in files.items():
        short = name.upper().replace("-", "_")
        iso.add_fp(io.BytesIO(content), len(content), f"/{short}.;1", rr_name=name, joliet_path=f"/{name}")
    out = io.BytesIO()
    iso.write_fp(out)
    iso.close()
    return out.getvalue()


def _meta_data(seed: Seed) -> bytes:
    lines = [f"instance-id: {_scalar(seed.instance_id)}", f"local-hostname: {_scalar(seed.hostname)}"]
    if seed.ssh_keys:
        lines += ["public-keys:", *(f"  - {_scalar(key)}" for key in seed.ssh_keys)]
    return "\n".join([*lines, ""]).encode()


def _scalar(text: str) -> str:
    """Return text as a YAML string: in JSON's quotes, so that no name is read as a number, a truth or a comment."""
    return json.dumps(text, ensure_ascii=False)
