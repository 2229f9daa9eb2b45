"""The certificates of the public door: which one is shown to whom, and how new ones come into use without a restart."""

import asyncio
import logging
import ssl
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from perijove.proxy.certfiles import CertificateFiles, UnusableFilesError, examine, load_into
from perijove.proxy.tlsdemands import TlsDemands

_log = logging.getLogger("perijove.proxy.tls")
_REMIND_S: Final = 86_400.0


class Certificate:
    """One of them; read again when its files change."""

    def __init__(self, files: CertificateFiles, demands: TlsDemands) -> None:
        """Raises UnusableFilesError."""
        self.files = files
        self._demands = demands
        self._seen = self._stamp()
        self.promise = examine(files)
        self.context = self._make()

    def reload(self, *, anyway: bool) -> bool:
        """Whether there is a new context. A pair that cannot be used is told once, and the one before stays. `anyway`: tell again."""
        stamp = self._stamp()
        if stamp == self._seen and not anyway:
            return False
        same, self._seen = stamp == self._seen, stamp
        try:
            promise, context = examine(self.files), self._make()
        except UnusableFilesError as error:
            _log.error("a certificate was not read again, the one before stays in use: %s", error)
            return False
        if not same:
            _log.info("the certificate was read again from %s", self.files.cert)
        self.promise, self.context = promise, context
        return True

    def _make(self) -> ssl.SSLContext:
        # A context of its own each time: a broken pair must not touch the one in use.
        context = server_context(self._demands)
        load_into(context, self.files)
        return context

    def _stamp(self) -> tuple[tuple[int, int, int], ...]:
        """Changes with what the paths lead to: its contents, its place, who may read it."""
        return tuple(_look(path) for path in (self.files.cert, self.files.key, self._demands.client_ca))


class Certificates:
    """All of them. The first is for those who name no host, or one that is not known here."""

    def __init__(self, files: Sequence[CertificateFiles], demands: TlsDemands, now: float) -> None:
        """`now`: seconds since the epoch. Raises UnusableFilesError."""
        self._demands = demands
        self._all = [Certificate(pair, demands) for pair in files]
        self._authorities = _look(demands.client_ca)
        self._index()
        self._tell(now)
        self._fronts = self._make_fronts()

    def renew_tickets(self) -> None:
        """Sessions begun before cannot be taken up again. Processes forked after this can take up each other's."""
        try:
            self._fronts = self._make_fronts()
        except UnusableFilesError as error:
            _log.error("sessions that began before can be taken up as they were: %s", error)

    @property
    def context(self) -> ssl.SSLContext:
        """To begin handshakes in."""
        return self._fronts[0]

    def context_for(self, transport: asyncio.BaseTransport) -> ssl.SSLContext:
        """To begin a handshake in. Who typed an IP address names no host (RFC 6066, section 3): where we were reached tells."""
        if not self._addresses:
            return self._fronts[0]
        reached = transport.get_extra_info("sockname")
        address = reached[0].removeprefix("::ffff:") if isinstance(reached, tuple) else ""
        return self._fronts[self._addresses.get(address, 0)]

    def certificate_for(self, name: str | None) -> Certificate | None:
        """Whose names include this one; None: no certificate's do."""
        if not name:
            return None
        name = name.lower().removesuffix(".")
        return self._named.get(name) or self._named.get(f"*.{name.partition('.')[2]}")

    def reload(self, now: float, *, anyway: bool = False) -> None:
        """New connections get what the files hold now. `anyway`: somebody asked, so tell about what cannot be used even if it was told before."""
        changed = [certificate.reload(anyway=anyway) for certificate in self._all]
        if any(changed):
            self._index()
            if self._authorities != (authorities := _look(self._demands.client_ca)):
                self._authorities = authorities
                self.renew_tickets()  # a session that began under the authorities before must begin anew
        if any(changed) or now - self._reminded > _REMIND_S:
            self._tell(now)

    def _index(self) -> None:
        self._named: dict[str, Certificate] = {}
        self._addresses: dict[str, int] = {}
        """IP addresses that the first certificate is not for."""
        for index, certificate in reversed(tuple(enumerate(self._all))):
            for name in certificate.promise.names:
                self._named[name] = certificate
                if index and (":" in name or name.rpartition(".")[2].isdigit()):
                    self._addresses[name] = index
        for name in self._all[0].promise.names:
            self._addresses.pop(name, None)

    def _tell(self, now: float) -> None:
        self._reminded = now
        for certificate in self._all:
            certificate.promise.warn(certificate.files.cert, now)
            if not any(self._named[name] is certificate for name in certificate.promise.names) and certificate is not self._all[0]:
                _log.warning("the certificate in %s is never shown: others before it have all its names", certificate.files.cert)

    def _make_fronts(self) -> list[ssl.SSLContext]:
        # OpenSSL keeps the keys of session tickets with the context a handshake begins in: that one stays while certificates change, and has none.
        fronts = []
        for certificate in self._all:
            front = server_context(self._demands)
            front.sni_callback = partial(self._choose, certificate)
            fronts.append(front)
        return fronts

    def _choose(self, nameless: Certificate, connection: ssl.SSLObject, name: str | None, _front: ssl.SSLContext) -> None:
        connection.context = ((self.certificate_for(name) or self._all[0]) if name else nameless).context


def server_context(demands: TlsDemands) -> ssl.SSLContext:
    """Without a certificate yet. Raises UnusableFilesError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        demands.impose(context)
    except OSError as error:  # ssl.SSLError is one
        reason = getattr(error, "reason", None) or error.strerror or error
        raise UnusableFilesError(f"{demands.what} cannot be used for TLS ({reason}): correct it, or what it leads to") from None
    return context


def _look(path: str) -> tuple[int, int, int]:
    if not path:
        return 0, 0, 0
    try:
        found = Path(path).stat()
    except OSError:
        return 0, 0, 0
    return found.st_mtime_ns, found.st_ctime_ns, found.st_ino
