"""What a TLS listener asks of clients and of connections, beyond having a certificate."""

import ssl
from dataclasses import dataclass
from typing import Final, Literal

_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: those whose traffic stays secret should the key be stolen later, and that authenticate what they encrypt. Of TLS 1.3 all are like that."""


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
    """Of TLS 1.2, in OpenSSL's words; empty: only forward-secret ones with authenticated encryption."""
    min_version: Literal["1.2", "1.3"] = "1.2"
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
        context.set_ciphers(self.ciphers or (_CIPHERS + ":DHE+AESGCM" if self.dhparam else _CIPHERS))
        context.minimum_version = ssl.TLSVersion.TLSv1_3 if self.min_version == "1.3" else ssl.TLSVersion.TLSv1_2
        if self.dhparam:
            context.load_dh_params(self.dhparam)
        if self.protocol:
            context.minimum_version = context.maximum_version = ssl.TLSVersion[self.protocol]

    @property
    def what(self) -> str:
        """All that `impose` may stumble over, to be named in a complaint."""
        named = (self.client_ca and f"the authorities in {self.client_ca}", self.ciphers and f"the ciphers {self.ciphers}", self.dhparam)
        return ", or ".join(filter(None, named)) or "the system's authorities"
