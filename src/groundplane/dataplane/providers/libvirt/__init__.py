"""Compute and block storage of one host through libvirt. Only this package knows libvirt."""

from groundplane.dataplane.providers.libvirt.compute import LibvirtCompute
from groundplane.dataplane.providers.libvirt.storage import LibvirtStorage

__all__ = ["LibvirtCompute", "LibvirtStorage"]
