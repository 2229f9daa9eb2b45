"""TLS towards servers and hubs."""

import logging
import ssl

from perijove.proxy.certfiles import CertificateFiles, UnusableFilesError, examine, load_into, read_pem
from perijove.proxy.settings import ProxySettings

_log = logging.getLogger("perijove.proxy.tls")


def upstream_context(settings: ProxySettings) -> ssl.SSLContext:
    """For https targets. Raises UnusableFilesError if files it names cannot be used."""
    if settings.upstream_ca:
        read_pem(settings.upstream_ca, "file of authorities")
    try:
        context = ssl.create_default_context(cafile=settings.upstream_ca or None)
    except OSError:
        raise UnusableFilesError(f"{settings.upstream_ca} holds no certificates in PEM form: name the authorities that vouch for servers") from None
    if not settings.upstream_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.upstream_cert:
        files = CertificateFiles(cert=settings.upstream_cert, key=settings.upstream_key)
        examine(files)
        load_into(context, files)
    return context
