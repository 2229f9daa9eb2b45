"""TLS at the public door, and towards servers."""

import logging
import ssl
from pathlib import Path

from perijove.proxy.settings import ProxySettings
from perijove.proxy.tlsdemands import TlsDemands

_log = logging.getLogger("perijove.proxy.tls")


class Certificate:
    """The door's certificate; read again when its file changes, without a restart."""

    def __init__(self, cert: str, key: str, password: str = "", demands: TlsDemands | None = None) -> None:
        """`password`: of the key, if it has one. Raises OSError or ssl.SSLError if the files cannot be used."""
        self._cert = cert
        self._key = key or None
        self._password = password
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        self.context.load_cert_chain(self._cert, self._key, self._tell_password)
        if demands is not None:
            demands.impose(self.context)
        self._seen = self._stamp()

    def reload_if_changed(self) -> None:
        """New connections get the new certificate. A pair that does not fit is reported, and the old one stays."""
        try:
            stamp = self._stamp()
            if stamp == self._seen:
                return
            # Into a context of its own first: a broken pair must not touch the one in use.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self._cert, self._key, self._tell_password)
            self.context.load_cert_chain(self._cert, self._key, self._tell_password)
            self._seen = stamp
            _log.info("the certificate was read again from %s", self._cert)
        except (OSError, ssl.SSLError) as error:
            _log.error("the certificate in %s cannot be used, the one before stays: %s", self._cert, error)

    def _tell_password(self) -> str:
        """Also where there is none: OpenSSL would ask at the terminal."""
        return self._password

    def _stamp(self) -> tuple[int, ...]:
        return tuple(Path(path).stat().st_mtime_ns for path in (self._cert, self._key) if path)


def upstream_context(settings: ProxySettings) -> ssl.SSLContext:
    """For https targets. Raises OSError or ssl.SSLError if files it names cannot be used."""
    context = ssl.create_default_context(cafile=settings.upstream_ca or None)
    if not settings.upstream_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.upstream_cert:
        context.load_cert_chain(settings.upstream_cert, settings.upstream_key or None)
    return context
