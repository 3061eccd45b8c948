"""The base of every wire type: frozen, strict when made here, forgiving of fields that a newer peer added."""

from pydantic import BaseModel, ConfigDict


class Wire(BaseModel):
    """A message between the planes. Unknown fields are ignored, since contracts only grow."""

    model_config = ConfigDict(frozen=True, extra="ignore")
