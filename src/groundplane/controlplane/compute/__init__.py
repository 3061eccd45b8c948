"""Compute: virtual machines and what goes into them."""
