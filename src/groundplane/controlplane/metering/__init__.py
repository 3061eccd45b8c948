"""Metering: how much of what was used from when to when. Takes ids as it gets them."""
