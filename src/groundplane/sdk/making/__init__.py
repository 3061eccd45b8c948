"""Makes the typed part of the SDK from the API's own description. Run by `groundplane openapi`; no part of the SDK at work."""

from groundplane.sdk.making.modules import SDK, make_modules

__all__ = ["SDK", "make_modules"]
