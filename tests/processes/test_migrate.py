"""What `migrate` does when the world around is not as it should be."""

import pytest
from pydantic import SecretStr

from groundplane.kernel.settings import Settings
from groundplane.processes import migrate


async def test_it_does_not_wait_for_nats_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "BUS_SECONDS", 0.5)
    nowhere = Settings(nats_url=SecretStr("nats://127.0.0.1:1"))
    with pytest.raises(SystemExit, match=r"NATS did not let us in within 0\.5 s .* GROUNDPLANE_NATS_URL"):
        await migrate._connect(nowhere, "migrate", None)
