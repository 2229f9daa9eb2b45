"""What a TLS listener asks of clients and of connections, beyond having a certificate."""

import ssl
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsDemands:
    """Nothing by default."""

    request_cert: bool = False
    """Ask clients for certificates; one that is not good is refused."""
    reject_unauthorized: bool = False
    """Refuse clients without one, too; counts with `request_cert` only."""
    client_ca: str = ""
    """Path of the certificates (PEM) that clients' are checked against; empty: the system's."""
    ciphers: str = ""
    """Of TLS 1.2, in OpenSSL's words."""
    protocol: str = ""
    """"TLSv1_2" or "TLSv1_3", if only that is spoken."""
    dhparam: str = ""
    """Path of Diffie-Hellman parameters (PEM)."""

    def impose(self, context: ssl.SSLContext) -> None:
        """Raises OSError or ssl.SSLError if what it names cannot be used."""
        if self.request_cert:
            context.verify_mode = ssl.CERT_REQUIRED if self.reject_unauthorized else ssl.CERT_OPTIONAL
            if self.client_ca:
                context.load_verify_locations(self.client_ca)
            else:
                context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
        if self.ciphers:
            context.set_ciphers(self.ciphers)
        if self.dhparam:
            context.load_dh_params(self.dhparam)
        if self.protocol:
            context.minimum_version = context.maximum_version = ssl.TLSVersion[self.protocol]
