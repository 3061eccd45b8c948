"""Users for tests, made without the cost of hashing a password."""

from groundplane.controlplane.identity import Actor
from groundplane.controlplane.identity.users import insert_user
from groundplane.kernel.database import Tx
from groundplane.kernel.ids import new_id


async def new_actor(tx: Tx, email: str | None = None) -> Actor:
    """Somebody new, who cannot log in by password."""
    return (await insert_user(tx, email=email or f"{new_id().hex}@example.org", name="Somebody", password_hash="none")).actor
