"""IPv4 addresses and ranges as users write them."""

from ipaddress import IPv4Address, IPv4Network


def ipv4_range(text: str) -> IPv4Network:
    """Read a range, such as 10.0.0.0/24. Raises ValueError with a sentence for whoever wrote it."""
    try:
        around = IPv4Network(text, strict=False)
    except ValueError:
        raise ValueError("An IPv4 range is needed here, such as 10.0.0.0/24.") from None
    if str(around.network_address) != text.partition("/")[0]:
        raise ValueError(f"This is an address within a range. Name the range itself: {around}.")
    return around


def ipv4_address(text: str) -> str:
    """Read an address. Raises ValueError with a sentence for whoever wrote it."""
    try:
        return str(IPv4Address(text))
    except ValueError:
        raise ValueError("An IPv4 address is needed here, such as 10.0.0.5.") from None
