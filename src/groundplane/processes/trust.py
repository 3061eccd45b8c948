"""Whose certificate is believed where one process of the platform calls the api of another."""

import ssl
from pathlib import Path

from groundplane.kernel.settings import Settings


def api_trust(settings: Settings, url: str) -> ssl.SSLContext | None:
    """What the api at `url` must show: for this installation's own api its very certificate, else one of `api_ca`.

    None where it speaks no TLS: to read the system's authorities takes its time.
    """
    if not url.startswith("https:"):
        return None
    if settings.tls_certificate is not None and url == settings.api_url:
        return _only(settings.tls_certificate)
    return ssl.create_default_context(cafile=settings.api_ca)


def _only(certificate: Path) -> ssl.SSLContext:
    """Believe the first certificate of the file and no other, whatever names it has: the api is called by its address."""
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    own = begin + certificate.read_text().partition(begin)[2].partition(end)[0] + end
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=own)
    return context
